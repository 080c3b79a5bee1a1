use kiket::events::IssueCreated;

#[kiket::webhook(IssueCreated, version = "v1", declared)]
async fn on_issue_created() {}

fn main() {}
