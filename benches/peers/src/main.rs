//! The handler of the load bench over crates that verify webhooks: `peers webhook-verify WORKERS`, or `webhooksmith-actix`.
//!
//! They verify signature and time, and decode; neither deduplicates or logs. Both cannot take Kiket's scheme whole:
//! webhook-verify wants the signed bytes in one piece, so that the body is copied; webhooksmith-actix has headers of its own.

#[path = "../../deliveries/mod.rs"]
#[expect(dead_code, reason = "the load makes the bodies")]
mod deliveries;

use std::{error::Error, hint::black_box, io::Read as _, time::Duration};

use actix_web::{
    App, HttpResponse, HttpServer,
    http::header::{CONTENT_TYPE, HeaderValue},
    web::{self, Bytes, PayloadConfig, ServiceConfig},
};
use webhook_verify::{
    CustomScheme, Encoding, HashAlg, HeaderMap, Provider, Secret,
    actix::{VerifiedBody, WebhookConfig},
};
use webhooksmith_actix::{TypedWebhook, WebhookSecret};

use deliveries::{EVENT, IssueCreated, SECRET, VERSION};

const TIMESTAMP: &str = "x-kiket-timestamp";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [peer, workers, ..] = arguments.as_slice() else { return Err("which peer, and how many workers?".into()) };
    let configure = match peer.as_str() {
        "webhook-verify" => webhook_verify,
        "webhooksmith-actix" => webhooksmith,
        other => return Err(format!("`{other}` is no peer").into()),
    };
    let workers = workers.parse()?;
    Ok(actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(move || App::new().configure(configure))
            .keep_alive(Duration::from_secs(75))
            .workers(workers)
            .disable_signals()
            .bind(("127.0.0.1", 0))?;
        eprintln!("{}", server.addrs()[0]);
        // The process that started this one holds the other end.
        std::thread::spawn(|| {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            std::process::exit(0);
        });
        server.run().await
    })?)
}

fn path() -> String {
    format!("/v/{VERSION}/webhooks/{EVENT}")
}

fn webhook_verify(config: &mut ServiceConfig) {
    let scheme = CustomScheme {
        hash: HashAlg::Sha256,
        signature_header: "x-kiket-signature",
        timestamp_header: Some(TIMESTAMP),
        encoding: Encoding::Hex,
        prefix: None,
        signed_string: |headers: &dyn HeaderMap, body| {
            [headers.get(TIMESTAMP).unwrap_or_default().as_bytes(), b".", body].concat()
        },
    };
    config
        .app_data(WebhookConfig::new(Provider::Custom(scheme), Secret::new(SECRET)))
        .app_data(PayloadConfig::new(1024 * 1024))
        .route(&path(), web::post().to(verified));
}

async fn verified(body: VerifiedBody) -> HttpResponse {
    match serde_json::from_slice::<IssueCreated>(&body) {
        Ok(payload) => ok(payload),
        Err(_) => HttpResponse::BadRequest().finish(),
    }
}

fn webhooksmith(config: &mut ServiceConfig) {
    config.app_data(WebhookSecret::new(SECRET)).route(&path(), web::post().to(typed));
}

async fn typed(webhook: TypedWebhook<IssueCreated>) -> HttpResponse {
    ok(webhook.payload)
}

fn ok(payload: IssueCreated) -> HttpResponse {
    black_box(payload);
    let mut response = HttpResponse::Ok().body(Bytes::from_static(br#"{"ok":true}"#));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
