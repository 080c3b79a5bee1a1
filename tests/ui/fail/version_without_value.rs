#[kiket::webhook("issue.created", version)]
async fn on_issue_created() {}

fn main() {}
