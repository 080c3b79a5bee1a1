use kiket::prelude::*;

struct Issue;

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(_payload: Payload<Issue>) {}

fn main() {}
