use kiket::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Issue {
    #[allow(dead_code)]
    title: String,
}

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(_context: Context, _issue: Issue) {}

fn main() {}
