//! An extension of `kiket::main!` whose `init` and `setup` do what a variable asks for.

use std::{env, panic, path::PathBuf, thread, time::Duration};

use kiket::prelude::*;
use serde_json::Value;

#[derive(Deserialize)]
struct Strict {
    a: u32,
}

#[kiket::webhook("echo.strict", version = "v1")]
async fn echo(payload: Payload<Strict>) -> Reply {
    Reply::json(json!({ "a": payload.a }))
}

/// Takes until a file appears, and makes one beside it when it begins.
#[kiket::webhook("work.held", version = "v1")]
async fn held(payload: Payload) {
    tracing::info!("work began");
    let until = PathBuf::from(payload["until"].as_str().unwrap_or_default());
    std::fs::write(until.with_extension("began"), "").expect("its folder is there");
    while !until.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[kiket::webhook("fields.own", version = "v1")]
async fn fields() {
    tracing::info!(level = "loud", span = 1, "fields of a user");
}

/// Logs 4 MiB: more than waits for a reader.
#[kiket::webhook("log.much", version = "v1")]
async fn much() {
    let text = "x".repeat(1024);
    for number in 0..4 * 1024 {
        tracing::info!(number, text);
    }
}

fn api_key(context: &Context) -> String {
    let secret = context.secret("API_KEY").expect("the variable is set");
    secret.expose().to_owned()
}

#[kiket::webhook("panic.secret", version = "v1")]
async fn panics(context: Context) {
    panic!("failed with {}", api_key(&context));
}

/// Panics beside the delivery, in a thread and in a task.
#[kiket::webhook("panic.beside", version = "v1")]
async fn panics_beside(context: Context) -> Json<Value> {
    let (in_thread, in_task) = (api_key(&context), api_key(&context));
    let thread = thread::spawn(move || panic!("the thread failed with {in_thread}")).join();
    let task = tokio::spawn(async move { panic!("the task failed with {in_task}") }).await;
    Json(json!([thread.is_err(), task.is_err()]))
}

fn wish(of: &str) -> bool {
    env::var("WISH").is_ok_and(|wish| wish == of)
}

fn own_hook(name: &'static str) {
    panic::set_hook(Box::new(move |_| eprintln!("{name} hook")));
}

fn init() {
    if wish("init hook") {
        own_hook("init's");
    }
    assert!(
        rustls::crypto::CryptoProvider::get_default().is_none(),
        "`init` runs before there is a provider"
    );
}

async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    let provider = rustls::crypto::CryptoProvider::get_default();
    assert!(provider.is_some(), "`setup` runs after there is a provider");
    let builder = builder.without_manifest().id("com.example.served").state(reqwest::Client::new());
    if wish("setup hook") {
        own_hook("setup's");
    }
    assert!(!wish("setup panics"), "setup fails");
    tracing::info!("setup speaks");
    tokio::task::yield_now().await;
    if wish("subscriber") {
        tracing_subscriber::fmt().with_target(false).with_ansi(false).init();
    }
    tokio::task::yield_now().await;
    tracing::info!("setup ends");
    Ok(builder)
}

kiket::main!(setup = setup, init = init);
