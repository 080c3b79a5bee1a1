//! The extension that attacks are made on.

use std::{env, path::PathBuf, time::Duration};

use kiket::prelude::*;

/// Keeps its thread for a time.
#[kiket::webhook("block.thread", version = "v1", timeout = "60s")]
async fn block_thread(payload: Payload) {
    note_begin();
    std::thread::sleep(Duration::from_millis(payload["ms"].as_u64().unwrap_or(0)));
}

/// Keeps its thread until a file appears.
#[kiket::webhook("block.until", version = "v1", timeout = "60s")]
async fn block_until(payload: Payload) {
    note_begin();
    let until = PathBuf::from(payload["until"].as_str().unwrap_or_default());
    while !until.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Replies with what it got.
#[kiket::webhook("echo.strict", version = "v1")]
async fn echo(payload: Payload) -> Reply {
    Reply::json(json!({ "a": payload["a"] }))
}

/// Replies with a text of this length, and says so.
#[kiket::webhook("big.answer", version = "v1")]
async fn big_answer(payload: Payload) -> Reply {
    tracing::info!("big.answer runs");
    Reply::json("x".repeat(payload["bytes"].as_u64().unwrap_or(0).try_into().unwrap_or(0)))
}

fn note_begin() {
    tracing::info!("blocking");
}

#[allow(clippy::unused_async)] // the signature of a setup
async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    let workers = env::var("ATTACKED_WORKERS").ok().and_then(|workers| workers.parse().ok()).unwrap_or(1);
    Ok(builder.http(|http| http.workers(workers)))
}

kiket::main!(setup = setup);
