//! Reads the members of objects into the fields that they mean, wherever they stand.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor},
};
use serde_json::{Map, Value};

use crate::delivery::Key;
use crate::types::Id;

/// What is read member by member.
pub(super) trait Members {
    /// What an error says was expected.
    const EXPECTED: &'static str;
    /// Whether a list may stand for the whole.
    const LISTED: bool = false;

    /// What a member is called, whoever sends it.
    fn name(key: &str) -> Cow<'_, str> {
        snake_case(key)
    }

    /// Reads the value of a member that means something here; `false` leaves it where it is.
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error>;

    /// Takes a number or a text that stands for the whole; `false` where only an object will do.
    fn take_plain(&mut self, _plain: Id) -> bool {
        false
    }

    /// Takes an element of a list that stands for the whole.
    fn take_element(&mut self, _element: Value) {}

    /// Where members go that mean nothing here.
    fn extra(&mut self) -> &mut Map<String, Value>;
}

/// Reads an object, or what stands for one, into what is there already. Whether there was anything: `null` is nothing.
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
                let value = map.next_value()?;
                self.0.extra().insert(key.into_owned(), value);
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

/// A whole value, for `Deserialize`.
pub(super) fn whole<'de, M: Members + Default, D: Deserializer<'de>>(deserializer: D) -> Result<M, D::Error> {
    let mut whole = M::default();
    if Merge(&mut whole).deserialize(deserializer)? {
        return Ok(whole);
    }
    Err(serde::de::Error::invalid_type(Unexpected::Unit, &M::EXPECTED))
}

/// What the senders of today and of yesterday mean alike: `currentStateKey` is `current_state_key`.
pub(super) fn snake_case(name: &str) -> Cow<'_, str> {
    if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    let mut snake = String::with_capacity(name.len().saturating_add(4));
    let mut within = false; // a word of small letters, which a capital one ends
    for letter in name.chars() {
        if within && letter.is_ascii_uppercase() {
            snake.push('_');
        }
        within = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        snake.push(letter.to_ascii_lowercase());
    }
    Cow::Owned(snake)
}

/// The kinds of fields, and how each is read. What is `null` changes nothing.
pub(super) mod read {
    use super::{
        Deserialize, Deserializer, IgnoredAny, Key, Map, MapAccess, Members, Merge, Unexpected, Value,
        Visitor, fmt,
    };

    pub(in crate::events) fn opt<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
        field: &mut Option<T>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if let Some(value) = map.next_value()? {
            *field = Some(value);
        }
        Ok(())
    }

    /// A text that some write as a number, or as an object with more than its key.
    pub(in crate::events) fn word<'de, A: MapAccess<'de>>(
        field: &mut Option<String>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if let Some(Word(word)) = map.next_value()? {
            *field = Some(word);
        }
        Ok(())
    }

    struct Word(String);

    impl<'de> Deserialize<'de> for Word {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(AnyWord)
        }
    }

    struct AnyWord;

    impl<'de> Visitor<'de> for AnyWord {
        type Value = Word;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a number")
        }

        fn visit_str<E>(self, text: &str) -> Result<Word, E> {
            Ok(Word(text.to_owned()))
        }

        fn visit_u64<E>(self, number: u64) -> Result<Word, E> {
            Ok(Word(number.to_string()))
        }

        fn visit_i64<E>(self, number: i64) -> Result<Word, E> {
            Ok(Word(number.to_string()))
        }

        fn visit_f64<E>(self, number: f64) -> Result<Word, E> {
            Ok(Word(number.to_string()))
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Word, A::Error> {
            let (mut key, mut name) = (None, None);
            while let Some(Key(member)) = map.next_key()? {
                match member.as_ref() {
                    "key" => opt(&mut key, &mut map)?,
                    "name" => opt(&mut name, &mut map)?,
                    _ => nothing(&mut map)?,
                }
            }
            let word = key.or(name).map(Word);
            word.ok_or_else(|| serde::de::Error::invalid_type(Unexpected::Map, &self))
        }
    }

    pub(in crate::events) fn part<'de, M: Members, A: MapAccess<'de>>(
        field: &mut M,
        map: &mut A,
    ) -> Result<(), A::Error> {
        map.next_value_seed(Merge(field)).map(|_| ())
    }

    /// A part that every such event has.
    pub(in crate::events) use part as own;

    pub(in crate::events) fn noun<'de, M: Members + Default, A: MapAccess<'de>>(
        field: &mut Option<M>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let there = field.is_some();
        let mut noun = field.take().unwrap_or_default();
        let read = map.next_value_seed(Merge(&mut noun))?;
        *field = (there || read).then_some(noun);
        Ok(())
    }

    pub(in crate::events) fn list<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
        field: &mut Vec<T>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if let Some(list) = map.next_value()? {
            *field = list;
        }
        Ok(())
    }

    /// Several of those that [`word`] reads.
    pub(in crate::events) fn words<'de, A: MapAccess<'de>>(
        field: &mut Vec<String>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if let Some(words) = map.next_value::<Option<Vec<Word>>>()? {
            *field = words.into_iter().map(|Word(word)| word).collect();
        }
        Ok(())
    }

    pub(in crate::events) fn map<'de, A: MapAccess<'de>>(
        field: &mut Map<String, Value>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if let Some(read) = map.next_value()? {
            *field = read;
        }
        Ok(())
    }

    pub(in crate::events) fn any<'de, A: MapAccess<'de>>(
        field: &mut Value,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let value: Value = map.next_value()?;
        if !value.is_null() {
            *field = value;
        }
        Ok(())
    }

    /// What the framework reads for itself, and no handler through its payload.
    pub(in crate::events) fn nothing<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
        map.next_value::<IgnoredAny>().map(|_| ())
    }
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
