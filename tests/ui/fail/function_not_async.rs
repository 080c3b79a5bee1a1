#[kiket::webhook("issue.created", version = "v1")]
fn on_issue_created() {}

fn main() {}
