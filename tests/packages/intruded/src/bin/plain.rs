//! The shortest extension: handlers and `main!` in one file, and nothing else.

use kiket::prelude::*;

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(payload: Payload, context: Context) -> Reply {
    let _ = (payload, context);
    Reply::ok()
}

#[kiket::webhook("issue.closed", version = "v1")]
async fn on_issue_closed() {}

kiket::main!();
