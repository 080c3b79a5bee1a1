use kiket::{webhook, webhook as on};

#[path = "../registered.rs"]
mod registered;

#[webhook("issue.created", version = "v1")]
async fn on_issue_created() {}

#[on("issue.updated", version = "v1")]
async fn on_issue_updated() {}

#[::kiket::webhook("issue.deleted", version = "v1")]
async fn on_issue_deleted() {}

fn main() {
    assert_eq!(
        registered::registered(|builder| builder),
        [
            "issue.created v1 on_issue_created",
            "issue.deleted v1 on_issue_deleted",
            "issue.updated v1 on_issue_updated"
        ]
    );
}
