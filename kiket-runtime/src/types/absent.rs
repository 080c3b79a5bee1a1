//! Reads `null` in a body as absent.

use serde::{Deserialize, Deserializer};

/// The field as a `T`; the default if it is `null`. For an absent field, add `#[serde(default)]`.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    field: D,
) -> Result<T, D::Error> {
    Option::deserialize(field).map(Option::unwrap_or_default)
}
