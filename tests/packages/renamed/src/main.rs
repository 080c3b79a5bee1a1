//! The dependency is renamed, and so is the crate of a handler.

use hooks::prelude::*;

#[hooks::webhook("issue.created", version = "v1", timeout = "5s", crate = hooks)]
async fn on_issue_created(_payload: Payload) {}

#[hooks::webhook(hooks::events::IssueUpdated, version = "v1", crate = ::hooks)]
async fn on_issue_updated() -> Reply {
    Reply::ok()
}

hooks::main!(crate = hooks, crates = [handlers = "foreign"]);
