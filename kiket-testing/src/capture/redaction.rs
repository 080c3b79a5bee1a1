//! The secrets of captures: found by their positions, and redacted by their values wherever they are.

use kiket_runtime::{
    Secret,
    internals::{Redactions, names_a_secret},
};
use serde_json::{Map, Value};

use super::content::Content;

/// Secrets by name.
pub(super) type Named = Vec<(String, Secret)>;

/// The name of the runtime token.
pub(super) const RUNTIME_TOKEN: &str = "KIKET_RUNTIME_TOKEN";

/// The members of `authentication` that are no secrets.
const OPEN: [&str; 3] = ["token_type", "expires_at", "scopes"];

/// More names of members that are secrets, in small letters without separators.
const MORE: [&str; 4] = ["authorization", "cookie", "passphrase", "webhookurl"];

/// The words of texts that may have secrets.
const MENTIONS: [&str; 7] = ["secret", "token", "password", "key", "auth", "cookie", "passphrase"];

const BEGIN: &str = "<redacted:";

pub(super) fn placeholder(name: &str) -> String {
    format!("{BEGIN}{name}>")
}

/// A text of a delivery with `<redacted:>` for `<redacted:`, so that what it says itself is no placeholder.
pub fn escaped(text: &str) -> String {
    text.replace(BEGIN, &placeholder(""))
}

/// The same for all texts and keys.
pub(super) fn escape(content: &mut Content) {
    if let Some(json) = &mut content.body {
        each_text(json, &mut escaped);
    }
    content.text = content.text.as_deref().map(escaped);
}

/// The name of the variable for a secret: `slack.token` is `SLACK_TOKEN`.
fn variable(name: &str) -> String {
    name.chars()
        .map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_uppercase() } else { '_' })
        .collect()
}

/// Replaces what is a secret by its position, and adds it to `found`. A text that is not JSON has no positions: it goes where
/// it mentions a secret.
pub(super) fn of_content(content: &mut Content, found: &mut Named) {
    if let Some(json) = &mut content.body {
        by_position(json, found);
    }
    if let Some(text) = &mut content.text {
        let small = text.to_ascii_lowercase();
        if MENTIONS.iter().any(|word| small.contains(word)) {
            *text = placeholder("TEXT");
        }
    }
}

pub(super) fn by_position(value: &mut Value, found: &mut Named) {
    match value {
        Value::Object(members) => members.iter_mut().for_each(|(key, value)| member(key, value, found)),
        Value::Array(elements) => elements.iter_mut().for_each(|element| by_position(element, found)),
        _ => {}
    }
}

fn member(key: &str, value: &mut Value, found: &mut Named) {
    match (key, value) {
        ("authentication", Value::Object(claims)) => {
            for (key, value) in claims.iter_mut().filter(|(key, _)| !OPEN.contains(&key.as_str())) {
                hide(if key == "runtime_token" { RUNTIME_TOKEN } else { key }, value, found);
            }
        }
        ("authentication" | "secrets", value) => hide(key, value, found),
        (key, value) if is_secret(key) => hide(key, value, found),
        (_, value) => by_position(value, found),
    }
}

fn is_secret(key: &str) -> bool {
    let bare: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    let bare = bare.to_ascii_lowercase();
    names_a_secret(&key.replace('-', "_")) || MORE.iter().any(|name| bare.ends_with(name))
}

/// Hides texts and numbers. Those in an object are secrets with names of their own, unless it is `{"key": …, "value": …}`.
pub(super) fn hide(name: &str, value: &mut Value, found: &mut Named) {
    let text = match value {
        Value::Object(members) => return hide_members(members, found),
        Value::Array(elements) => return elements.iter_mut().for_each(|element| hide(name, element, found)),
        Value::String(text) if !text.is_empty() && !text.starts_with(BEGIN) => std::mem::take(text),
        Value::Number(number) => number.to_string(),
        _ => return,
    };
    let known = found.iter().find(|(_, secret)| secret.expose() == text);
    let name = known.map_or_else(|| variable(name), |(name, _)| name.clone());
    *value = placeholder(&name).into();
    found.push((name, Secret::new(text)));
}

fn hide_members(members: &mut Map<String, Value>, found: &mut Named) {
    match members.get("key").and_then(Value::as_str).map(str::to_owned) {
        Some(name) => {
            if let Some(value) = members.get_mut("value") {
                hide(&name, value, found);
            }
        }
        None => members.iter_mut().for_each(|(name, value)| hide(name, value, found)),
    }
}

/// What replaces the secrets by their placeholders. Of several names for one secret, the first counts.
pub(super) fn redactions(secrets: impl IntoIterator<Item = (String, Secret)>) -> Redactions {
    Redactions::new(secrets.into_iter().map(|(name, secret)| (secret, placeholder(&name))))
}

/// Replaces the secrets in all texts, keys and numbers.
pub(super) fn by_value(value: &mut Value, redactions: &Redactions) {
    each_text(value, &mut |text| redactions.redact(text));
}

/// Changes all texts, keys and numbers.
fn each_text(value: &mut Value, change: &mut impl FnMut(&str) -> String) {
    match value {
        Value::String(text) => *text = change(text),
        Value::Number(number) => {
            let (text, changed) = (number.to_string(), change(&number.to_string()));
            if changed != text {
                *value = changed.into();
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| each_text(element, change)),
        Value::Object(members) => {
            let changed = std::mem::take(members).into_iter().map(|(key, mut value)| {
                each_text(&mut value, change);
                (change(&key), value)
            });
            *members = changed.collect();
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// The names of the placeholders, each once.
pub(super) fn names(content: &Content) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    filled(content, |name| {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
        None
    });
    names
}

/// The content with secrets in place of their placeholders.
pub(super) fn filled(content: &Content, mut secret: impl FnMut(&str) -> Option<Secret>) -> Content {
    let mut content = content.clone();
    let mut fill = |text: &str| -> String {
        let mut pieces = text.split(BEGIN);
        let first = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(first, |filled, piece| match piece.split_once('>') {
            None => filled + BEGIN + piece,
            Some(("", rest)) => filled + BEGIN + rest,
            Some((name, rest)) => {
                let secret =
                    secret(name).map_or_else(|| placeholder(name), |secret| secret.expose().to_owned());
                filled + &secret + rest
            }
        })
    };
    if let Some(json) = &mut content.body {
        each_text(json, &mut fill);
    }
    content.text = content.text.as_deref().map(fill);
    content
}

/// The JSON pointers of the texts and keys that `shows` picks.
pub(super) fn pointers(value: &Value, mut shows: impl FnMut(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    search(value, "", &mut shows, &mut found);
    found
}

fn search(value: &Value, at: &str, shows: &mut impl FnMut(&str) -> bool, found: &mut Vec<String>) {
    let mut below = |key: &str, value: &Value, found: &mut Vec<String>| {
        search(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), shows, found);
    };
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                below(key, value, found);
            }
            if members.keys().any(|key| shows(key)) {
                found.push(at.to_owned());
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                below(&index.to_string(), element, found);
            }
        }
        Value::String(text) if shows(text) => found.push(at.to_owned()),
        Value::Number(number) if shows(&number.to_string()) => found.push(at.to_owned()),
        _ => {}
    }
}

/// The places that have a placeholder.
pub(super) fn redacted(file: &Value) -> Vec<String> {
    let is_named = |piece: &str| piece.contains('>') && !piece.starts_with('>');
    pointers(file, |text| text.split(BEGIN).skip(1).any(is_named))
}
