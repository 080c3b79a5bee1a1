#[kiket::webhook("issue.created", version = "v1", timeout = "5 seconds")]
async fn on_issue_created() {}

fn main() {}
