//! What needs no more than a check: reports, e-mails, SLA events, metadata, runtime tokens and webhook URLs.

use serde_json::json;

use super::{
    collection::By,
    fields::{
        Rule::{MaybeObject, MaybeTexts, Moment, Number, Text, Word},
        Rules, check,
    },
    request::Request,
    response::{Outcome, Response},
    state::State,
    tokens::VALID,
};

fn report(state: &mut State, request: &Request<'_>, name: &'static str, rules: &Rules) -> Outcome {
    let body = request.object()?;
    check(&body, rules)?;
    state.reports.entry(name).or_default().push(body.into());
    Ok(Response::empty(202))
}

pub(super) fn event(state: &mut State, request: &Request<'_>) -> Outcome {
    report(state, request, "events", &[("event", Text), ("version", Text), ("timestamp", Moment)])
}

pub(super) fn notification(state: &mut State, request: &Request<'_>) -> Outcome {
    let level = Word(&["info", "success", "warning", "error"]);
    report(state, request, "notifications", &[("title", Text), ("body", Text), ("level", level)])?;
    Ok(Response::empty(201))
}

pub(super) fn metric(state: &mut State, request: &Request<'_>) -> Outcome {
    report(state, request, "metrics", &[("name", Text), ("value", Number)])
}

pub(super) fn analytics(state: &mut State, request: &Request<'_>) -> Outcome {
    report(state, request, "analytics", &[("name", Text), ("properties", MaybeObject)])
}

pub(super) fn telemetry(state: &mut State, request: &Request<'_>) -> Outcome {
    let rules = [
        ("event", Text),
        ("version", Text),
        ("status", Word(&["ok", "error"])),
        ("duration_ms", Number),
        ("timestamp", Moment),
    ];
    report(state, request, "telemetry", &rules)
}

pub(super) fn email(state: &mut State, request: &Request<'_>) -> Outcome {
    let mut email = request.inner("inbound_email")?;
    check(&email, &[("from_email", Text), ("to_email", Text)])?;
    email.remove("id");
    email.insert("status".into(), "pending".into());
    let email = state.emails.add(&[], email, request.now);
    Ok(Response::json(201, &json!({ "id": email["id"], "status": email["status"] })))
}

pub(super) fn sla_events(state: &mut State, request: &Request<'_>) -> Outcome {
    request.project()?;
    let states = By::Word(&["imminent", "breached", "recovered"]);
    let filters = [("project_id", By::Text), ("issue_id", By::Text), ("state", states)];
    request.page(&state.sla_events.picked(&[], request.call, &filters)?, None)
}

pub(super) fn metadata(state: &State, request: &Request<'_>) -> Response {
    let (id, mut metadata) = (request.path("extension"), state.metadata.clone());
    metadata.insert("id".into(), id.into());
    for (field, value) in [("name", id), ("version", "1.0.0")] {
        metadata.entry(field).or_insert_with(|| value.into());
    }
    Response::json(200, &metadata.into())
}

/// Issues a token with the scopes that the body names.
pub(super) fn runtime_token(state: &mut State, request: &Request<'_>) -> Outcome {
    let mut body = request.object()?;
    check(&body, &[("scopes", MaybeTexts)])?;
    let scopes = body.remove("scopes").and_then(|scopes| serde_json::from_value::<Vec<_>>(scopes).ok());
    if !body.is_empty() {
        return Err(Response::invalid(&[("body", "has unknown members")]));
    }
    let token = state.tokens.issue(&scopes.unwrap_or_default(), request.organization, request.now);
    Ok(Response::json(201, &json!({ "runtime_token": token, "expires_in": VALID })))
}

/// The base of the URLs to which others send webhooks for the extension. Nothing listens there:
/// `FakePlatform::deliver` brings what would arrive.
pub(super) fn webhook_base(state: &State) -> String {
    format!("https://kiket.test/webhooks/ext/{}", state.webhook_token.expose())
}

pub(super) fn webhook_url(state: &mut State, request: &Request<'_>) -> Outcome {
    let (action, base) = (request.required("action_name")?, webhook_base(state));
    let (url, token) = (format!("{base}/{action}"), state.webhook_token.expose());
    let body = json!({ "webhook_url": url, "webhook_token": token, "webhook_base_url": base });
    Ok(Response::json(200, &body))
}
