#[kiket::webhook("issue.created", version = "v1", scopes = ["issues:read", "issues write"])]
async fn on_issue_created() {}

fn main() {}
