#[kiket::webhook("issue.created", version = 1)]
async fn on_issue_created() {}

fn main() {}
