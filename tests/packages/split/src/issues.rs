//! Handlers in a public module.

use kiket::prelude::*;
use serde::Deserialize;
use serde_json::json;

/// A new issue.
#[derive(Debug, Deserialize)]
pub struct IssueCreated {
    issue: Issue,
}

#[derive(Debug, Deserialize)]
struct Issue {
    title: String,
}

/// Greets a new issue.
///
/// # Errors
///
/// When the setting `GREETING` is not a text.
#[kiket::webhook("issue.created", version = "v1", declared)]
pub async fn on_issue_created(payload: Payload<IssueCreated>, settings: Settings) -> kiket::Result<Reply> {
    let greeting: String = settings.get("GREETING")?;
    Ok(Reply::json(json!({ "greeting": format!("{greeting}, {}", payload.issue.title) })))
}

/// The same for the second shape of the event.
#[kiket::webhook("issue.created", version = "v2")]
pub async fn on_issue_created_v2(context: Context) -> Reply {
    Reply::json(json!({ "version": context.event_version().as_str() }))
}
