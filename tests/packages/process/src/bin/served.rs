//! An extension of `kiket::main!` whose `init` and `setup` do what a variable asks for.

use std::{
    env, panic,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use actix_web::web;
use kiket::{extension::Shutdown, prelude::*};
use rustls::crypto::CryptoProvider;
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
    hold(&until).await;
}

/// Makes a file beside `until`, and waits until that appears.
async fn hold(until: &Path) {
    std::fs::write(until.with_extension("began"), "").expect("its folder is there");
    while !until.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[derive(Deserialize)]
struct Page {
    until: PathBuf,
}

/// An own route that takes until the file of its query appears.
async fn page(query: web::Query<Page>) -> &'static str {
    hold(&query.until).await;
    "page"
}

/// A background task that, after the shutdown began, takes until the file in `TASK` appears.
async fn task(_extension: Extension, shutdown: Shutdown) {
    tracing::info!("task began");
    shutdown.requested().await;
    tracing::info!("task was notified");
    hold(Path::new(&env::var("TASK").expect("the test sets it"))).await;
    tracing::info!("task ends");
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

/// An event with two names, in another version.
#[kiket::webhook("workflow.sla_status", version = "v2")]
async fn sla_status() {}

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

/// A logger of the program's own, as `env_logger` is one: the process can have one.
struct OwnLogger;

impl log::Log for OwnLogger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        eprintln!("own logger: {}", record.args());
    }
    fn flush(&self) {}
}

fn own_hook(name: &'static str) {
    panic::set_hook(Box::new(move |_| eprintln!("{name} hook")));
}

fn init() {
    if wish("init hook") {
        own_hook("init's");
    }
    assert!(CryptoProvider::get_default().is_none(), "`init` runs before there is a provider");
    if wish("provider") {
        own_provider().install_default().expect("there is none");
    }
}

/// A TLS provider of the program's own, which has one cipher suite.
fn own_provider() -> CryptoProvider {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.truncate(1);
    provider
}

async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    let provider = CryptoProvider::get_default().expect("`setup` runs after there is a provider");
    assert_eq!(provider.cipher_suites.len() == 1, wish("provider"), "it is the one of `init`");
    // As clients of databases and clouds do, which choose no provider.
    drop(rustls::ClientConfig::builder());
    let builder = builder.without_manifest().id("com.example.served").state(reqwest::Client::new());
    if wish("logger") {
        log::set_boxed_logger(Box::new(OwnLogger)).expect("the process has no logger before `setup`");
        log::set_max_level(log::LevelFilter::Info);
        log::info!("setup speaks");
    }
    if wish("setup hook") {
        own_hook("setup's");
    }
    let builder = if wish("beside") || wish("beside, for 300 ms") {
        let builder = builder.routes(|config| {
            config.route("/page", web::get().to(page));
        });
        if env::var_os("TASK").is_some() { builder.background(task) } else { builder }
    } else {
        builder
    };
    let builder =
        if wish("beside, for 300 ms") { builder.grace_period(Duration::from_millis(300)) } else { builder };
    assert!(!wish("setup panics"), "setup fails");
    // As the errors of clients do that name the URL that they called.
    let url = || format!("https://key:{}@example.com", env::var("KIKET_SECRET_API_KEY").expect("it is set"));
    assert!(!wish("setup panics with a secret"), "no response from {}", url());
    if wish("setup fails with a secret") {
        return Err(std::io::Error::other(format!("no response from {}", url())).into());
    }
    if wish("routes panic with a secret") {
        return Ok(builder.routes(move |_| panic!("no response from {}", url())));
    }
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
