//! The secrets of the extension.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{answer::Answer, call::Call, fields};
use crate::types::Secret;

#[derive(Default)]
pub(super) struct Secrets {
    kept: BTreeMap<String, Kept>,
    /// Whether the list has times beside the keys.
    pub(super) detailed: bool,
}

struct Kept {
    value: Secret,
    created_at: u64,
    updated_at: u64,
}

impl Secrets {
    pub(super) fn value(&self, key: &str) -> Option<&Secret> {
        self.kept.get(key).map(|kept| &kept.value)
    }

    pub(super) fn keep(&mut self, key: &str, value: Secret, now: u64) {
        let created_at = self.kept.get(key).map_or(now, |kept| kept.created_at);
        self.kept.insert(key.to_owned(), Kept { value, created_at, updated_at: now });
    }

    pub(super) fn list(&self) -> Answer {
        if self.detailed {
            let details = self.kept.iter().map(|(key, kept)| {
                let (created_at, updated_at) = (moment(kept.created_at), moment(kept.updated_at));
                json!({ "key": key, "created_at": created_at, "updated_at": updated_at })
            });
            return Answer::json(200, &details.collect());
        }
        Answer::json(200, &json!({ "keys": self.kept.keys().collect::<Vec<_>>() }))
    }

    pub(super) fn get(&self, key: &str) -> Answer {
        self.value(key).map_or_else(unknown, |value| Answer::json(200, &json!({ "value": value.expose() })))
    }

    pub(super) fn set(&mut self, key: &str, call: &Call, now: u64) -> Result<Answer, Answer> {
        let value = value(call)?;
        let status = if self.kept.contains_key(key) { 200 } else { 201 };
        self.keep(key, value, now);
        Ok(Answer::json(status, &json!({ "key": key })))
    }

    pub(super) fn rotate(&mut self, key: &str, call: &Call, now: u64) -> Result<Answer, Answer> {
        let value = value(call)?;
        if !self.kept.contains_key(key) {
            return Err(unknown());
        }
        self.keep(key, value, now);
        Ok(Answer::json(200, &json!({ "key": key })))
    }

    pub(super) fn delete(&mut self, key: &str) -> Answer {
        self.kept.remove(key).map_or_else(unknown, |_| Answer::empty(204))
    }
}

fn unknown() -> Answer {
    Answer::not_found("secret")
}

/// The new value: any text, an empty one too.
fn value(call: &Call) -> Result<Secret, Answer> {
    match fields::object(call)?.get("value") {
        Some(Value::String(value)) => Ok(Secret::from(value.as_str())),
        _ => Err(Answer::invalid(&[("value", "must be text")])),
    }
}

fn moment(unix_seconds: u64) -> String {
    let seconds = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}
