//! The fields of a body, checked; all mistakes go into one answer.

use serde_json::{Map, Value};

use super::{answer::Answer, call::Call};

/// The body of a call: a JSON object.
pub(super) fn object(call: &Call) -> Result<Map<String, Value>, Answer> {
    let kind = call.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Answer::error(415, "unsupported_media_type", "the body must be application/json"));
    }
    match serde_json::from_slice(call.body()) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Answer::error(400, "malformed_json", "the body must be a JSON object")),
        Err(_) => Err(Answer::error(400, "malformed_json", "the body is not JSON")),
    }
}

/// The object that a body has under `name`.
pub(super) fn inner(call: &Call, name: &str) -> Result<Map<String, Value>, Answer> {
    match object(call)?.remove(name) {
        Some(Value::Object(inner)) => Ok(inner),
        _ => Err(Answer::invalid(&[(name, "must be an object")])),
    }
}

/// The project that a body names: any id that can be written, and not a blank one.
pub(super) fn project(body: &Map<String, Value>) -> Result<String, Answer> {
    match body.get("project_id") {
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
        _ => Err(Answer::invalid(&[("project_id", "can't be blank")])),
    }
}

/// Collects what is wrong about the fields of an object.
pub(super) struct Fields<'b> {
    object: &'b Map<String, Value>,
    errors: Vec<(&'static str, &'static str)>,
}

impl<'b> Fields<'b> {
    pub(super) fn of(object: &'b Map<String, Value>) -> Self {
        Self { object, errors: Vec::new() }
    }

    /// Text that is not blank.
    pub(super) fn text(mut self, name: &'static str) -> Self {
        match self.object.get(name) {
            Some(Value::String(text)) if !text.trim().is_empty() => {}
            None | Some(Value::Null | Value::String(_)) => self.errors.push((name, "can't be blank")),
            Some(_) => self.errors.push((name, "must be text")),
        }
        self
    }

    /// Text, or nothing.
    pub(super) fn maybe_text(self, name: &'static str) -> Self {
        self.maybe(name, Value::is_string, "must be text")
    }

    /// A list of texts, or nothing.
    pub(super) fn maybe_texts(self, name: &'static str) -> Self {
        let texts = |value: &Value| value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
        self.maybe(name, texts, "must be a list of texts")
    }

    /// An object, or nothing.
    pub(super) fn maybe_object(self, name: &'static str) -> Self {
        self.maybe(name, Value::is_object, "must be an object")
    }

    pub(super) fn object(mut self, name: &'static str) -> Self {
        if !self.object.get(name).is_some_and(Value::is_object) {
            self.errors.push((name, "must be an object"));
        }
        self
    }

    fn maybe(mut self, name: &'static str, right: impl Fn(&Value) -> bool, error: &'static str) -> Self {
        if self.object.get(name).is_some_and(|value| !value.is_null() && !right(value)) {
            self.errors.push((name, error));
        }
        self
    }

    /// One of some words.
    pub(super) fn word(mut self, name: &'static str, words: &[&str]) -> Self {
        let found = self.object.get(name).and_then(Value::as_str);
        if !found.is_some_and(|found| words.contains(&found)) {
            self.errors.push((name, "is not included in the list"));
        }
        self
    }

    pub(super) fn number(mut self, name: &'static str) -> Self {
        if !self.object.get(name).is_some_and(Value::is_number) {
            self.errors.push((name, "is not a number"));
        }
        self
    }

    /// None but these.
    pub(super) fn only(mut self, names: &[&str]) -> Self {
        if self.object.keys().any(|name| !names.contains(&name.as_str())) {
            self.errors.push(("body", "has unknown members"));
        }
        self
    }

    /// A moment as RFC 3339 writes it, in UTC.
    pub(super) fn moment(mut self, name: &'static str) -> Self {
        let text = self.object.get(name).and_then(Value::as_str).unwrap_or_default();
        if !text.ends_with('Z') || text.parse::<jiff::Timestamp>().is_err() {
            self.errors.push((name, "is not an RFC 3339 time in UTC"));
        }
        self
    }

    pub(super) fn finish(self) -> Result<(), Answer> {
        if self.errors.is_empty() { Ok(()) } else { Err(Answer::invalid(&self.errors)) }
    }
}
