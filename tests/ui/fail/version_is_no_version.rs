#[kiket::webhook("issue.created", version = "first")]
async fn on_issue_created() {}

fn main() {}
