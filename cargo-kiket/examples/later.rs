//! An extension for the tests of the console, whose handler runs later: what it comes to, files of its folder say.

use std::{path::Path, time::Duration};

use kiket::prelude::*;

/// Fails for good until `mended` is there, or takes until `released` is.
#[kiket::webhook("issue.created", version = "v1", later, timeout = "2m", attempts = 3)]
async fn on_issue_created(payload: Payload) -> kiket::Result<()> {
    if payload["fails"] == true && !Path::new("mended").exists() {
        Err(kiket::Error::permanent("there is no such project"))?;
    }
    while payload["waits"] == true && !Path::new("released").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

// `setup` is async, as that of every program.
#[allow(clippy::unused_async)]
async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    Ok(builder.inbox(|inbox| inbox.workers(1).without_secrets().ephemeral(true)))
}

kiket::main!(setup = setup);
