//! The endpoints of the fake platform: one row for each, from which paths, methods and access are derived.

use super::{
    audit, custom_data, ingestion, intake, issues, reports,
    request::Request,
    response::{Outcome, Response},
    secrets,
    state::State,
};
use Access::{Extension, Ingestion, Open, Workspace};

/// One endpoint.
pub(super) struct Endpoint {
    pub(super) method: &'static str,
    /// The path, with a name in braces where any segment may be.
    pub(super) pattern: &'static str,
    pub(super) access: Access,
    pub(super) run: Run,
}

/// What a caller has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// The workspace token, or a runtime token.
    Workspace,
    /// The extension's API key.
    Extension,
    /// The API key for ingestion, and its organization.
    Ingestion,
    /// Nothing.
    Open,
}

type Run = fn(&mut State, &Request<'_>) -> Outcome;

const fn row(method: &'static str, pattern: &'static str, access: Access, run: Run) -> Endpoint {
    Endpoint { method, pattern, access, run }
}

/// How long to wait may be asked even when the rate window is used up.
pub(super) const RATE_LIMIT: &str = "/api/v1/ext/rate_limit";

/// Of several patterns that match a path, the first one counts. The methods of one pattern are in the order of `Allow`.
pub(super) static ENDPOINTS: &[Endpoint] = &[
    // Outside the API: runtime tokens for development (Kiket gives them to deliveries alone), their keys, and a
    // collector of telemetry that is not Kiket.
    row("POST", "/runtime_tokens", Workspace, reports::runtime_token),
    row("GET", "/.well-known/jwks.json", Open, |state, _| {
        Ok(Response::json(200, &state.tokens.issuer.jwks()))
    }),
    row("POST", "/telemetry", Open, reports::telemetry),
    row("POST", "/api/v1/extensions/notifications", Workspace, reports::notification),
    row("POST", "/api/v1/extensions/metrics", Workspace, reports::metric),
    row("GET", "/api/v1/extensions/{extension}", Workspace, |state, call| Ok(reports::metadata(state, call))),
    row("POST", "/api/v1/extensions/{extension}/events", Workspace, reports::event),
    row("GET", "/api/v1/extensions/{extension}/secrets", Workspace, |state, _| Ok(secrets::list(state))),
    row("POST", "/api/v1/extensions/{extension}/secrets", Workspace, secrets::add),
    row("GET", "/api/v1/extensions/{extension}/secrets/{key}", Workspace, secrets::get),
    row("POST", "/api/v1/extensions/{extension}/secrets/{key}", Workspace, secrets::set),
    row("PATCH", "/api/v1/extensions/{extension}/secrets/{key}", Workspace, secrets::rotate),
    row("DELETE", "/api/v1/extensions/{extension}/secrets/{key}", Workspace, secrets::delete),
    row("GET", RATE_LIMIT, Extension, |state, call| Ok(Response::json(200, &state.rate.shown(call.now)))),
    row("POST", "/api/v1/ext/telemetry", Extension, reports::telemetry),
    row("GET", "/api/v1/ext/custom_data/{module}/{table}", Extension, custom_data::list),
    row("POST", "/api/v1/ext/custom_data/{module}/{table}", Extension, custom_data::create),
    row("GET", "/api/v1/ext/custom_data/{module}/{table}/{id}", Extension, custom_data::get),
    row("PATCH", "/api/v1/ext/custom_data/{module}/{table}/{id}", Extension, custom_data::update),
    row("DELETE", "/api/v1/ext/custom_data/{module}/{table}/{id}", Extension, custom_data::delete),
    row("GET", "/api/v1/ext/sla/events", Extension, reports::sla_events),
    row("GET", "/api/v1/ext/intake_forms", Extension, intake::list),
    row("GET", "/api/v1/ext/intake_forms/{form}", Extension, intake::get),
    row("GET", "/api/v1/ext/intake_forms/{form}/stats", Extension, intake::stats),
    row("GET", "/api/v1/ext/intake_forms/{form}/submissions", Extension, intake::list_submissions),
    row("POST", "/api/v1/ext/intake_forms/{form}/submissions", Extension, intake::submit),
    row("GET", "/api/v1/ext/intake_forms/{form}/submissions/{id}", Extension, intake::submission),
    row("POST", "/api/v1/ext/intake_forms/{form}/submissions/{id}/approve", Extension, intake::approve),
    row("POST", "/api/v1/ext/intake_forms/{form}/submissions/{id}/reject", Extension, intake::reject),
    row("GET", "/api/v1/ext/issues", Extension, issues::list),
    row("POST", "/api/v1/ext/issues", Extension, issues::create),
    row("GET", "/api/v1/ext/issues/{key}", Extension, issues::get),
    row("PATCH", "/api/v1/ext/issues/{key}", Extension, issues::update),
    row("POST", "/api/v1/ext/issues/{key}/comments", Extension, issues::comment),
    row("POST", "/api/v1/ext/issues/{key}/transitions", Extension, issues::transition),
    row("GET", "/api/v1/ext/projects/{slug}/workflows", Extension, issues::workflows),
    row("GET", "/api/v1/ext/projects/{slug}/boards", Extension, issues::boards),
    row("GET", "/api/v1/ext/project/members", Extension, issues::members),
    row("POST", "/api/v1/ext/analytics/events", Extension, reports::analytics),
    row("GET", "/api/v1/ext/webhook_url", Extension, reports::webhook_url),
    row("POST", "/api/v1/ext/inbound_emails", Extension, reports::email),
    row("GET", "/api/v1/audit/anchors", Workspace, audit::list),
    row("GET", "/api/v1/audit/anchors/{root}", Workspace, audit::get),
    row("GET", "/api/v1/audit/records/{id}/proof", Workspace, audit::proof),
    row("POST", "/api/v1/audit/verify", Workspace, audit::verify),
    row("GET", "/api/v1/platform/extension-ingestion/contract", Ingestion, |_, _| Ok(ingestion::contract())),
    row("POST", "/api/v1/platform/raw-events", Ingestion, ingestion::ingest),
    row("GET", "/api/v1/platform/raw-events/claim", Ingestion, ingestion::claim),
    row("POST", "/api/v1/platform/raw-events/{id}/process", Ingestion, ingestion::process),
    row("POST", "/api/v1/platform/raw-events/{id}/submit", Ingestion, ingestion::submit),
    row("POST", "/api/v1/platform/evidence", Ingestion, ingestion::add_evidence),
];
