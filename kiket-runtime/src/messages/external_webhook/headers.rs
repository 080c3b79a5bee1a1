//! Reads the headers of an external webhook from JSON.

use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use crate::types::Headers;

/// Reads `{"X-Name": "value", "X-Other": ["a", "b"]}`. A name that repeats, in any case, is a repeated
/// header.
pub(super) fn headers<'de, D: Deserializer<'de>>(field: D) -> Result<Headers, D::Error> {
    field.deserialize_any(Names)
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Headers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("headers by their names")
    }

    fn visit_unit<E: Error>(self) -> Result<Headers, E> {
        Ok(Headers::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut names: A) -> Result<Headers, A::Error> {
        let mut headers = Headers::default();
        while let Some((name, value)) = names.next_entry::<String, Value>()? {
            let values = match value {
                Value::Array(values) => values,
                value => vec![value],
            };
            for value in values {
                match value {
                    Value::Null => {}
                    Value::String(text) => headers.push(&name, text.as_bytes()),
                    Value::Bool(_) | Value::Number(_) => headers.push(&name, value.to_string().as_bytes()),
                    Value::Array(_) | Value::Object(_) => {
                        return Err(A::Error::custom(format_args!(
                            "the header `{name}` is neither text nor texts"
                        )));
                    }
                }
            }
        }
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_texts_or_lists_and_nothing_is_lost() {
        #[track_caller]
        fn check(json: &str, expected: &[(&str, &str)]) {
            let read = headers(&mut serde_json::Deserializer::from_str(json)).unwrap();
            let read: Vec<_> =
                read.iter().map(|(name, value)| (name, std::str::from_utf8(value).unwrap())).collect();
            assert_eq!(read, expected);
        }
        check("null", &[]);
        check("{}", &[]);
        check(r#"{"A":"1","B":["2","3"],"C":[],"D":null}"#, &[("A", "1"), ("B", "2"), ("B", "3")]);
        check(r#"{"A":"1","a":"2","A":"3"}"#, &[("A", "1"), ("a", "2"), ("A", "3")]);
        check(r#"{"Content-Length":17,"X":true}"#, &[("Content-Length", "17"), ("X", "true")]);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for json in [json!("A: 1"), json!([]), json!({ "A": {} }), json!({ "A": [["1"]] })] {
            assert!(headers(json.clone()).is_err(), "{json}");
        }
    }
}
