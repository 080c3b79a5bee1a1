//! An extension with a `main` of its own, and a log subscriber of its own if `SUBSCRIBER` is set.

use kiket::prelude::*;

#[kiket::webhook("echo.strict", version = "v1")]
async fn echo(payload: Payload) -> Reply {
    Reply::json(json!({ "a": payload["a"] }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::var_os("SUBSCRIBER").is_some() {
        tracing_subscriber::fmt().json().flatten_event(true).with_writer(kiket::telemetry::log_writer).init();
    }
    Extension::builder().without_manifest().id("com.example.by_hand").build()?.serve().await?;
    Ok(())
}
