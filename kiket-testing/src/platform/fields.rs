//! The fields of a body, checked by rules; all mistakes go into one response.

use serde_json::Value;

use super::{
    collection::{Item, NOT_LISTED, time},
    response::Response,
};

/// What a field has to be.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// Text that is not blank.
    Text,
    /// Text, or absent.
    MaybeText,
    /// A list of texts, or absent.
    MaybeTexts,
    Object,
    /// An object, or absent.
    MaybeObject,
    Number,
    /// A moment as RFC 3339 writes it, in UTC.
    Moment,
    Word(&'static [&'static str]),
}

/// The rules of an object, by its fields.
pub(super) type Rules = [(&'static str, Rule)];

/// Checks an object.
///
/// # Errors
///
/// 422 with each field whose rule is broken.
pub(super) fn check(object: &Item, rules: &Rules) -> Result<(), Response> {
    let broken = rules.iter().filter_map(|(name, rule)| Some((*name, rule.broken(object.get(*name))?)));
    let errors: Vec<_> = broken.collect();
    if errors.is_empty() { Ok(()) } else { Err(Response::invalid(&errors)) }
}

/// The project that a body names: any id that can be written, and not a blank one.
pub(super) fn project(body: &Item) -> Result<String, Response> {
    match body.get("project_id") {
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
        _ => Err(Response::invalid(&[("project_id", "can't be blank")])),
    }
}

/// Whether a value is absent, or text without a letter.
pub(super) fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

impl Rule {
    fn broken(self, value: Option<&Value>) -> Option<&'static str> {
        let value = value.unwrap_or(&Value::Null);
        let texts = |value: &Value| value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
        let (holds, error) = match self {
            Self::Text if is_blank(value) => (false, "can't be blank"),
            Self::Text => (value.is_string(), "must be text"),
            Self::MaybeText => (value.is_null() || value.is_string(), "must be text"),
            Self::MaybeTexts => (value.is_null() || texts(value), "must be a list of texts"),
            Self::Object => (value.is_object(), "must be an object"),
            Self::MaybeObject => (value.is_null() || value.is_object(), "must be an object"),
            Self::Number => (value.is_number(), "is not a number"),
            Self::Moment => (
                value.as_str().is_some_and(|text| text.ends_with('Z') && time(text).is_some()),
                "is not an RFC 3339 time in UTC",
            ),
            Self::Word(words) => (value.as_str().is_some_and(|word| words.contains(&word)), NOT_LISTED),
        };
        (!holds).then_some(error)
    }
}
