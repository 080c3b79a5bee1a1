#[path = "../registered.rs"]
mod registered;

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created() {}

fn main() {
    assert_eq!(registered::registered(|builder| builder), ["issue.created v1 on_issue_created"]);
}
