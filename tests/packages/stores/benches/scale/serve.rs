//! The server that is measured.

use std::hint::black_box;

use kiket::prelude::*;

use crate::{
    deliveries::{EVENT, IssueCreated, SECRET, VERSION},
    process,
};

async fn on_issue_created(payload: Payload<IssueCreated>) -> Reply {
    black_box(payload.0);
    Reply::ok()
}

/// Serves until the process is killed: the handler of the deliveries, and more of other events.
pub(crate) fn serve(workers: usize, handlers: usize, store: &str) -> kiket::Result<()> {
    kiket::telemetry::init_logging();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut builder = Extension::builder()
            .id("com.example.bench")
            .webhook_secret(SECRET)
            .without_manifest()
            .without_collected()
            .dedupe(|dedupe| dedupe.url(store))
            .http(|http| http.host("127.0.0.1").port(0).workers(workers))
            .on(EVENT, VERSION, on_issue_created);
        for number in 1..handlers {
            builder = builder.on(&format!("bench.event_{number}"), VERSION, on_issue_created);
        }
        let server = builder.build()?.bind()?;
        process::announce(server.addresses()[0]);
        Ok(server.run().await?)
    })
}
