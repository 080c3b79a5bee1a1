//! The same with the crate named: both handlers are served.

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created() {}

kiket::main!(crates = [foreign]);
