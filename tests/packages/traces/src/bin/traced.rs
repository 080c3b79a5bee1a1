//! An extension with the one line that installs traces.

use std::env;

use kiket::prelude::*;
use serde_json::Value;
use tracing::Instrument as _;

/// Makes as many spans as its payload says.
#[kiket::webhook("spans.burst", version = "v1")]
async fn burst(payload: Payload) {
    for number in 0..payload["spans"].as_u64().unwrap_or_default() {
        tracing::info_span!("one", number).in_scope(|| {});
    }
}

/// Calls Kiket in a span of its own, also in a task.
#[kiket::webhook("issue.created", version = "v1")]
async fn calls(context: Context) -> kiket::Result<()> {
    tracing::info!("a line of the handler");
    let client = context.client().clone();
    let call = async move { client.get::<Value>("/api/v1/ext/rate_limit").await };
    tokio::spawn(call.instrument(tracing::info_span!("look up"))).await??;
    Ok(())
}

/// Puts a secret where none should be.
#[kiket::webhook("secret.spilled", version = "v1")]
async fn spills(context: Context) {
    let secret = context.secret("API_KEY").expect("the variable is set");
    tracing::info_span!("spills", key = secret.expose(), number = 7).in_scope(|| {});
    tracing::debug_span!("not sent").in_scope(|| {});
}

#[kiket::webhook("always.fails", version = "v1")]
async fn fails() -> kiket::Result<()> {
    Err(HandlerError::retry("no"))
}

async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    let span = tracing::info_span!("setup");
    async { tokio::task::yield_now().await }.instrument(span).await;
    if env::var_os("FAILS").is_some() {
        return Err(HandlerError::retry("setup fails"));
    }
    Ok(builder.without_manifest().id("com.example.traced"))
}

kiket::main!(init = kiket_otel::init, setup = setup);
