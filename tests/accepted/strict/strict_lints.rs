//! A user who lets nothing pass.

#![forbid(unsafe_code, deprecated)]
#![deny(
    warnings,
    let_underscore,
    missing_debug_implementations,
    missing_docs,
    nonstandard_style,
    rust_2018_idioms,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unreachable_pub,
    unused,
    unused_lifetimes,
    unused_qualifications,
    unused_results
)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery)]

use kiket::{
    Delivery,
    events::CaseCreated,
    middleware::{HandlerOutcome, Next},
    prelude::*,
};
use serde::Deserialize;
use serde_json::json;

/// An issue.
#[derive(Debug, Deserialize)]
pub struct Issue {
    title: String,
}

/// A borrowed issue.
#[derive(Debug, Deserialize)]
struct IssueRef<'a> {
    title: &'a str,
}

/// Documented, as everything is.
///
/// # Errors
///
/// None.
#[kiket::webhook("issue.created", version = "v1", timeout = "5s", scopes = ["issues:read"])]
pub async fn on_issue_created(payload: Payload<Issue>, context: Context) -> kiket::Result<Reply> {
    if payload.title.is_empty() {
        on_issue_deleted().await;
    }
    Ok(Reply::json(json!({ "event": context.event().as_str() })))
}

#[kiket::webhook("issue.updated", version = "v1")]
async fn on_issue_updated(Payload(issue): Payload<IssueRef<'_>>) -> Json<usize> {
    Json(issue.title.len())
}

async fn audit(delivery: &Delivery, next: Next<'_>) -> HandlerOutcome {
    delivery.insert(3_u8);
    next.run().await
}

/// Nothing in it is deprecated, and nothing needs an `allow`.
#[derive(Debug, kiket::Retry)]
#[retry(status = 410)]
pub struct Gone;

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is gone")
    }
}

impl std::error::Error for Gone {}

#[kiket::webhook("issue.deleted", version = "v1", middleware = [audit])]
async fn on_issue_deleted() {}

#[kiket::webhook(CaseCreated, version = "v1")]
async fn on_case_created(event: Payload<CaseCreated>) -> Json<Option<String>> {
    Json(event.0.case.title)
}
