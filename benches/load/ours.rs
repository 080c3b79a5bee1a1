//! Ours: the same work as a user of kiket would write it.

use std::hint::black_box;

use kiket::{events, prelude::*};

use crate::{
    deliveries::{EVENT, IssueCreated, SECRET, VERSION},
    process,
};

/// A handler that decodes into a type of its own.
pub(crate) const OWN: &str = "own";
/// One that decodes into a type of kiket's.
pub(crate) const TYPED: &str = "typed";
/// One that decodes into any JSON.
pub(crate) const VALUE: &str = "value";

async fn own(payload: Payload<IssueCreated>) -> Reply {
    black_box(payload.0);
    Reply::ok()
}

async fn typed(payload: Payload<events::IssueCreated>) -> Reply {
    black_box(payload.0);
    Reply::ok()
}

async fn value(payload: Payload) -> Reply {
    black_box(payload.0);
    Reply::ok()
}

/// Serves until the process is killed.
pub(crate) fn serve(workers: usize, handler: &str, dedupe: bool) -> kiket::Result<()> {
    kiket::telemetry::init_logging();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let builder = Extension::builder()
            .webhook_secret(SECRET)
            .without_manifest()
            .dedupe(|options| options.enabled(dedupe))
            .http(|http| http.host("127.0.0.1").port(0).workers(workers));
        let builder = match handler {
            OWN => builder.on(EVENT, VERSION, own),
            TYPED => builder.on(EVENT, VERSION, typed),
            _ => builder.on(EVENT, VERSION, value),
        };
        let server = builder.build()?.bind()?;
        process::announce(server.addresses()[0]);
        Ok(server.run().await?)
    })
}
