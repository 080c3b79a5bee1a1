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

/// Of the first version; a handler of it names it in two places.
#[deprecated]
#[derive(Debug, Default, Clone, PartialEq, kiket::Event)]
#[event(name = "issue.closed", model)]
pub struct IssueClosedV1 {
    /// Who it was.
    #[deprecated]
    pub by: Option<String>,
    /// The id.
    pub id: Option<kiket::model::Id>,
    /// The time.
    pub occurred_at: Option<kiket::model::Timestamp>,
    /// The rest.
    pub extra: kiket::model::Extra,
}

#[allow(deprecated)]
#[kiket::webhook(IssueClosedV1, version = "v1")]
async fn on_issue_closed(_event: Payload<IssueClosedV1>) {}

/// Of the first version.
#[deprecated]
#[derive(Debug, kiket::Retry)]
#[retry(never)]
pub struct OldError;

#[allow(deprecated)]
impl std::fmt::Display for OldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is old")
    }
}

#[allow(deprecated)]
impl std::error::Error for OldError {}

#[test]
fn other_attributes_stay_with_the_function() {
    #[allow(deprecated)]
    let updated = on_issue_updated();
    assert_eq!(now::now(updated).0, 2);
    assert_eq!(now::now(on_issue_deleted()).0, 3);
}
