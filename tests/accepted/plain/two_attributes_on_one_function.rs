use kiket::prelude::*;

use crate::{now, registered};

#[kiket::webhook("issue.created", version = "v1")]
#[kiket::webhook("issue.created", version = "v2", timeout = "5s")]
/// Between attributes.
#[kiket::webhook("issue.updated", version = "v1")]
async fn on_issue() -> Json<u8> {
    Json(1)
}

#[test]
fn a_function_may_have_several_attributes() {
    assert_eq!(now::now(on_issue()).0, 1);
    assert_eq!(
        registered::registered(module_path!(), |builder| builder),
        ["issue.created v1 on_issue", "issue.created v2 on_issue", "issue.updated v1 on_issue"]
    );
}
