//! Real responses of Kiket, and what the sibling SDKs send, read from the corpus.

use std::{collections::BTreeSet, path::Path, time::Duration};

use kiket::{
    Context, Json,
    api::{Endpoints, Id, Query, SlaFilter, SlaState},
    auth::{Authentication, TokenRules},
    config::Clock,
    testing::{Failure, FakePlatform, TestExtension, TokenIssuer, delivery},
};
use serde_json::{Value, json};

use crate::{corpus::corpus, running::builder, world::World};

fn read(directory: &Path, file: &str) -> String {
    std::fs::read_to_string(directory.join(file).with_extension("json")).unwrap()
}

/// The recorded responses of Kiket, as responses to the calls of this client.
#[tokio::test]
async fn every_real_response_of_kiket_is_read_by_its_call() {
    let Some(directory) = corpus("payloads") else { return };
    let world = World::new();
    let endpoints = world.endpoints();
    let response = |file| world.platform.fail(Failure::body(read(&directory, file)).times(1));

    response("api-custom-data-1");
    let records: Vec<Value> = endpoints
        .custom_data(7)
        .table("crm", "contacts")
        .list(Query::new().limit(10).filters(&json!({})))
        .await
        .unwrap();
    assert_eq!(records, [json!({ "id": 1, "email": "demo@example.com" })]);
    response("api-rate-limit-1");
    let rate = endpoints.rate_limit().await.unwrap();
    assert_eq!((rate.limit, rate.remaining, rate.reset_in, rate.window_seconds), (600, 599, 52, 60));
    response("api-sla-events-1");
    let alerts = endpoints.sla_events(7).list(SlaFilter::default()).await.unwrap();
    assert_eq!((&alerts[0].issue_id, &alerts[0].state), (&Some(Id::from(42)), &Some(SlaState::Imminent)));
    assert_eq!(alerts[0].metrics.duration_minutes, Some(80.0));
    response("api-webhook-url-1");
    let address = endpoints.webhook_url("inbound_email").await.unwrap();
    assert!(address.url.ends_with("/abc123token/inbound_email"));
    assert_eq!(address.token.as_deref(), Some("abc123token"));
    world
        .platform
        .fail(Failure::status(429).with_body(read(&directory, "api-rate-limit-2")).retry_after(42).times(3));
    let refused = endpoints.metadata().await.unwrap_err();
    assert_eq!(
        (refused.message(), refused.retry_after()),
        ("Rate limit exceeded", Some(Duration::from_secs(42)))
    );
}

/// What the siblings send has the same members as what we do.
#[tokio::test]
async fn what_the_siblings_send_is_what_is_sent_here() {
    let Some(directory) = corpus("payloads") else { return };
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let real = |file: &str| -> Value { serde_json::from_str(&read(&directory, file)).unwrap() };
    let issuer = TokenIssuer::new();
    let now = real("sdk-jwt-claims-1")["iat"].as_u64().unwrap();
    let platform =
        FakePlatform::builder().clock(Clock::fixed(now)).extension_id("com.example.m").start().unwrap();
    let builder = platform.extension(builder()).clock(Clock::fixed(now));
    let rules = TokenRules::new().keys(issuer.jwks().to_string());
    let builder = builder.version("1.0.0").authentication(Authentication::Both).token_rules(rules);
    let builder = builder.on("issue.created", "v1", async |context: Context| {
        let organization = context.auth().and_then(|auth| auth.organization_id().map(str::to_owned));
        context.require_scopes(["issues.read"])?;
        kiket::Result::<_>::Ok(Json(json!(organization)))
    });
    let builder = builder.on("issue.deleted", "v1", async |context: Context| {
        context.require_scopes(["ext.api.read", "ext.secrets.write"])
    });
    let extension = TestExtension::new(builder).unwrap();
    let send = async |event: &str, claims: &Value| {
        let delivery = delivery(event, "v1", &json!({ "event": event })).runtime_token(issuer.sign(claims));
        extension.deliver(delivery).await
    };

    let response = send("issue.created", &real("sdk-jwt-claims-1")).await;
    assert_eq!((response.status(), response.json()), (200, json!("3")), "{}", response.text());
    let client = extension.extension().client().with_version("v1");
    Endpoints::new(client).log_event("issue.created", json!({ "summary": "Test Issue" })).await.unwrap();
    assert_eq!(members(&platform.events()[0]), members(&real("sdk-logevent-1")));
    extension.extension().flush(Duration::from_secs(60)).await;
    let record = members(&platform.telemetry()[0]);
    assert!(record.is_superset(&members(&real("sdk-telemetry-1"))), "{record:?}");
    assert_eq!(members(&extension.get("/health").await.json()), members(&real("sdk-health-1")));
    let mut claims = real("sdk-jwt-claims-1");
    (claims["jti"], claims["scopes"]) = (json!("j-2"), json!(["ext.api.read"]));
    let refused = send("issue.deleted", &claims).await.json();
    for (name, value) in real("sdk-403-body-1").as_object().unwrap() {
        assert_eq!(&refused[name], value, "{name}");
    }
}
