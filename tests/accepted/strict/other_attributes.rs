//! Attributes beside the one of kiket.

#![deny(warnings)]

use kiket::prelude::*;

use crate::now;

/// Documented.
#[inline]
#[must_use = "it is a number"]
#[kiket::webhook("issue.created", version = "v1")]
#[doc(hidden)]
#[allow(clippy::unused_async, unused_variables)]
async fn on_issue_created(unused: Context) -> Json<u8> {
    Json(1)
}

/// Others are warned off calling it, the registration is not.
#[deprecated = "the first version"]
#[kiket::webhook("issue.updated", version = "v1")]
async fn on_issue_updated() -> Json<u8> {
    Json(2)
}

#[expect(unused_variables, reason = "the attribute stays with the function")]
#[kiket::webhook("issue.deleted", version = "v1")]
async fn on_issue_deleted() -> Json<u8> {
    let unused = 4;
    Json(3)
}

#[test]
fn other_attributes_stay_with_the_function() {
    #[allow(deprecated)]
    let updated = on_issue_updated();
    assert_eq!(now::now(updated).0, 2);
    assert_eq!(now::now(on_issue_deleted()).0, 3);
}
