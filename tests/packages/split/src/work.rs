//! Handlers that take their time, and some that take everybody's.

use std::{path::PathBuf, time::Duration};

use kiket::prelude::*;
use serde::Deserialize;

/// Tells the log that a handler began: what is in that line and has no response was lost.
fn begin(context: &Context) {
    tracing::info!(began = context.delivery_id().as_deref(), "work began");
}

/// Takes 200 ms.
#[kiket::webhook("work.slow", version = "v1")]
pub async fn slow(context: Context) {
    begin(&context);
    tokio::time::sleep(Duration::from_millis(200)).await;
}

/// What holds a handler up.
#[derive(Debug, Deserialize)]
pub struct Held {
    until: PathBuf,
}

/// Takes until a file appears.
#[kiket::webhook("work.held", version = "v1")]
pub async fn held(payload: Payload<Held>, context: Context) {
    begin(&context);
    while !payload.until.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Never ends.
#[kiket::webhook("work.endless", version = "v1", timeout = "60m")]
pub async fn endless(context: Context) {
    begin(&context);
    std::future::pending::<()>().await;
}

/// Never ends and never lets go of its thread.
#[kiket::webhook("work.blocking", version = "v1", timeout = "60m")]
pub async fn blocking(context: Context) {
    begin(&context);
    loop {
        std::thread::park();
    }
}

/// Panics.
///
/// # Panics
///
/// Always.
#[kiket::webhook("work.broken", version = "v1")]
pub async fn broken() {
    panic!("this handler is broken");
}
