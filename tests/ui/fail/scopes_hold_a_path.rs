#[kiket::webhook("issue.created", version = "v1", scopes = ["issues:read", ISSUES_WRITE])]
async fn on_issue_created() {}

const ISSUES_WRITE: &str = "issues:write";

fn main() {}
