//! Reads single values of a body, and replaces some: every other byte stays as it was sent.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, value::RawValue};

use crate::types::Key;

/// The members of an object, in their order; a key may be there twice.
struct Members<'b>(Vec<(Cow<'b, str>, &'b RawValue)>);

impl<'b> Deserialize<'b> for Members<'b> {
    fn deserialize<D: Deserializer<'b>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'b> Visitor<'b> for Collect {
            type Value = Members<'b>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<Members<'b>, A::Error> {
                let mut members = Vec::new();
                while let Some((Key(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

/// The text or the number at `path`, like `issue.id`: at the top of the body, else in its `data`, else in its `payload` (wire
/// contract, payload-data).
pub(crate) fn value_at(body: &str, path: &str) -> Option<String> {
    ["", "data", "payload"].into_iter().find_map(|place| {
        let mut names = Some(place).filter(|place| !place.is_empty()).into_iter().chain(path.split('.'));
        let raw = names.try_fold(body, |object, name| {
            let Members(members) = serde_json::from_str(object).ok()?;
            members.into_iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.get())
        })?;
        match serde_json::from_str(raw).ok()? {
            Value::String(text) => Some(text).filter(|text| !text.is_empty()),
            Value::Number(_) => Some(raw.to_owned()),
            _ => None,
        }
    })
}

/// The body without its secrets and without its runtime token.
pub(crate) fn without_secrets(body: &str) -> serde_json::Result<String> {
    let Members(members) = serde_json::from_str(body)?;
    let (mut text, mut from) = (String::with_capacity(body.len()), 0);
    for (key, value) in members {
        let replaced = match &*key {
            "secrets" => "{}".to_owned(),
            "authentication" => match serde_json::from_str::<Map<String, Value>>(value.get()) {
                Ok(mut claims) => {
                    claims.remove("runtime_token");
                    Value::Object(claims).to_string()
                }
                Err(_) => "null".to_owned(),
            },
            _ => continue,
        };
        // The value is a slice of the body: its position is the distance of the two.
        let start = (value.get().as_ptr() as usize).saturating_sub(body.as_ptr() as usize);
        text.push_str(body.get(from..start).unwrap_or_default());
        text.push_str(&replaced);
        from = start.saturating_add(value.get().len());
    }
    text.push_str(body.get(from..).unwrap_or_default());
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_where_payloads_have_it() {
        for (body, value) in [
            (r#"{"issue":{"id":7}}"#, Some("7")),
            (r#"{"data":{"issue":{"id":"I-7"}}}"#, Some("I-7")),
            (r#"{"payload":{"issue":{"id":18446744073709551616}}}"#, Some("18446744073709551616")),
            (r#"{"issue":{"id":1},"data":{"issue":{"id":2}}}"#, Some("1")),
            (r#"{"issue":{"id":1,"id":2}}"#, Some("2")),
            (r#"{"issue":{"\u0069d":"\u0041"}}"#, Some("A")),
            (r#"{"issue":{"id":null}}"#, None),
            (r#"{"issue":{"id":""}}"#, None),
            (r#"{"issue":{"id":{}}}"#, None),
            (r#"{"issue":[{"id":1}]}"#, None),
            (r#"{"issue.id":1}"#, None),
            ("{", None),
        ] {
            assert_eq!(value_at(body, "issue.id").as_deref(), value, "{body}");
        }
        assert_eq!(value_at(r#"{"id":1}"#, "id").as_deref(), Some("1"));
    }

    #[test]
    fn secrets_and_tokens_are_cut_and_nothing_else_is_touched() {
        for (body, cut) in [
            (
                r#"{ "a":1.10, "secrets" : {"K":"canary"} , "b" : [ ] }"#,
                r#"{ "a":1.10, "secrets" : {} , "b" : [ ] }"#,
            ),
            (r#"{"secrets":"canary","secrets":{"K":"canary"}}"#, r#"{"secrets":{},"secrets":{}}"#),
            (
                r#"{"authentication":{"runtime_token":"canary","scopes":["a"]}}"#,
                r#"{"authentication":{"scopes":["a"]}}"#,
            ),
            (r#"{"authentication":"canary"}"#, r#"{"authentication":null}"#),
            (r#"{"\u0073ecrets":{"K":"canary"}}"#, r#"{"\u0073ecrets":{}}"#),
            (r#"{"data":{"secrets":"of the payload"}}"#, r#"{"data":{"secrets":"of the payload"}}"#),
            ("{}", "{}"),
        ] {
            assert_eq!(without_secrets(body).unwrap(), cut);
        }
        assert!(without_secrets("[]").is_err());
    }
}
