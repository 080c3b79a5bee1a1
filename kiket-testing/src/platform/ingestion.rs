//! Raw events, with leases on them, and evidence.

use kiket_runtime::internals::rfc3339;
use serde_json::{Value, json};

use super::{
    collection::{Collection, Item, fill, text, time},
    fields::{
        Rule::{self, Object, Text},
        check,
    },
    request::Request,
    response::{Outcome, Response},
    state::State,
};

/// What is in every raw event: text, and beside it an object `payload`.
pub(super) const RAW_EVENT: [(&str, Rule); 4] =
    [("sourceSystem", Text), ("sourceEventType", Text), ("idempotencyKey", Text), ("payload", Object)];
const EVIDENCE: [(&str, Rule); 4] =
    [("evidenceType", Text), ("title", Text), ("sourceSystem", Text), ("dedupeKey", Text)];

/// How many events a claim has, and how many seconds it lasts: by default, and at most.
const LIMIT: (usize, usize) = (10, 100);
const LEASE: (usize, usize) = (60, 3600);

pub(super) fn contract() -> Response {
    let names = |rules: [(&'static str, Rule); 4]| rules.map(|(name, _)| name);
    let limits = |(default, most)| json!({ "default": default, "maximum": most });
    let body = json!({
        "rawEvent": { "required": names(RAW_EVENT) },
        "evidence": { "required": names(EVIDENCE) },
        "claim": { "limit": limits(LIMIT), "leaseSeconds": limits(LEASE) },
    });
    Response::json(200, &body)
}

/// Adds an item, unless there is one with the same `key`; says whether there was.
fn add(items: &mut Collection, key: &str, id: &str, item: Item, organization: &str) -> (Value, bool) {
    let known = items.within(&[]);
    if let Some(first) = known.iter().find(|own| own.get(key) == item.get(key)) {
        return (json!(first), true);
    }
    let mut own = Item::new();
    let id = format!("{id}-{}", known.len().saturating_add(1));
    fill(&mut own, [("id", id.into()), ("organizationId", organization.into())]);
    fill(&mut own, item);
    (items.add(&[], own, 0), false)
}

/// Adds a raw event, unless there is one with its key; says whether there was.
pub(super) fn add_raw_event(
    state: &mut State,
    mut event: Item,
    organization: &str,
    now: u64,
) -> Result<(Value, bool), Response> {
    check(&event, &RAW_EVENT)?;
    event.insert("receivedAt".into(), rfc3339(now).into());
    event.insert("status".into(), "pending".into());
    Ok(add(&mut state.raw_events, "idempotencyKey", "raw", event, organization))
}

pub(super) fn ingest(state: &mut State, request: &Request<'_>) -> Outcome {
    let (event, duplicate) = add_raw_event(state, request.object()?, request.organization, request.now)?;
    let status = if duplicate { 200 } else { 201 };
    Ok(Response::json(status, &json!({ "rawEvent": event, "duplicate": duplicate })))
}

pub(super) fn add_evidence(state: &mut State, request: &Request<'_>) -> Outcome {
    let mut body = request.object()?;
    check(&body, &EVIDENCE)?;
    body.insert("createdAt".into(), rfc3339(request.now).into());
    let (evidence, duplicate) = add(&mut state.evidence, "dedupeKey", "evidence", body, request.organization);
    let status = if duplicate { 200 } else { 201 };
    Ok(Response::json(status, &json!({ "evidence": evidence, "duplicate": duplicate })))
}

/// Leases the first events that are neither finished nor leased.
pub(super) fn claim(state: &mut State, request: &Request<'_>) -> Outcome {
    let number =
        |name, (default, most): (usize, usize)| Ok(request.number(name)?.unwrap_or(default).min(most));
    let limit = number("limit", LIMIT)?;
    let until = rfc3339(request.now.saturating_add(number("leaseSeconds", LEASE)? as u64));
    let now = time(&rfc3339(request.now));
    let free = |event: &&mut Item| match text(event, "status") {
        "pending" => true,
        "claimed" => time(text(event, "leaseExpiresAt")) <= now,
        _ => false,
    };
    let claimed = state.raw_events.items_mut().filter(free).take(limit).map(|event| {
        event.insert("status".into(), "claimed".into());
        event.insert("leaseExpiresAt".into(), until.as_str().into());
        event.clone()
    });
    Ok(Response::json(200, &json!({ "rawEvents": claimed.collect::<Vec<_>>() })))
}

pub(super) fn process(state: &mut State, request: &Request<'_>) -> Outcome {
    finish(state, request, "processed", None)
}

pub(super) fn submit(state: &mut State, request: &Request<'_>) -> Outcome {
    let mut body = request.object()?;
    check(&body, &[("normalized", Object)])?;
    finish(state, request, "submitted", body.remove("normalized"))
}

fn finish(state: &mut State, request: &Request<'_>, status: &str, normalized: Option<Value>) -> Outcome {
    let event = state.raw_events.find_mut(&[], request.path("id"))?;
    event.insert("status".into(), status.into());
    event.remove("leaseExpiresAt");
    event.extend(normalized.map(|normalized| ("normalized".to_owned(), normalized)));
    Ok(Response::json(200, &json!({ "rawEvent": event })))
}
