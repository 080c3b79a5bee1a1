use kiket::{webhook, webhook as on};

use crate::registered;

#[webhook("issue.created", version = "v1")]
async fn on_issue_created() {}

#[on("issue.updated", version = "v1")]
async fn on_issue_updated() {}

#[::kiket::webhook("issue.deleted", version = "v1")]
async fn on_issue_deleted() {}

#[test]
fn the_attribute_may_have_another_name() {
    assert_eq!(
        registered::registered(module_path!(), |builder| builder),
        [
            "issue.created v1 on_issue_created",
            "issue.deleted v1 on_issue_deleted",
            "issue.updated v1 on_issue_updated"
        ]
    );
}
