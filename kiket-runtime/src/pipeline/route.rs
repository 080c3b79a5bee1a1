//! Routes a request to its handler.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, de::IgnoredAny};
use tokio::time::Instant;
use tracing::{Span, field};

use super::concurrency::Permit;
use crate::{
    delivery::{Delivery, Envelope, JsonText, Request, Version},
    error::Rejection,
    handler::{Registry, Route},
    types::{EventName, EventNameError, EventVersion, other_name},
};

/// Finds the handler of a request by event and version: 404 if there is none, 400 where they cannot be read. A body is read
/// only where the path names no event.
pub(super) fn route(
    registry: &Registry,
    default: Option<&EventVersion>,
    request: &Request<'_>,
) -> Result<(Arc<Route>, JsonText), Rejection> {
    let Request { target, headers, body } = request;
    let default = || default.map(Version::from).ok_or_else(|| no_version(registry, request));
    let version = target.version(headers)?.map_or_else(default, Ok)?;
    let find = |event: &str| {
        let route = registry.find(event, version.key);
        let route = route.or_else(|| registry.find(alias(event, body)?, version.key));
        route.cloned().ok_or_else(|| Rejection::no_handler(event, &version.written))
    };
    if let Some(event) = target.event()? {
        return Ok((find(&event)?, JsonText::new(body.clone())?));
    }
    let body = JsonText::new(body.clone())?;
    let envelope = Envelope::read(body.as_str()).map_err(Rejection::not_json)?;
    let event = envelope.routed_event(body.as_str()).ok_or(Rejection::EVENT_MISSING)?;
    if !EventName::is_valid(&event) {
        return Err(EventNameError.into());
    }
    let route = find(&event)?;
    Ok((route, body))
}

/// Logs what a delivery without a version could name (wire contract, default-version).
fn no_version(registry: &Registry, Request { target, body, .. }: &Request<'_>) -> Rejection {
    let event = target.event().ok().flatten();
    let other = event.as_ref().and_then(|event| alias(event, body));
    let is_meant = |name: &str| event.as_ref().is_none_or(|event| name == event) || other == Some(name);
    let routes = registry.routes().into_iter().filter(|route| is_meant(route.key.event.as_str()));
    let versions: BTreeSet<_> = routes.map(|route| route.key.version.to_string()).take(20).collect();
    tracing::warn!(
        event = event.as_deref(),
        versions = versions.into_iter().collect::<Vec<_>>().join(", "),
        "a delivery names no version: add one to its path, like `/v/v1/webhooks/…`, or set `KIKET_DEFAULT_EVENT_VERSION`"
    );
    Rejection::VERSION_MISSING
}

/// The other name of an event that has two, for extensions that handle only that one (wire contract, event-aliases).
fn alias(event: &str, body: &Bytes) -> Option<&'static str> {
    let other = other_name(event)?;
    let of_issue = || {
        let body = JsonText::new(body.clone()).ok()?;
        serde_json::from_str::<Comment>(body.as_str()).ok().filter(Comment::has_issue)
    };
    (event != "comment.created" || of_issue().is_some()).then_some(other)
}

/// What a comment is on.
#[derive(Deserialize)]
struct Comment {
    issue: Option<IgnoredAny>,
    #[serde(alias = "issueId")]
    issue_id: Option<IgnoredAny>,
    data: Option<Box<Self>>,
    payload: Option<Box<Self>>,
}

impl Comment {
    fn has_issue(&self) -> bool {
        let below = || [&self.data, &self.payload].into_iter().flatten().any(|comment| comment.has_issue());
        self.issue.is_some() || self.issue_id.is_some() || below()
    }
}

/// A delivery that is verified and has a handler.
pub(super) struct Accepted {
    pub(super) delivery: Delivery,
    pub(super) route: Arc<Route>,
    /// The path names the event, and the body must not name another one.
    pub(super) event_in_path: bool,
    pub(super) arrived: Instant,
    pub(super) permit: Permit,
}

/// The span of a delivery, or of an attempt at one that was accepted before: its fields are part of the documented log format.
pub(crate) fn span(route: &Route, attempt: Option<u32>) -> Span {
    tracing::info_span!(
        "delivery",
        event = route.key.event.as_str(),
        version = route.key.version.as_str(),
        delivery_id = field::Empty,
        handler = &*route.handler.function,
        attempt,
    )
}
