//! Ours: the same work as a user of kiket would write it.

use std::hint::black_box;

use kiket::prelude::*;

use crate::{
    deliveries::{IssueCreated, SECRET},
    process,
};

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(payload: Payload<IssueCreated>) -> Reply {
    black_box(payload.0);
    Reply::ok()
}

/// Serves until the process is killed.
pub(crate) fn serve(workers: usize) -> kiket::Result<()> {
    kiket::telemetry::init_logging();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let extension = Extension::builder()
            .webhook_secret(SECRET)
            .without_manifest()
            .dedupe(|dedupe| dedupe.enabled(false)) // the limit remembers nothing, and the load is one delivery, again and again
            .http(|http| http.host("127.0.0.1").port(0).workers(workers))
            .build()?;
        let server = extension.bind()?;
        process::announce(server.addresses()[0]);
        Ok(server.run().await?)
    })
}
