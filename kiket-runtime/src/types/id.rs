//! Ids of Kiket: numbers or texts.

use std::{
    borrow::Cow,
    fmt,
    hash::{Hash, Hasher},
};

use serde::{Deserialize, Deserializer, Serialize, de::Visitor};
use serde_json::{Number, Value};

use super::{conversions::conversions, text::equals_texts, visits::visits};

/// The id of an issue, a person or a project: a number or a text, as Kiket wrote it.
///
/// Two ids are equal when their texts are: `42` equals `"42"`. An id also compares with numbers and texts.
///
/// ```
/// use kiket_runtime::api::Id;
///
/// let (number, text) = (Id::from(42), Id::from("ISS-42"));
/// assert!(number == 42 && number == "42" && text == "ISS-42");
/// assert_eq!(format!("/issues/{text}"), "/issues/ISS-42");
/// assert_eq!(serde_json::to_string(&[number, text])?, r#"[42,"ISS-42"]"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// A number is whole and fits into 64 bits. Any other does not decode, because it would lose precision.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct Id(Spelling);

#[derive(Clone, Serialize)]
#[serde(untagged)]
enum Spelling {
    /// A whole number.
    Number(Number),
    Text(String),
}

impl Id {
    /// The number; `None` for a text, even one of digits, and for a negative number.
    pub fn as_u64(&self) -> Option<u64> {
        if let Spelling::Number(number) = &self.0 { number.as_u64() } else { None }
    }

    /// The text; `None` for a number.
    pub fn as_text(&self) -> Option<&str> {
        if let Spelling::Text(text) = &self.0 { Some(text) } else { None }
    }

    fn spelling(&self) -> Cow<'_, str> {
        match &self.0 {
            Spelling::Number(number) => Cow::Owned(number.to_string()),
            Spelling::Text(text) => Cow::Borrowed(text),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spelling())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Spelling::Number(number) => fmt::Display::fmt(number, f),
            Spelling::Text(text) => fmt::Debug::fmt(text, f),
        }
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Spelling::Number(one), Spelling::Number(other)) => one == other,
            (Spelling::Text(one), Spelling::Text(other)) => one == other,
            _ => self.spelling() == other.spelling(),
        }
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spelling().hash(state);
    }
}

conversions! {
    impl From<&str> for Id = |text| Self(Spelling::Text(text.to_owned()));
    impl From<&String> for Id = |text| text.as_str().into();
    impl From<&Id> for Id = |id| id.clone();
    impl From<String> for Id = |text| Self(Spelling::Text(text));
}

impl PartialEq<str> for Id {
    fn eq(&self, text: &str) -> bool {
        self.spelling() == text
    }
}

equals_texts!(Id: &str, String);

macro_rules! numbers {
    ($($number:ty),*) => {
        $(
            impl From<$number> for Id {
                fn from(number: $number) -> Self {
                    Self(Spelling::Number(number.into()))
                }
            }

            impl PartialEq<$number> for Id {
                fn eq(&self, number: &$number) -> bool {
                    let number = Self::from(*number);
                    *self == number
                }
            }
        )*
    };
}

numbers!(u8, u16, u32, u64, i32, i64);

impl From<Id> for Value {
    fn from(id: Id) -> Self {
        match id.0 {
            Spelling::Number(number) => number.into(),
            Spelling::Text(text) => text.into(),
        }
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl Visitor<'_> for Visit {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id, a whole number or a text")
            }

            visits! { id => Id::from(id); visit_u64(u64) visit_i64(i64) visit_str(&str) visit_string(String) }
        }

        deserializer.deserialize_any(Visit)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_compared_by_its_spelling() {
        let (number, digits, text) = (Id::from(42_u64), Id::from("42"), Id::from("ISS-42".to_owned()));
        assert!(number == digits && number == 42 && number == "42" && digits == 42_u64 && number == *"42");
        let spelling = "ISS-42".to_owned();
        assert!(number != text && text == "ISS-42" && text == spelling && text != 42);
        let negative = Id::from(-1);
        assert!(negative == "-1" && negative == -1_i64 && negative != 1 && negative != u64::MAX);
        assert!(Id::from("042") != 42);
        assert_eq!(HashSet::from([number.clone(), digits.clone(), text.clone()]).len(), 2);
        assert_eq!((number.as_u64(), digits.as_u64(), Id::from(-1).as_u64()), (Some(42), None, None));
        assert_eq!((number.as_text(), text.as_text()), (None, Some("ISS-42")));
        assert_eq!(format!("{number} {digits:?} {number:?}"), r#"42 "42" 42"#);
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for json in ["1.5", "1e3", "true", "[]", "{}", "null", "18446744073709551616"] {
            let error = serde_json::from_str::<Id>(json).unwrap_err().to_string();
            assert!(error.contains("expected an id, a whole number or a text"), "{json}: {error}");
        }
    }

    proptest! {
        #[test]
        fn an_id_keeps_its_spelling(
            id in prop_oneof![
                any::<u64>().prop_map(Value::from), any::<i64>().prop_map(Value::from), ".*".prop_map(Value::from),
            ],
        ) {
            let written = id.to_string();
            let read: Id = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(serde_json::to_string(&read).unwrap(), written);
            prop_assert_eq!(read.to_string(), id.as_str().map_or_else(|| id.to_string(), str::to_owned));
            prop_assert_eq!(&read, &serde_json::from_value::<Id>(id).unwrap());
        }
    }
}
