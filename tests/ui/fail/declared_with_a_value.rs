#[kiket::webhook("issue.created", version = "v1", declared = true)]
async fn on_issue_created() {}

fn main() {}
