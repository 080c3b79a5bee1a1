//! Ids, which are texts or whole numbers.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};

/// An id as text; one that is `null` or blank counts as absent. A number that is not whole, or larger than 64 bits,
/// is an error: as it is read it may be another one, and the message would go to somebody else.
pub(super) fn id<'de, D: Deserializer<'de>>(field: D) -> Result<Option<String>, D::Error> {
    field.deserialize_any(Id).map(present)
}

/// The id, if there is something in it.
pub(super) fn present(id: Option<String>) -> Option<String> {
    id.filter(|id| !id.trim().is_empty())
}

struct Id;

impl Visitor<'_> for Id {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a whole number")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, id: &str) -> Result<Self::Value, E> {
        Ok(Some(id.to_owned()))
    }

    fn visit_u64<E: Error>(self, id: u64) -> Result<Self::Value, E> {
        Ok(Some(id.to_string()))
    }

    fn visit_i64<E: Error>(self, id: i64) -> Result<Self::Value, E> {
        Ok(Some(id.to_string()))
    }
}
