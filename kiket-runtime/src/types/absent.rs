//! Reads `null` in a body as absent.

use serde::{Deserialize, Deserializer};

/// The field as a `T`, and the default where it is `null`. Where it is absent, `#[serde(default)]` says so.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    field: D,
) -> Result<T, D::Error> {
    Option::deserialize(field).map(Option::unwrap_or_default)
}
