#[kiket::webhook("issue.created", version = "v1")]
async unsafe fn on_issue_created() {}

fn main() {}
