//! The dependency is renamed, and so is the crate of a handler.

use hooks::{model::Extra, prelude::*};

#[derive(Debug, Clone, Default, PartialEq, hooks::Model)]
#[model(crate = hooks)]
struct Issue {
    title: Option<String>,
    extra: Extra,
}

#[hooks::webhook("issue.created", version = "v1", timeout = "5s", crate = hooks)]
async fn on_issue_created(Payload(issue): Payload<Issue>) -> Reply {
    Reply::json(json!({ "title": issue.title }))
}

#[hooks::webhook(hooks::events::IssueUpdated, version = "v1", crate = ::hooks)]
async fn on_issue_updated() -> Reply {
    Reply::ok()
}

hooks::main!(crate = hooks, crates = [handlers = "foreign"]);
