#[kiket::webhook(version = "v1", "issue.created")]
async fn on_issue_created() {}

fn main() {}
