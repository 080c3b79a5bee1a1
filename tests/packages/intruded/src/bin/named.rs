//! The same with the crate named: both handlers are served.

use kiket::{model::Extra, prelude::*};

#[derive(Debug, Clone, Default, PartialEq, kiket::Model)]
struct Issue {
    title: Option<String>,
    extra: Extra,
}

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(Payload(issue): Payload<Issue>) -> kiket::Result<Reply> {
    Ok(Reply::json(json!({ "title": issue.title })))
}

kiket::main!(crates = [foreign]);
