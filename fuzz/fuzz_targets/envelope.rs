//! Whatever the body: decoding it with the framework's eyes on it gives what `serde_json` gives without them, and the
//! envelope is what a reader of the whole body would find.

#![no_main]

use std::{borrow::Cow, collections::BTreeMap, fmt::Debug};

use kiket_runtime::{
    EventName,
    internals::{EnvelopeFields, decode},
};
use libfuzzer_sys::{Corpus, fuzz_target};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Number, Value, value::RawValue};

#[derive(Debug, PartialEq, Deserialize)]
struct Typed<'b> {
    #[serde(borrow)]
    id: Option<Cow<'b, str>>,
    event: Option<&'b str>,
    #[serde(rename = "createdAt")]
    created_at: Option<f64>,
    #[serde(default)]
    issue: Issue,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
struct Issue {
    id: u64,
    title: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Flat {
    id: Value,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type")]
enum Tagged {
    #[serde(rename = "issue.created")]
    Created {
        issue: Issue,
    },
    Other,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Numbered { id: i64 },
    Named { id: String, timestamp: Value },
}

#[derive(Debug, PartialEq, Deserialize)]
struct Newtype(BTreeMap<String, Value>);

fuzz_target!(|input: &[u8]| -> Corpus {
    let Ok(body) = str::from_utf8(input) else { return Corpus::Reject };
    same::<Value>(body);
    same::<Option<Typed<'_>>>(body);
    same::<Flat>(body);
    same::<Tagged>(body);
    same::<Untagged>(body);
    same::<Newtype>(body);
    same::<Vec<Value>>(body);
    let (raw, _) = decode::<&RawValue>(body);
    assert_eq!(raw.map(RawValue::get).ok(), serde_json::from_str::<&RawValue>(body).map(RawValue::get).ok());

    let (value, envelope) = decode::<Value>(body);
    // A key is text, though a value that is not read may be half a surrogate pair.
    let object = serde_json::from_str::<BTreeMap<String, IgnoredAny>>(body);
    assert_eq!(envelope.is_ok(), object.is_ok(), "{body}");
    // `serde_json` reads a key of its own protocols as something else than a key.
    if let (Ok(value), Ok(envelope)) = (value, envelope)
        && !body.contains("private")
    {
        check(&value, &envelope);
    }
    Corpus::Keep
});

/// What is noted on the way is deserialized by itself, and starts to count its depth anew; `serde_json` stops at 128.
fn is_deep(body: &str) -> bool {
    body.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() >= 127
}

#[track_caller]
fn same<'b, T: Deserialize<'b> + Debug + PartialEq>(body: &'b str) {
    let (decoded, envelope) = decode::<T>(body);
    match (decoded, serde_json::from_str::<T>(body)) {
        (Ok(decoded), Ok(expected)) => assert_eq!(decoded, expected),
        (Err(_), Err(_)) => {}
        (decoded, expected) => {
            assert!(is_deep(body) && decoded.is_ok(), "{body}\n{decoded:?}\n{expected:?}");
        }
    }
    // The envelope is the same whatever the type.
    let (_, whole) = decode::<IgnoredAny>(body);
    assert_eq!(envelope.ok(), whole.ok(), "{body}");
}

fn check(value: &Value, envelope: &EnvelopeFields) {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    // What names no event with a dot is data.
    let named = |key: &str| text(key).filter(|name| name.contains('.') && name.parse::<EventName>().is_ok());
    let event = text("event").or_else(|| named("type")).or_else(|| named("event_type"));
    assert_eq!(envelope.event, event);
    assert_eq!(envelope.routed_event, event.or_else(|| text("type")).or_else(|| text("event_type")));

    let id = ["id", "delivery_id"].into_iter().find_map(|key| match &value[key] {
        Value::String(id) if !id.is_empty() => Some((key, id.clone())),
        Value::Number(_) => Some((key, String::new())),
        _ => None,
    });
    match (id, &envelope.delivery_id) {
        (Some((key, id)), Some(found)) if id.is_empty() => {
            assert_eq!(found.parse::<Number>().ok(), value[key].as_number().cloned());
        }
        (id, found) => assert_eq!(id.map(|(_, id)| id), *found),
    }

    // Which of two spellings is the last, the value does not say.
    let spellings = [
        ["timestamp", "timestamp"],
        ["occurred_at", "occurredAt"],
        ["created_at", "createdAt"],
        ["received_at", "receivedAt"],
    ];
    let both =
        |[one, other]: &[&str; 2]| one != other && value.get(one).is_some() && value.get(other).is_some();
    if !spellings.iter().any(both) {
        let mut times = spellings.into_iter().flatten().map(|key| &value[key]);
        let time = envelope.time.as_ref().map(|time| serde_json::from_str::<Value>(time).unwrap());
        assert_eq!(time.as_ref(), times.find(|time| !time.is_null()));
    }

    if let Some(url) = &envelope.base_url {
        assert!(!url.is_empty() && !value["api"].is_null());
    }
}
