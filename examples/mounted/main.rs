//! An extension inside an actix-web app that has routes of its own.
//!
//! `cargo run --example mounted` serves both on port 8000: `/` is the app's, everything below `/kiket` the
//! extension's. Its webhook secret is `sh_123` unless `KIKET_WEBHOOK_SECRET` is set.

use std::process::ExitCode;

use actix_web::{App, HttpServer, web};
use kiket::prelude::*;
use serde_json::{Value, json};

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(payload: Payload) -> Json<Value> {
    Json(json!({ "title": payload["issue"]["title"] }))
}

/// The app's own page.
async fn home() -> &'static str {
    "This is the app. Its extension is below /kiket."
}

fn builder() -> ExtensionBuilder {
    let builder =
        Extension::builder().without_manifest().id("com.example.mounted").http(|http| http.prefix("/kiket"));
    match std::env::var("KIKET_WEBHOOK_SECRET") {
        Ok(_) => builder,
        Err(_) => builder.webhook_secret("sh_123"),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    kiket::telemetry::install_panic_hook();
    kiket::telemetry::init_logging();
    let extension = builder().build()?;
    // `cargo kiket` asks the program for its handlers.
    if let Some(status) = kiket::cli::run(&extension) {
        return Ok(status);
    }
    let config = extension.config();
    let address = (config.host().to_owned(), config.port());
    let routes = extension.routes();
    // `serve_app` handles the signals.
    let server =
        HttpServer::new(move || App::new().route("/", web::get().to(home)).configure(routes.clone()))
            .disable_signals()
            .bind(address)?;
    tracing::info!(addresses = ?server.addrs(), "the app listens");
    extension.serve_app(server.run()).await?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use kiket::testing::{TestExtension, delivery};

    use super::*;

    #[tokio::test]
    async fn the_extension_responds_below_its_prefix() {
        let extension = TestExtension::new(builder().webhook_secret("sh_123")).unwrap();
        let payload = json!({ "issue": { "title": "T" } });
        let mounted = delivery("issue.created", "v1", &payload).path("/kiket/v/v1/webhooks/issue.created");
        let response = extension.deliver(mounted).await;
        assert_eq!((response.status(), response.json()), (200, json!({ "title": "T" })));
        assert_eq!(extension.deliver(delivery("issue.created", "v1", &payload)).await.status(), 404);
        assert_eq!(
            extension.get("/kiket/health").await.json()["registered_events"],
            json!(["issue.created"])
        );
    }
}
