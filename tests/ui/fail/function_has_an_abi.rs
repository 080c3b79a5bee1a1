#[kiket::webhook("issue.created", version = "v1")]
async extern "C" fn on_issue_created() {}

fn main() {}
