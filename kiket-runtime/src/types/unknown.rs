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

/// Structs with an `extra` for the fields that this version does not know, which the function `$unknown` reads. `in "camelCase"`
/// is how their fields are written. No member is written twice: one of `extra` gives way to the field of its name.
macro_rules! with_extra {
    ($unknown:literal; $(
        $(#[$attribute:meta])*
        pub struct $name:ident $(in $case:literal)? { $($fields:tt)* }
    )*) => {$(
        #[derive(serde::Deserialize)]
        $(#[serde(rename_all = $case)])?
        $(#[$attribute])*
        #[non_exhaustive]
        pub struct $name {
            $($fields)*
            /// The fields that this version does not know.
            #[serde(flatten, deserialize_with = $unknown)]
            pub extra: serde_json::Map<String, serde_json::Value>,
        }

        #[allow(unreachable_pub)] // the fields are those of the public struct
        const _: () = {
            type Written = $name;

            /// How it is written. Where members have the same name, the last one counts.
            #[derive(serde::Serialize)]
            #[serde(remote = "Written" $(, rename_all = $case)?)]
            struct Members {
                #[serde(flatten)]
                extra: serde_json::Map<String, serde_json::Value>,
                $($fields)*
            }

            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    if self.extra.is_empty() {
                        return Members::serialize(self, serializer);
                    }
                    let members = Members::serialize(self, serde_json::value::Serializer);
                    members.map_err(serde::ser::Error::custom)?.serialize(serializer)
                }
            }
        };
    )*};
}

pub(crate) use with_extra;
