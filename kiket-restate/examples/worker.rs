//! An extension whose deliveries Restate keeps, with a handler for each way in which work can end. The tests run it.
//!
//! Each run of a handler is a line in the file that `EFFECTS` names.

use std::{env, fs, io::Write as _, process, time::Duration};

use kiket::prelude::*;
use kiket_restate::Restate;

fn effects() -> std::ffi::OsString {
    env::var_os("EFFECTS").unwrap_or_else(|| "effects.txt".into())
}

fn effect(what: &str, payload: &Payload) -> std::io::Result<()> {
    let line = format!("{what} {}\n", payload["id"].as_str().unwrap_or_default());
    fs::OpenOptions::new().create(true).append(true).open(effects())?.write_all(line.as_bytes())
}

async fn wait(payload: &Payload) {
    tokio::time::sleep(Duration::from_millis(payload["ms"].as_u64().unwrap_or_default())).await;
}

#[kiket::webhook("work.counted", version = "v1", later, timeout = "60s", backoff = "100ms..1s")]
async fn counted(payload: Payload) -> kiket::Result<()> {
    effect("begun", &payload)?;
    wait(&payload).await;
    Ok(effect("done", &payload)?)
}

/// Fails in its first run where the payload says so.
#[kiket::webhook("work.ordered", version = "v1", later, backoff = "50ms..50ms", lane = "issue.id")]
async fn ordered(payload: Payload) -> kiket::Result<()> {
    let is_first = !fs::read_to_string(effects())
        .unwrap_or_default()
        .contains(&format!("begun {}\n", payload["id"].as_str().unwrap_or_default()));
    effect("begun", &payload)?;
    wait(&payload).await;
    if payload["fails"] == true && is_first {
        return Err("not yet".into());
    }
    Ok(effect("done", &payload)?)
}

#[kiket::webhook("work.fails", version = "v1", later, attempts = 3, backoff = "10ms..50ms")]
async fn fails(payload: Payload) -> kiket::Result<()> {
    effect("begun", &payload)?;
    Err(format!("with {}", env::var("KIKET_WEBHOOK_SECRET").unwrap_or_default()).into())
}

#[kiket::webhook("work.permanent", version = "v1", later)]
async fn permanent(payload: Payload) -> kiket::Result<()> {
    effect("begun", &payload)?;
    Err(HandlerError::permanent("the issue is gone"))
}

/// Fails for good, and blocks its lane, until it has run twice.
#[kiket::webhook("work.blocks", version = "v1", later, attempts = 1, lane = "issue.id", on_dead = "block")]
async fn blocks(payload: Payload) -> kiket::Result<()> {
    effect("begun", &payload)?;
    let runs = fs::read_to_string(effects())?.lines().filter(|line| *line == "begun blocking").count();
    if payload["id"] == "blocking" && runs < 2 {
        return Err("not yet".into());
    }
    Ok(effect("done", &payload)?)
}

#[kiket::webhook("work.hangs", version = "v1", later, timeout = "1s", attempts = 2, backoff = "10ms..10ms")]
async fn hangs(payload: Payload) -> kiket::Result<()> {
    effect("begun", &payload)?;
    std::future::pending::<()>().await;
    Ok(())
}

#[kiket::webhook("work.kills", version = "v1", later)]
async fn kills(payload: Payload) -> kiket::Result<()> {
    effect("begun", &payload)?;
    process::abort();
}

/// Schedules work for a second later.
#[kiket::webhook("work.plans", version = "v1", later)]
async fn plans(payload: Payload, context: Context) -> kiket::Result<()> {
    effect("begun", &payload)?;
    let at = context.now() + Duration::from_secs(1);
    context.inbox().schedule(at, "work.counted", json!({ "id": "planned" })).await?;
    Ok(())
}

#[kiket::schedule("0 7 * * *", zone = "Europe/Berlin")]
async fn every_morning() {}

// `setup` is async, as that of every program.
#[allow(clippy::unused_async)]
async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    let mut restate = Restate::from_environment()?.concurrency(16);
    if let Some(grace) = env::var("GRACE_MS").ok().and_then(|text| text.parse().ok()) {
        restate = restate.grace_period(Duration::from_millis(grace));
    }
    Ok(restate.install(builder.without_manifest().id("com.example.worker"))?)
}

kiket::main!(setup = setup);
