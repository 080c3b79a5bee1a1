#[kiket::webhook("issue.created", version = "v1", dedupe = "no")]
async fn on_issue_created() {}

fn main() {}
