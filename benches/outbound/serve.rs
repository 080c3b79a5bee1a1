//! The servers of the bench, each by its role.

use std::io;

use actix_web::{App, HttpResponse, HttpServer, web};
use kiket::{Context, Extension, ExtensionBuilder, Reply, State};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::{
    deliveries::{EVENT, SECRET, VERSION},
    process,
};

/// What is called for each delivery.
const PATH: &str = "/api/v1/ext/rate_limit";
/// Much more than anybody can call.
const UNLIMITED: u32 = 1_000_000_000;

/// Serves `role`, which may end in `=` and the address that it calls, until the process is killed.
///
/// # Errors
///
/// When the role is not one, or the server fails.
pub(crate) fn serve(role: &str, workers: usize) -> io::Result<()> {
    let (role, callee) = role.split_once('=').unwrap_or((role, "127.0.0.1:9"));
    let callee = format!("http://{callee}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let builder = Extension::builder()
            .webhook_secret(SECRET)
            .workspace_token("wk")
            .extension_api_key("ek")
            .client(|client| client.base_url(&callee).calls_per_minute(UNLIMITED))
            .dedupe(|dedupe| dedupe.enabled(false)) // the load is one delivery, again and again
            .without_manifest()
            .without_collected()
            .http(|http| http.host("127.0.0.1").port(0).workers(workers));
        match role {
            "serve-sink" => sink().await,
            "serve-nothing" => nothing().await,
            "serve-kiket" => {
                extension(builder.telemetry(|telemetry| telemetry.enabled(false)).on(
                    EVENT,
                    VERSION,
                    call_by_kiket,
                ))
                .await
            }
            "serve-reqwest" => {
                // The first that is installed stays.
                let _ = rustls::crypto::ring::default_provider().install_default();
                let plain = Plain { client: reqwest::Client::new(), url: format!("{callee}{PATH}") };
                extension(builder.telemetry(|telemetry| telemetry.enabled(false)).state(plain).on(
                    EVENT,
                    VERSION,
                    call_by_reqwest,
                ))
                .await
            }
            "serve-silent" => {
                extension(
                    builder.telemetry(|telemetry| telemetry.enabled(false)).on(EVENT, VERSION, response),
                )
                .await
            }
            "serve-telling" | "serve-telemetry-refused" => {
                extension(builder.telemetry(|telemetry| telemetry.enabled(true)).on(EVENT, VERSION, response))
                    .await
            }
            _ => Err(io::Error::other(format!("`{role}` is no role"))),
        }
    })
}

async fn response() -> Reply {
    Reply::ok()
}

async fn call_by_kiket(context: Context) -> kiket::Result<Reply> {
    let _: Value = context.client().get(PATH).await?;
    Ok(Reply::ok())
}

struct Plain {
    client: reqwest::Client,
    url: String,
}

/// What a good engineer would write without kiket's client: the same headers, status and body checked.
async fn call_by_reqwest(plain: State<Plain>) -> kiket::Result<Reply> {
    let request =
        plain.client.get(&plain.url).header("authorization", "Bearer wk").header("x-kiket-api-key", "ek");
    let request = request.header("x-kiket-event-version", VERSION).header("accept", "application/json");
    let response = request.send().await?.error_for_status()?;
    let _: Value = serde_json::from_slice(&response.bytes().await?)?;
    Ok(Reply::ok())
}

async fn extension(builder: ExtensionBuilder) -> io::Result<()> {
    let extension = builder.build().map_err(io::Error::other)?;
    let server = extension.bind().map_err(io::Error::other)?;
    process::announce(server.addresses()[0]);
    server.run().await
}

/// A fake Kiket that responds to every call.
async fn sink() -> io::Result<()> {
    async fn anything() -> HttpResponse {
        let body = r#"{"rate_limit":{"limit":600,"remaining":599,"window_seconds":60,"reset_in":52}}"#;
        HttpResponse::Ok().content_type("application/json").body(body)
    }
    let server =
        HttpServer::new(|| App::new().default_service(web::to(anything))).workers(1).bind("127.0.0.1:0")?;
    process::announce(server.addrs()[0]);
    server.run().await
}

/// A Kiket that takes connections and says nothing.
async fn nothing() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    process::announce(listener.local_addr()?);
    let mut connections = Vec::new();
    loop {
        connections.push(listener.accept().await?);
    }
}
