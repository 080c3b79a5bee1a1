#[kiket::webhook(kiket::events::IssueCreated, version = "v1", declared)]
async fn on_issue_created() {}

fn main() {}
