#[kiket::webhook("issue.created", "v1")]
async fn on_issue_created() {}

fn main() {}
