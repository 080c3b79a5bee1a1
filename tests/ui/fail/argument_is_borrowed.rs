use kiket::prelude::*;

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(_payload: &Payload) {}

fn main() {}
