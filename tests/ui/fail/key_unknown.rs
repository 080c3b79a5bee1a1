#[kiket::webhook("issue.created", version = "v1", retries = 3)]
async fn on_issue_created() {}

fn main() {}
