//! The dependency is another crate, which re-exports `kiket`.

use company::kiket::{self as framework, prelude::*};

async fn setup(builder: Builder) -> framework::Result<Builder> {
    Ok(builder.strict(false))
}

#[company::kiket::webhook("issue.created", version = "v1", crate = company::kiket)]
async fn on_issue_created(_payload: Payload) {}

#[framework::webhook("issue.updated", version = "v1", crate = crate::framework)]
async fn on_issue_updated() {}

company::kiket::main!(setup = setup, crate = company::kiket);
