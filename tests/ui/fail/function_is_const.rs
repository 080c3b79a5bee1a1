#[kiket::webhook("issue.created", version = "v1")]
const fn on_issue_created() {}

fn main() {}
