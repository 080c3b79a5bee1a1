#[kiket::webhook("issue.created", version = "v1", crate = "kiket")]
async fn on_issue_created() {}

fn main() {}
