//! What Kiket calls a thing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The id of something at Kiket: a number or a text, which may be given to the next call as it is.
///
/// ```
/// use kiket_runtime::Id;
/// use serde_json::{from_value, json};
///
/// let id: Id = from_value(json!("ISS-42"))?;
/// assert_eq!((id.to_string().as_str(), &id), ("ISS-42", &Id::from("ISS-42")));
/// assert_eq!(from_value::<Id>(json!(42))?, Id::from(42));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged, expecting = "an id is a number or a text")]
#[non_exhaustive]
pub enum Id {
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
}

/// As paths and queries have it: a text without quotes.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl From<u64> for Id {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Id {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn an_id_stays_what_it_was() {
        for id in [json!(0), json!(u64::MAX), json!("7"), json!("ISS-42"), json!("")] {
            let read: Id = from_value(id.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), id);
        }
        assert_ne!(from_value::<Id>(json!(7)).unwrap(), from_value::<Id>(json!("7")).unwrap());
    }

    #[test]
    fn what_is_neither_number_nor_text_is_no_id() {
        for odd in [json!(null), json!(-1), json!(1.5), json!([1]), json!({}), json!(true)] {
            let error = from_value::<Id>(odd).unwrap_err();
            assert_eq!(error.to_string(), "an id is a number or a text");
        }
    }
}
