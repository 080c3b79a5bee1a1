//! An extension whose handler runs later, with an inbox that several processes may share.

use std::{env, path::PathBuf, time::Duration};

use kiket::prelude::*;

/// Takes until a file appears.
#[kiket::webhook("work.held", version = "v1", later, timeout = "5s", backoff = "1s..1s")]
async fn held(payload: Payload) {
    tracing::info!("work began");
    let until = PathBuf::from(payload["until"].as_str().unwrap_or_default());
    while !until.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

// `setup` is async, as that of every program.
#[allow(clippy::unused_async)]
async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    let mut builder = builder.without_manifest().id("com.example.deferred");
    builder = builder.inbox(|inbox| inbox.without_secrets().ephemeral(true));
    if let Some(workers) = number("WORKERS") {
        builder = builder.inbox(|inbox| inbox.workers(usize::try_from(workers).unwrap_or(1)));
    }
    if let Some(milliseconds) = number("GRACE_MS") {
        builder = builder.grace_period(Duration::from_millis(milliseconds));
    }
    Ok(builder)
}

kiket::main!(setup = setup);
