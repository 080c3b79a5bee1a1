//! Reads the members of an object into the fields of a model.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Unexpected, Visitor},
};
use serde_json::Value;

use super::extra::Json;
use crate::types::{Id, Key};

/// A model, which is read member by member.
pub trait Members {
    /// The expected value, for error messages.
    const EXPECTED: &'static str;
    /// Whether a list is accepted in place of an object.
    const LISTED: bool = false;

    /// The name of a member, in the form that is compared.
    fn name(key: &str) -> Cow<'_, str> {
        snake_case(key)
    }

    /// Reads the value of a known member; `false` leaves the value unread.
    ///
    /// # Errors
    ///
    /// When the value has the wrong type.
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error>;

    /// Takes a number or a text in place of an object; `false` refuses it.
    fn take_plain(&mut self, _plain: Id) -> bool {
        false
    }

    /// Takes an element of a list in place of an object.
    fn take_element(&mut self, _element: Value) {}

    /// Keeps an unknown member.
    fn keep(&mut self, name: Cow<'_, str>, json: Json<'_>);
}

/// Merges an object, or a value in place of one, into a model. Returns `false` for `null`.
pub(super) struct Merge<'m, M>(pub(super) &'m mut M);

impl<'de, M: Members> DeserializeSeed<'de> for Merge<'_, M> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, M: Members> Visitor<'de> for Merge<'_, M> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(M::EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            if !self.0.take(&M::name(&key), &mut map)? {
                let json = map.next_value()?;
                self.0.keep(key, json);
            }
        }
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        if !M::LISTED {
            return Err(serde::de::Error::invalid_type(Unexpected::Seq, &self));
        }
        while let Some(element) = list.next_element()? {
            self.0.take_element(element);
        }
        Ok(true)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<bool, E> {
        let taken = self.0.take_plain(text.into());
        if taken { Ok(true) } else { Err(E::invalid_type(Unexpected::Str(text), &self)) }
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<bool, E> {
        let taken = self.0.take_plain(number.into());
        if taken { Ok(true) } else { Err(E::invalid_type(Unexpected::Unsigned(number), &self)) }
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<bool, E> {
        let taken = self.0.take_plain(number.into());
        if taken { Ok(true) } else { Err(E::invalid_type(Unexpected::Signed(number), &self)) }
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }
}

/// Reads a whole model, for `Deserialize`.
///
/// # Errors
///
/// When the value is of the wrong type, or `null`.
pub fn whole<'de, M: Members + Default, D: Deserializer<'de>>(deserializer: D) -> Result<M, D::Error> {
    let mut whole = M::default();
    if Merge(&mut whole).deserialize(deserializer)? {
        return Ok(whole);
    }
    Err(serde::de::Error::invalid_type(Unexpected::Unit, &M::EXPECTED))
}

/// Implements `take_plain` for models that may be a plain id in place of an object, or the text of one of their fields.
macro_rules! plain_id {
    ($model:ty $(, $text:ident)?) => {
        impl $model {
            /// Takes a number or a text in place of an object.
            fn take_plain(&mut self, plain: $crate::types::Id) -> bool {
                $(
                    if let Some(text) = plain.as_text() {
                        self.$text = Some(text.to_owned());
                        return true;
                    }
                )?
                self.id = Some(plain);
                true
            }
        }
    };
}
pub(crate) use plain_id;

/// The name in snake case: `currentStateKey` is `current_state_key`.
pub(crate) fn snake_case(name: &str) -> Cow<'_, str> {
    if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    let mut snake = String::with_capacity(name.len().saturating_add(4));
    let mut within = false; // a lower-case word, which an upper-case letter ends
    for letter in name.chars() {
        if within && letter.is_ascii_uppercase() {
            snake.push('_');
        }
        within = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        snake.push(letter.to_ascii_lowercase());
    }
    Cow::Owned(snake)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_in_snake_case() {
        for (name, snake) in [
            ("createdAt", "created_at"),
            ("currentStateKey", "current_state_key"),
            ("projectID", "project_id"),
            ("Title", "title"),
            ("iso8601At", "iso8601_at"),
            ("snake_Case", "snake_case"),
            ("plain", "plain"),
            ("", ""),
            ("ÄÖ", "ÄÖ"),
        ] {
            assert_eq!(snake_case(name), snake);
        }
    }
}
