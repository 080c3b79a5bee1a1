//! The fields of models: deserialization by type, and serialization unless absent.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Unexpected, Visitor},
    ser::SerializeMap,
};
use serde_json::{Map, Value};

use super::members::{Members, Merge};
use crate::types::{Id, Key, Timestamp, visits};

/// A field, read in one of three ways. `null` does not change it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a model",
    label = "not a field of a model",
    note = "fields are `Option<T>`, `Vec<T>`, `serde_json::Map<String, Value>`, `serde_json::Value`, or other models",
    note = "with `lenient` a field is `Option<String>` or `Vec<String>`, and with `serde` it is an `Option`"
)]
pub trait Read<Way> {
    /// Reads the next value of `map`.
    ///
    /// # Errors
    ///
    /// When the value has the wrong type.
    fn read<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error>;
}

/// Reads a field by its type.
#[derive(Debug)]
pub enum Typed {}

/// Reads texts, also from numbers and from objects with a key or a name.
#[derive(Debug)]
pub enum Lenient {}

/// Reads a field by its type's own `Deserialize`.
#[derive(Debug)]
pub enum Serde {}

/// A type whose `Option` may be a field.
#[diagnostic::on_unimplemented(
    message = "`Option<{Self}>` cannot be a field of a model",
    label = "not a value of a model",
    note = "a type with its own `Deserialize` is read by it where the field has `serde`, like `#[model(serde)]`; other structs derive `kiket::Model`"
)]
pub trait Single: Sized {
    /// Reads the value into its place.
    ///
    /// # Errors
    ///
    /// When the value has the wrong type.
    fn read<'de, A: MapAccess<'de>>(place: &mut Option<Self>, map: &mut A) -> Result<(), A::Error>;
}

/// A later value is merged into an earlier one.
impl<M: Members + Default> Single for M {
    fn read<'de, A: MapAccess<'de>>(place: &mut Option<Self>, map: &mut A) -> Result<(), A::Error> {
        let there = place.is_some();
        let mut model = place.take().unwrap_or_default();
        let read = map.next_value_seed(Merge(&mut model))?;
        *place = (there || read).then_some(model);
        Ok(())
    }
}

macro_rules! singles {
    ($($type:ty),*) => {
        $(
            impl Single for $type {
                fn read<'de, A: MapAccess<'de>>(
                    place: &mut Option<Self>,
                    map: &mut A,
                ) -> Result<(), A::Error> {
                    set(map, |value| *place = Some(value))
                }
            }
        )*
    };
}

singles!(Id, Timestamp, String, bool, u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64, Value);

/// Sets a field to the next value of `map`, unless that is `null`.
fn set<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    map: &mut A,
    set: impl FnOnce(T),
) -> Result<(), A::Error> {
    map.next_value::<Option<T>>().map(|value| value.map(set).unwrap_or_default())
}

impl<T: Single> Read<Typed> for Option<T> {
    fn read<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        T::read(self, map)
    }
}

impl<M: Members> Read<Typed> for M {
    fn read<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        map.next_value_seed(Merge(self)).map(|_| ())
    }
}

impl<T: DeserializeOwned> Read<Typed> for Vec<T> {
    fn read<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        set(map, |list| *self = list)
    }
}

impl Read<Typed> for Map<String, Value> {
    fn read<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        set(map, |members| *self = members)
    }
}

impl Read<Typed> for Value {
    fn read<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        set(map, |value| *self = value)
    }
}

impl<T: DeserializeOwned> Read<Serde> for Option<T> {
    fn read<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        set(map, |value| *self = Some(value))
    }
}

impl Read<Lenient> for Option<String> {
    fn read<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        set(map, |Text(text)| *self = Some(text))
    }
}

impl Read<Lenient> for Vec<String> {
    fn read<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        set(map, |texts: Vec<_>| *self = texts.into_iter().map(|Text(text)| text).collect())
    }
}

/// A text, a number, or an object with a `key` or a `name`.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyText)
    }
}

struct AnyText;

impl<'de> Visitor<'de> for AnyText {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    visits! { value => Text(value.to_string()); visit_str(&str) visit_u64(u64) visit_i64(i64) visit_f64(f64) }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        let (mut key, mut name) = (None, None);
        while let Some(Key(member)) = map.next_key()? {
            match member.as_ref() {
                "key" => set(&mut map, |text| key = Some(text))?,
                "name" => set(&mut map, |text| name = Some(text))?,
                _ => drop(skip(&mut map)?),
            }
        }
        let text = key.or(name).map(Text);
        text.ok_or_else(|| serde::de::Error::invalid_type(Unexpected::Map, &self))
    }
}

/// Reads a member into its field.
///
/// # Errors
///
/// When the value has the wrong type.
pub fn read<'de, Way, F: Read<Way>, A: MapAccess<'de>>(field: &mut F, map: &mut A) -> Result<bool, A::Error> {
    field.read(map).map(|()| true)
}

/// Skips a member that kiket reads itself.
///
/// # Errors
///
/// When the body is not JSON.
pub fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<bool, A::Error> {
    map.next_value::<IgnoredAny>().map(|_| true)
}

/// A field that is not written while it is empty.
pub trait Absent: Serialize {
    /// Whether the field is empty.
    fn is_absent(&self) -> bool;
}

impl<T: Serialize> Absent for Option<T> {
    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Serialize> Absent for Vec<T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl Absent for Map<String, Value> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl Absent for Value {
    fn is_absent(&self) -> bool {
        self.is_null()
    }
}

impl<M: Members + Default + PartialEq + Serialize> Absent for M {
    fn is_absent(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether [`write`] writes a field.
pub fn is_written<F: Absent>(field: &F) -> bool {
    !field.is_absent()
}

/// Writes a field unless it is absent.
///
/// # Errors
///
/// Those of the serializer.
pub fn write<S: SerializeMap, F: Absent>(map: &mut S, name: &'static str, field: &F) -> Result<(), S::Error> {
    if field.is_absent() { Ok(()) } else { map.serialize_entry(name, field) }
}
