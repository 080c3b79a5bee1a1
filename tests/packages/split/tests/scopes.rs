//! Scopes of handlers (wire contract, scope-check), in a program of its own: in mode `hmac` its handlers stop the start.

use kiket::{
    Context, Extension, Payload, Result,
    auth::{Authentication, TokenRules},
    config::Clock,
    startup::StartupError,
    testing::{TestExtension, TestResponse, TokenIssuer, delivery},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const NOW: u64 = 1_700_000_000;
const OK: &str = r#"{"ok":true}"#;

#[kiket::webhook("scoped.read", version = "v1", scopes = ["issues.read"])]
async fn on_read() {}

#[kiket::webhook("scoped.write", version = "v1", scopes = ["issues.read", "issues.write"])]
async fn on_write() {
    unreachable!("no delivery has the scopes");
}

#[kiket::webhook("scoped.inside", version = "v1")]
async fn on_inside(context: Context, payload: Payload) -> Result<()> {
    let scopes: Vec<String> = serde_json::from_value(payload["needs"].clone())?;
    Ok(context.require_scopes(scopes)?)
}

/// The annotated functions of this file.
fn scoped(mode: Authentication) -> std::result::Result<TestExtension, StartupError> {
    let builder = Extension::builder().authentication(mode).without_manifest();
    let builder = builder.environment([("KIKET_EXTENSION_NUMBER", "7")]).clock(Clock::fixed(NOW));
    TestExtension::new(
        builder.token_rules(TokenRules::new().keys(ISSUER.with(|issuer| issuer.jwks().to_string()))),
    )
}

thread_local! {
    static ISSUER: TokenIssuer = TokenIssuer::new();
}

fn token(id: &str, scopes: &[&str]) -> String {
    ISSUER.with(|issuer| issuer.sign(&claims(id, scopes)))
}

fn claims(id: &str, scopes: &[&str]) -> Value {
    json!({ "iss": "kiket.dev", "ext_id": 7, "iat": NOW, "exp": NOW + 300, "jti": id, "scopes": scopes })
}

#[track_caller]
fn check(response: &TestResponse, status: u16, body: &str) {
    assert_eq!((response.status(), response.text()), (status, body));
}

#[tokio::test]
async fn a_handler_runs_only_with_its_scopes() {
    let extension = scoped(Authentication::Both).unwrap();
    let deliver = async |event: &str, id: &str, scopes: &[&str], needs: &[&str]| {
        let delivery =
            delivery(event, "v1", &json!({ "id": id, "needs": needs })).runtime_token(token(id, scopes));
        extension.deliver(delivery).await
    };
    check(&deliver("scoped.read", "1", &["read:issues"], &[]).await, 200, OK);
    check(&deliver("scoped.read", "2", &["*"], &[]).await, 200, OK);
    let lacking = |required: &[&str], missing: &[&str], id: &str| {
        json!({
            "error": "Insufficient scopes", "code": "insufficient_scopes", "delivery_id": id,
            "required_scopes": required, "missing_scopes": missing,
        })
    };
    for (event, id, scopes, needs, required, missing) in [
        ("scoped.read", "3", &["issues.write"][..], &[][..], &["issues.read"][..], &["issues.read"][..]),
        ("scoped.write", "4", &["issues:read"], &[], &["issues.read", "issues.write"], &["issues.write"]),
        ("scoped.write", "5", &[], &[], &["issues.read", "issues.write"], &["issues.read", "issues.write"]),
        ("scoped.inside", "6", &["a"], &["a", "b"], &["a", "b"], &["b"]),
    ] {
        let response = deliver(event, id, scopes, needs).await;
        assert_eq!((response.status(), response.json()), (403, lacking(required, missing, id)), "{event}");
    }
    check(&deliver("scoped.inside", "7", &["a", "b:read"], &["read.b", "a"]).await, 200, OK);
}

#[tokio::test]
async fn a_signature_alone_has_no_scopes() {
    let error = scoped(Authentication::Hmac).unwrap_err();
    let shown = error.to_string();
    assert_eq!(error.problems().len(), 2, "{shown}");
    for part in [
        "`scopes::on_read` requires scopes",
        "`scopes::on_write`",
        "KIKET_AUTHENTICATION",
        "tests/scopes.rs:",
    ] {
        assert!(shown.contains(part), "{shown}");
    }

    let either = scoped(Authentication::Either).unwrap();
    let read = |id: &str| delivery("scoped.read", "v1", &json!({ "id": id }));
    assert_eq!(either.deliver(read("1")).await.status(), 403);
    check(&either.deliver(read("2").runtime_token(token("2", &["issues:read"]))).await, 200, OK);
    let wrong = TokenIssuer::new().sign(&claims("3", &["issues:read"]));
    assert_eq!(either.deliver(read("3").runtime_token(wrong)).await.status(), 403);

    // A token that cannot be verified for want of keys: Kiket sends the delivery again.
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let builder = Extension::builder().authentication(Authentication::Either).without_manifest();
    let builder = builder
        .environment([("KIKET_EXTENSION_NUMBER", "7")])
        .clock(Clock::fixed(NOW))
        .client(|client| client.base_url(format!("http://{dead}")));
    let down = TestExtension::new(builder).unwrap();
    let response = down.deliver(read("4").runtime_token(token("4", &["issues:read"]))).await;
    assert_eq!((response.status(), &response.json()["code"]), (503, &json!("keys_unavailable")));
    let inside = delivery("scoped.inside", "v1", &json!({ "id": "5", "needs": ["a"] }));
    assert_eq!(down.deliver(inside.runtime_token(token("5", &["a"]))).await.status(), 503);
}
