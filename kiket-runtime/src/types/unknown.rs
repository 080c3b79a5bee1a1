//! The unknown fields that typed values keep: all but those of the envelope.

use serde::{Deserialize as _, Deserializer};
use serde_json::{Map, Value};

/// The fields that kiket reads itself. They are in the `Context`, and must not be printed, because some are secret.
pub const ENVELOPE: [&str; 4] = ["authentication", "secrets", "secret_status", "api"];

/// Those that are secret, which no typed value keeps at any level (wire contract, unknown-fields).
pub(crate) const CONFIDENTIAL: [&str; 2] = ["authentication", "secrets"];

/// The unknown fields of a flattened struct in a body that has an envelope, without the fields of that.
pub(crate) fn unknown_fields<'de, D: Deserializer<'de>>(fields: D) -> Result<Map<String, Value>, D::Error> {
    without(&ENVELOPE, fields)
}

/// The unknown fields of a flattened struct in an API response, which has no envelope: all but the secret ones.
pub(crate) fn unknown_members<'de, D: Deserializer<'de>>(fields: D) -> Result<Map<String, Value>, D::Error> {
    without(&CONFIDENTIAL, fields)
}

fn without<'de, D: Deserializer<'de>>(names: &[&str], fields: D) -> Result<Map<String, Value>, D::Error> {
    let mut fields = Map::deserialize(fields)?;
    fields.retain(|name, _| !names.contains(&name.as_str()));
    Ok(fields)
}
