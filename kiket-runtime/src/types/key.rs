//! The keys of JSON objects.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, de::Visitor};

use super::visits::visits;

/// A key of an object, borrowed from the JSON if it has no escapes.
pub(crate) struct Key<'de>(pub(crate) Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'de> Visitor<'de> for Visit {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            visits! { key => Key(Cow::Borrowed(key)); visit_borrowed_str(&'de str) }
            visits! { key => Key(Cow::Owned(key.to_owned())); visit_str(&str) }
        }

        deserializer.deserialize_str(Visit)
    }
}
