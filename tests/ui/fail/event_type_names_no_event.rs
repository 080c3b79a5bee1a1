use kiket::prelude::*;

#[derive(Deserialize)]
struct IssueCreated {}

#[kiket::webhook(IssueCreated, version = "v1")]
async fn on_issue_created(_payload: Payload<IssueCreated>) {}

fn main() {}
