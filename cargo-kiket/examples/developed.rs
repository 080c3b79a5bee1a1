//! An extension for the tests of `dev`, of which each build replies with its number.

use std::{fs, process, sync::OnceLock, time::Duration};

use kiket::prelude::*;

/// What the build wrote beside the program.
static BUILD: OnceLock<String> = OnceLock::new();

fn init() {
    let build = fs::read_to_string("target/debug/build.txt").unwrap_or_default();
    assert!(!build.contains("REFUSES"), "this build does not start");
    let _ = BUILD.set(build.trim().to_owned());
}

fn build() -> &'static str {
    BUILD.get().map(String::as_str).unwrap_or_default()
}

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(payload: Payload) -> Reply {
    if let Some(milliseconds) = payload["wait"].as_u64() {
        println!("waits");
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    Reply::json(json!({ "build": build(), "id": payload["id"] }))
}

#[kiket::webhook("own.crash", version = "v1")]
async fn on_crash() {
    process::exit(3);
}

/// Shows a secret of Kiket, and one of its own.
#[kiket::webhook("own.secret", version = "v1")]
async fn on_secret(context: Context) -> kiket::Result<Reply> {
    let secret = context.secrets().get("SEEDED").await?.map(|secret| secret.expose().to_owned());
    let own = context.secret("API_KEY").map(|secret| secret.expose().to_owned());
    Ok(Reply::json(json!({ "seeded": secret, "own": own })))
}

kiket::main!(init = init);
