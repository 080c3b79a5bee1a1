//! Sends a delivery, or a recorded one again, signed anew and with its secrets put back.

use kiket_runtime::Secret;
use kiket_testing::{Capture, Content, Recording, delivery};
use serde_json::Value;

use super::{
    control::{Control, Outgoing},
    record::Record,
    seen::{DeliveryId, Origin},
};
use crate::send::body::{Body, fresh_id};

/// What is changed of a recorded delivery, or is new.
pub(crate) struct Edited<'e> {
    pub(crate) event: Option<&'e str>,
    pub(crate) version: Option<&'e str>,
    pub(crate) body: Option<&'e str>,
    pub(crate) same_id: bool,
    /// Sends placeholders where secrets are missing.
    pub(crate) force: bool,
}

/// Why nothing was sent.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    pub(crate) what: String,
    /// The secrets that are not known here.
    pub(crate) missing: Vec<String>,
}

/// The placeholder of the runtime token: the recorded one expired.
const RUNTIME_TOKEN: &str = "KIKET_RUNTIME_TOKEN";

/// The names of the placeholders in a body.
pub(crate) fn placeholders(record: &Record) -> Vec<String> {
    capture_of(&record.body.text).placeholders()
}

/// A capture that has this body, as it is.
fn capture_of(text: &str) -> Capture {
    let mut capture = Recording::new("", "", b"").capture();
    capture.body = Content::default();
    match serde_json::from_str(text) {
        Ok(json) => capture.body.body = Some(json),
        Err(_) => capture.body.text = Some(text.to_owned()),
    }
    capture
}

/// Sends it. Returns its number, and what the user should know.
pub(crate) fn send(
    control: &dyn Control,
    before: Option<&Record>,
    edited: &Edited<'_>,
    now: u64,
) -> Result<(DeliveryId, Vec<String>), Refused> {
    let refused = |what: &str| Refused { what: what.to_owned(), ..Refused::default() };
    let secret = control.webhook_secret();
    let secret =
        secret.ok_or_else(|| refused("no webhook secret is known here: set `KIKET_WEBHOOK_SECRET`"))?;
    if edited.body.is_none() && before.is_some_and(|before| before.body.cut) {
        return Err(refused(
            "only the beginning of the body was kept: it is larger than 64 KiB, or its sender left before its end",
        ));
    }
    let text = edited.body.or(before.map(|before| &*before.body.text)).unwrap_or("{}");
    let mut notes = Vec::new();
    // Anyone can send one that is not, and choose the names of its secrets.
    let is_authentic = before.is_none_or(Record::is_authentic);
    let filled = filled(control, text, is_authentic, edited.force, &mut notes)?;
    let id = (!edited.same_id).then(fresh_id);
    let bytes = Body::new(filled).with_id(id);
    let event = edited.event.or(before.and_then(|before| before.event.as_deref())).unwrap_or_default();
    let version = edited.version.or(before.and_then(|before| before.version.as_deref())).unwrap_or("v1");
    if event.parse::<kiket_runtime::EventName>().is_err() && edited.event.is_some() {
        return Err(refused(
            "an event name has letters, digits, `-` and `_` in segments that are joined by dots",
        ));
    }
    if version.parse::<kiket_runtime::EventVersion>().is_err() && edited.version.is_some() {
        return Err(refused("a version is like `v1`, `2` or `1.1`"));
    }
    let mut sent = delivery(event, version, &()).body(bytes);
    let same_kind = edited.event.is_none() && edited.version.is_none();
    if let Some(before) = before.filter(|_| same_kind) {
        sent = sent.path(before.target.clone());
        let kept = before.headers.iter().filter(|(name, _)| name == "x-kiket-event-version");
        for (name, value) in kept {
            sent = sent.header(name.clone(), value.clone());
        }
    }
    let sent = sent.header("content-type", "application/json").sign(secret.expose(), now);
    let origin = Origin::Console { of: before.map(|before| before.id) };
    let outgoing = Outgoing { target: sent.path, headers: sent.headers, body: sent.body.into(), origin };
    let id = control.send(outgoing).map_err(|what| Refused { what, ..Refused::default() })?;
    Ok((id, notes))
}

/// The body with its secrets.
fn filled(
    control: &dyn Control,
    text: &str,
    is_authentic: bool,
    force: bool,
    notes: &mut Vec<String>,
) -> Result<Vec<u8>, Refused> {
    let mut capture = capture_of(text);
    let mut names = capture.placeholders();
    if names.is_empty() {
        capture.body = Content::default();
        capture.body.text = Some(text.to_owned());
        return Ok(capture.filled(|_| None)); // as it was sent, to the byte
    }
    let mut token = None;
    if names.iter().any(|name| name == RUNTIME_TOKEN) {
        names.retain(|name| name != RUNTIME_TOKEN);
        token = control.runtime_token(&scopes(&capture));
        if token.is_none() {
            leave_token_out(&mut capture);
            notes.push(
                "without its runtime token, which expired: only the fake platform makes new ones".to_owned(),
            );
        }
    }
    let mut known: Vec<(String, Secret)> = Vec::new();
    let mut missing = Vec::new();
    for name in names {
        match control.secret(&name).filter(|_| is_authentic) {
            Some(secret) => known.push((name, secret)),
            None => missing.push(name),
        }
    }
    if !missing.is_empty() && !force {
        let listed: Vec<_> = missing.iter().map(|name| format!("`{name}`")).collect();
        let why = if is_authentic {
            "the values of these secrets are not kept, and no variable has them"
        } else {
            "the signature of this delivery did not hold, and it gets none of these secrets"
        };
        let what = format!("{why}: {}", listed.join(", "));
        return Err(Refused { what, missing });
    }
    known.extend(token.map(|token| (RUNTIME_TOKEN.to_owned(), token)));
    let value = |name: &str| known.iter().find(|(known, _)| known == name).map(|(_, secret)| secret.clone());
    Ok(capture.filled(value))
}

/// The scopes that the recorded token had, as the body says.
fn scopes(capture: &Capture) -> Vec<String> {
    let body = capture.body.body.as_ref();
    let scopes = body.and_then(|body| body.get("authentication")?.get("scopes")?.as_array());
    scopes.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn leave_token_out(capture: &mut Capture) {
    let claims = capture.body.body.as_mut().and_then(|body| body.get_mut("authentication")?.as_object_mut());
    if let Some(claims) = claims {
        claims.remove("runtime_token");
    }
}
