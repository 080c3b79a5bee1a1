#[kiket::webhook("issue.created")]
async fn on_issue_created() {}

fn main() {}
