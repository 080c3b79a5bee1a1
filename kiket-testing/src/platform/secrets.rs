//! The secrets of the extension.

use serde_json::{Value, json};

use super::{
    collection::{Collection, Item, text, touch},
    request::Request,
    response::{Outcome, Response},
    state::State,
};

/// Sets a secret.
pub(super) fn keep(secrets: &mut Collection, key: &str, value: &str, now: u64) {
    if let Ok(secret) = secrets.find_mut(&[], key) {
        secret.insert("value".into(), value.into());
        touch(secret, now);
    } else {
        secrets.add(&[], Item::from_iter([("key".into(), key.into()), ("value".into(), value.into())]), now);
    }
}

pub(super) fn value(secrets: &Collection, key: &str) -> Option<String> {
    secrets.find(&[], key).ok().map(|secret| text(secret, "value").to_owned())
}

pub(super) fn list(state: &State) -> Response {
    let mut secrets = state.secrets.within(&[]);
    secrets.sort_by_key(|secret| text(secret, "key"));
    let body = if state.detailed_secrets {
        let shown = secrets.into_iter().map(|secret| {
            json!({ "key": secret["key"], "created_at": secret["created_at"], "updated_at": secret["updated_at"] })
        });
        shown.collect()
    } else {
        json!({ "keys": secrets.into_iter().map(|secret| &secret["key"]).collect::<Vec<_>>() })
    };
    Response::json(200, &body)
}

pub(super) fn get(state: &mut State, request: &Request<'_>) -> Outcome {
    let secret = state.secrets.find(&[], request.path("key"))?;
    Ok(Response::json(200, &json!({ "value": text(secret, "value") })))
}

pub(super) fn set(state: &mut State, request: &Request<'_>) -> Outcome {
    let status = if state.secrets.find(&[], request.path("key")).is_ok() { 200 } else { 201 };
    change(state, request, status)
}

/// Sets a secret in the other dialect: its key is in the body.
pub(super) fn add(state: &mut State, request: &Request<'_>) -> Outcome {
    let mut secret = request.inner("secret")?;
    match [secret.remove("key"), secret.remove("value")] {
        [Some(Value::String(key)), Some(Value::String(value))] if !key.is_empty() => {
            keep(&mut state.secrets, &key, &value, request.now);
            Ok(Response::json(201, &json!({ "key": key })))
        }
        _ => Err(Response::invalid(&[("secret", "must have a key and a value, both text")])),
    }
}

pub(super) fn rotate(state: &mut State, request: &Request<'_>) -> Outcome {
    new_value(request)?;
    state.secrets.find(&[], request.path("key"))?;
    change(state, request, 200)
}

pub(super) fn delete(state: &mut State, request: &Request<'_>) -> Outcome {
    state.secrets.remove(&[], request.path("key"))?;
    Ok(Response::empty(204))
}

fn change(state: &mut State, request: &Request<'_>, status: u16) -> Outcome {
    let key = request.path("key");
    keep(&mut state.secrets, key, &new_value(request)?, request.now);
    Ok(Response::json(status, &json!({ "key": key })))
}

/// The new value: any text, an empty one too.
fn new_value(request: &Request<'_>) -> Result<String, Response> {
    match request.object()?.remove("value") {
        Some(Value::String(value)) => Ok(value),
        _ => Err(Response::invalid(&[("value", "must be text")])),
    }
}
