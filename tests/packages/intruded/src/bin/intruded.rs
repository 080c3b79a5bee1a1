//! Links a crate with a handler and does not name it: it must not start.

use foreign as _;

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created() {}

kiket::main!();
