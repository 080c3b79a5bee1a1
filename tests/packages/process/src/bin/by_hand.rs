//! An extension with a `main` of its own, a log subscriber of its own if `SUBSCRIBER` is set, kiket's panic hook if
//! `HOOK` is, and mounted into an app that listens at `APP`, if that is set.

use std::{env, net::TcpListener, path::PathBuf, time::Duration};

use actix_web::{App, HttpServer};
use kiket::prelude::*;

#[kiket::webhook("echo.strict", version = "v1")]
async fn echo(payload: Payload) -> Reply {
    Reply::json(json!({ "a": payload["a"] }))
}

#[kiket::webhook("panic.plain", version = "v1")]
async fn panics() {
    panic!("by hand");
}

/// Takes until a file appears.
#[kiket::webhook("work.held", version = "v1")]
async fn held(payload: Payload) {
    tracing::info!("work began");
    let until = PathBuf::from(payload["until"].as_str().unwrap_or_default());
    while !until.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if env::var_os("SUBSCRIBER").is_some() {
        tracing_subscriber::fmt().json().flatten_event(true).with_writer(kiket::telemetry::log_writer).init();
    }
    if env::var_os("HOOK").is_some() {
        kiket::telemetry::install_panic_hook();
    }
    let extension = Extension::builder().without_manifest().id("com.example.by_hand").build()?;
    if env::var_os("APP").is_none() {
        return Ok(extension.serve().await?);
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    tracing::info!(addresses = format!("http://{}", listener.local_addr()?), "listening");
    let routes = extension.routes();
    // An app that handles signals itself, too.
    let handles_signals = env::var("APP").is_ok_and(|app| app == "signals");
    let app = HttpServer::new(move || App::new().configure(routes.clone()));
    let app = if handles_signals { app } else { app.disable_signals() };
    extension.serve_app(app.listen(listener)?.run()).await?;
    Ok(())
}
