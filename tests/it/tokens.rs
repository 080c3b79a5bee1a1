//! Runtime tokens, scopes and secrets of deliveries (wire contract, authentication-modes to required-secrets).

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kiket::{
    Context, Error, Extension, ExtensionBuilder, Handler, Json, Payload,
    auth::{Authentication, TokenRules},
    config::Clock,
    dedupe::{BeginOutcome, DedupeKey, DedupeStore, LeaseState, LeaseToken, StoreFuture, StoredReply},
    handler::{Later, RequiredSecret, SecretKey},
    telemetry::RecordStatus,
    testing::{DeliveryBuilder, FakePlatform, SECRET, TestExtension, TestResponse, TokenIssuer, delivery},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::running::{NOW, UNSIGNED};

const OK: &str = r#"{"ok":true}"#;

/// What Kiket says of a delivery for a project.
fn claims(id: &str) -> Value {
    json!({
        "iss": "kiket.dev", "sub": "installation:1", "org_id": 3, "ext_id": 7, "proj_id": 27, "scopes": ["issues:read"],
        "src": "webhook", "iat": NOW, "exp": NOW + 300, "jti": id,
    })
}

fn builder(mode: Authentication) -> ExtensionBuilder {
    Extension::builder()
        .authentication(mode)
        .without_collected()
        .without_manifest()
        .environment([("KIKET_EXTENSION_NUMBER", "7")])
        .clock(Clock::fixed(NOW))
}

#[tokio::test]
async fn a_token_for_another_extension_opens_nothing() {
    let issuer = TokenIssuer::new();
    for mode in [Authentication::Token, Authentication::Either] {
        let extension = knowing(&issuer, mode);
        for (number, status) in [(json!(7), 200), (json!("7"), 200), (json!(8), 401), (json!(null), 401)] {
            let mut claims = claims(&format!("{mode} {number}"));
            claims["ext_id"] = number.clone();
            let delivery =
                created(&format!("{mode} {number}")).secret("of another").runtime_token(issuer.sign(&claims));
            assert_eq!(extension.deliver(delivery).await.status(), status, "{mode} {number}");
        }
    }
}

/// An extension with the issuer's keys that replies ok to `issue.created`.
fn knowing(issuer: &TokenIssuer, mode: Authentication) -> TestExtension {
    let rules = TokenRules::new().keys(issuer.jwks().to_string());
    start(builder(mode).token_rules(rules).on("issue.created", "v1", async || {}))
}

#[track_caller]
fn start(builder: ExtensionBuilder) -> TestExtension {
    TestExtension::new(builder).expect("the extension starts")
}

/// A delivery of its own.
fn created(id: &str) -> DeliveryBuilder {
    delivery("issue.created", "v1", &json!({ "id": id, "issue": { "id": 1 } }))
}

#[track_caller]
fn check(response: &TestResponse, status: u16, body: &str) {
    assert_eq!((response.status(), response.text()), (status, body));
}

// 5.1, the modes.

#[tokio::test]
async fn each_mode_wants_its_proofs() {
    use Authentication::{Both, Either, Hmac, Token};

    let issuer = TokenIssuer::new();
    // Whether the signature is right, and the token: right, wrong, absent.
    for (mode, signed, token, status) in [
        (Hmac, true, None, 200),
        (Hmac, true, Some(false), 200),
        (Hmac, false, Some(true), 401),
        (Token, false, Some(true), 200),
        (Token, true, Some(true), 200),
        (Token, true, Some(false), 401),
        (Token, true, None, 401),
        (Both, true, Some(true), 200),
        (Both, false, Some(true), 401),
        (Both, true, Some(false), 401),
        (Both, true, None, 401),
        (Either, true, Some(true), 200),
        (Either, true, Some(false), 200),
        (Either, true, None, 200),
        (Either, false, Some(true), 200),
        (Either, false, Some(false), 401),
        (Either, false, None, 401),
    ] {
        let extension = knowing(&issuer, mode);
        let mut delivery = created("d-1");
        if let Some(right) = token {
            let signer = if right { &issuer } else { &TokenIssuer::new() };
            delivery = delivery.runtime_token(signer.sign(&claims("j-1")));
        }
        if !signed {
            delivery = delivery.secret("another secret");
        }
        let response = extension.deliver(delivery).await;
        let body = if status == 200 { OK } else { UNSIGNED };
        assert_eq!((response.status(), response.text()), (status, body), "{mode} {signed} {token:?}");
    }
}

#[tokio::test]
async fn whatever_is_no_token_is_401_and_never_500() {
    let issuer = TokenIssuer::new();
    let extension = knowing(&issuer, Authentication::Token);
    let good = issuer.sign(&claims("j-1"));
    for authentication in [
        "null".to_owned(),
        "7".into(),
        "true".into(),
        format!("[\"{good}\"]"),
        format!("\"{good}\""),
        "{}".into(),
        r#"{"runtime_token":null}"#.into(),
        r#"{"runtime_token":7}"#.into(),
        format!(r#"{{"runtime_token":["{good}"]}}"#),
        r#"{"runtime_token":""}"#.into(),
        format!(r#"{{"runtime_token":"{good}\u0000"}}"#),
        format!(r#"{{"runtime_token":"Bearer {good}"}}"#),
    ] {
        let body = format!(r#"{{"id":"d-1","authentication":{authentication}}}"#);
        check(&extension.deliver(created("d-1").body(body)).await, 401, UNSIGNED);
    }
    for body in ["", "[1]", "not JSON", "{\"id\":", "\u{fffd}"] {
        check(&extension.deliver(created("d-1").body(body)).await, 401, UNSIGNED);
    }
    let beside = format!(r#"{{"runtime_token":"{good}"}}"#);
    check(&extension.deliver(created("d-1").body(beside)).await, 401, UNSIGNED);
    let header = created("d-1").header("x-kiket-runtime-token", good.clone());
    check(&extension.deliver(header).await, 401, UNSIGNED);
    let refusals = extension.extension().stats().token_refusals;
    assert_eq!(refusals.iter().map(|(_, count)| count).sum::<u64>(), 19, "{refusals:?}");

    check(&extension.deliver(created("d-1").runtime_token(good)).await, 200, OK);
}

#[tokio::test]
async fn a_token_is_for_one_delivery() {
    let issuer = TokenIssuer::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let count = |runs: &Arc<AtomicUsize>| {
        let runs = Arc::clone(runs);
        move || {
            runs.fetch_add(1, Ordering::SeqCst);
            async {}
        }
    };
    let rules = TokenRules::new().keys(issuer.jwks().to_string());
    let builder = builder(Authentication::Token).token_rules(rules);
    let builder = builder.on("issue.created", "v1", count(&runs)).on("issue.deleted", "v1", count(&runs));
    let extension = start(builder);
    let token = issuer.sign(&claims("j-1"));
    let first = || created("d-1").runtime_token(token.clone());
    check(&extension.deliver(first()).await, 200, OK);
    let again = extension.deliver(first()).await;
    assert_eq!((again.status(), again.headers().get("x-kiket-replayed")), (200, Some("true")));

    // With another body, for another event, at another version.
    check(&extension.deliver(created("d-2").runtime_token(token.clone())).await, 401, UNSIGNED);
    check(&extension.deliver(first().path("/v/v1/webhooks/issue.deleted")).await, 401, UNSIGNED);
    check(&extension.deliver(first().path("/webhooks/issue.created?version=v1")).await, 401, UNSIGNED);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert_eq!(extension.extension().stats().token_refusals, [("token_reused", 3)]);

    // Where deliveries are not remembered, tokens are.
    let rules = TokenRules::new().keys(issuer.jwks().to_string());
    let builder =
        self::builder(Authentication::Token).token_rules(rules).dedupe(|dedupe| dedupe.enabled(false));
    let extension = start(builder.on("issue.created", "v1", async || {}));
    check(&extension.deliver(first()).await, 200, OK);
    check(&extension.deliver(created("d-2").runtime_token(token)).await, 401, UNSIGNED);
}

#[tokio::test]
async fn a_token_is_for_one_delivery_however_many_bring_it_at_once() {
    let issuer = TokenIssuer::new();
    let extension = knowing(&issuer, Authentication::Token);
    let token = issuer.sign(&claims("j-1"));
    let deliveries = (0..50).map(|number| {
        let delivery = created(&number.to_string()).runtime_token(token.clone());
        let extension = extension.clone();
        async move { extension.deliver(delivery).await.status() }
    });
    let local = tokio::task::LocalSet::new();
    let responses: Vec<_> = deliveries.map(|delivery| local.spawn_local(delivery)).collect();
    let statuses = local.run_until(async {
        let mut statuses = Vec::new();
        for response in responses {
            statuses.push(response.await.unwrap());
        }
        statuses
    });
    let mut statuses = statuses.await;
    statuses.sort_unstable();
    assert_eq!((statuses[0], statuses[1], statuses[49]), (200, 401, 401));
}

#[tokio::test]
async fn a_token_is_for_one_route() {
    let issuer = TokenIssuer::new();
    let extension = knowing(&issuer, Authentication::Token);
    let token = issuer.sign(&claims("j-1"));
    let body = json!({ "id": "d-1", "event": "issue.created" });
    let first = || delivery("issue.created", "v1", &body).runtime_token(token.clone());
    let unrouted = || first().path("/webhook?version=v1");
    check(&extension.deliver(unrouted()).await, 200, OK);
    check(&extension.deliver(unrouted()).await, 200, OK);
    check(&extension.deliver(first()).await, 401, UNSIGNED);
    check(&extension.deliver(first().path("/webhook?version=1")).await, 401, UNSIGNED);
    let header = first().path("/webhook").header("x-kiket-event-version", "v1");
    check(&extension.deliver(header).await, 401, UNSIGNED);
}

#[tokio::test]
async fn the_last_of_two_tokens_counts_and_malformed_bodies_are_401() {
    let issuer = TokenIssuer::new();
    let extension = knowing(&issuer, Authentication::Token);
    let good = |id: &str| format!(r#""authentication":{{"runtime_token":"{}"}}"#, issuer.sign(&claims(id)));
    let forged =
        format!(r#""authentication":{{"runtime_token":"{}"}}"#, TokenIssuer::new().sign(&claims("j-0")));
    let twice = |id: &str| issuer.sign(&claims(id)) + r#"","runtime_token":"x"#;
    let (deep, open) = ("[".repeat(50_000), "]".repeat(50_000));
    let long = json!({ "iss": "kiket.dev", "ext_id": 7, "exp": 1e300, "jti": "j-9" });
    for (status, body) in [
        (200, format!(r#"{{"id":"1",{forged},{}}}"#, good("j-1"))),
        (401, format!(r#"{{"id":"2",{},{forged}}}"#, good("j-2"))),
        (401, format!(r#"{{"id":"3",{},"authentication":null}}"#, good("j-3"))),
        (401, format!(r#"{{"id":"4","authentication":{{"runtime_token":"{}"}}}}"#, twice("j-4"))),
        (200, format!(r#"{{"id":"5","a":{deep}{open},{}}}"#, good("j-5"))),
        (401, format!(r#"{{"id":"6",{},"a":{deep}}}"#, good("j-6"))),
        (401, format!(r#"{{"id":"7","authentication":{{"runtime_token":{deep}{open}}}}}"#)),
        (401, format!(r#"{{"id":"8",{}}}x"#, good("j-8"))),
        (200, format!(r#"{{"id":"9","authentication":{{"runtime_token":"{}"}}}}"#, issuer.sign(&long))),
        (200, format!("\u{feff}{{{}}}", good("j-10"))),
        (200, format!(r#"{{"id":1e400,{}}}"#, good("j-11"))),
    ] {
        let shown = &body[..40].to_owned();
        let response = extension.deliver(created("d-1").body(body)).await;
        assert_eq!(response.status(), status, "{shown} {}", response.text());
    }
    let bytes = [b"{\"a\":\"\xff\",", good("j-12").as_bytes(), b"}"].concat();
    check(&extension.deliver(created("d-1").body(bytes)).await, 401, UNSIGNED);
}

#[tokio::test]
async fn an_event_may_be_called_like_what_tokens_are_remembered_by() {
    let issuer = TokenIssuer::new();
    let rules = TokenRules::new().keys(issuer.jwks().to_string());
    let extension = start(builder(Authentication::Token).token_rules(rules).on("jti", "v1", async || {}));
    let deliver = |id: &str, token: &str| {
        let delivery = delivery("jti", "v1", &json!({ "id": id })).runtime_token(issuer.sign(&claims(token)));
        let extension = extension.clone();
        async move { extension.deliver(delivery).await }
    };
    check(&deliver("d-1", "j-1").await, 200, OK);
    check(&deliver("d-2", "v1:id:d-1").await, 200, OK);
    check(&deliver("d-3", "v1:id:d-4").await, 200, OK);
    check(&deliver("d-4", "j-4").await, 200, OK);
}

#[tokio::test]
async fn a_delivery_that_says_neither_its_id_nor_its_time_runs_once() {
    let issuer = TokenIssuer::new();
    let extension = knowing(&issuer, Authentication::Token);
    let mut claims = claims("j-1");
    claims.as_object_mut().unwrap().remove("iat");
    let token = issuer.sign(&claims);
    let deliver = || {
        let delivery = delivery("issue.created", "v1", &json!({})).runtime_token(token.clone());
        extension.deliver(delivery)
    };
    check(&deliver().await, 200, OK);
    extension.clock().advance(Duration::from_secs(1));
    let again = deliver().await;
    assert_eq!((again.status(), again.headers().get("x-kiket-replayed")), (200, Some("true")));
}

#[tokio::test]
async fn a_token_expires_by_the_clock_of_the_extension() {
    let issuer = TokenIssuer::new();
    let extension = knowing(&issuer, Authentication::Token);
    let deliver = |id: &'static str| extension.deliver(created(id).runtime_token(issuer.sign(&claims(id))));
    extension.clock().advance(Duration::from_secs(299));
    check(&deliver("1").await, 200, OK);
    extension.clock().advance(Duration::from_secs(1));
    check(&deliver("2").await, 401, UNSIGNED);
    check(&deliver("1").await, 401, UNSIGNED);
}

// 5.1, the keys.

/// A host that publishes keys, on loopback: counts who connects, and notes what they ask.
struct KeyHost {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl KeyHost {
    /// Responds to every request with `document`, a moment later, so that many can ask meanwhile.
    async fn start(document: &Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = Self { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let (asked, body) = (Arc::clone(&host.asked), document.to_string());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.unwrap() > 0 {}
                asked.lock().unwrap().push(String::from_utf8(request).unwrap());
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes()).await;
            }
        });
        host
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn two_hundred_deliveries_at_once_fetch_the_keys_once() {
    let issuer = TokenIssuer::new();
    let host = KeyHost::start(&issuer.jwks()).await;
    let builder = builder(Authentication::Token)
        .client(|client| client.base_url(host.url() + "/kiket"))
        .workspace_token("wk_canary");
    let extension = start(builder.on("issue.created", "v1", async || {}));
    let deliveries = (0..200).map(|number| {
        let id = number.to_string();
        let delivery = created(&id).runtime_token(issuer.sign(&claims(&id)));
        let extension = extension.clone();
        async move { extension.deliver(delivery).await.status() }
    });
    let local = tokio::task::LocalSet::new();
    let responses: Vec<_> = deliveries.map(|delivery| local.spawn_local(delivery)).collect();
    local
        .run_until(async {
            for response in responses {
                assert_eq!(response.await.unwrap(), 200);
            }
        })
        .await;
    let [asked] = &host.asked()[..] else { panic!("asked {} times", host.asked().len()) };
    assert!(asked.starts_with("GET /kiket/.well-known/jwks.json HTTP/1.1\r\n"), "{asked}");
    assert!(!asked.contains("wk_canary") && !asked.to_lowercase().contains("authorization"), "{asked}");
}

#[tokio::test]
async fn keys_that_a_delivery_brings_are_refused_and_not_fetched() {
    let (kiket, attacker) = (TokenIssuer::new(), TokenIssuer::new());
    let (host, trap) = (KeyHost::start(&kiket.jwks()).await, KeyHost::start(&attacker.jwks()).await);
    for allowed in [false, true] {
        let mut builder = builder(Authentication::Token)
            .client(|client| client.base_url(host.url()))
            .workspace_token("wk_canary");
        if allowed {
            // Even where calls may go, keys do not come from.
            builder = builder.client(|client| client.allowed_base_url(trap.url()));
        }
        let extension = start(builder.on("issue.created", "v1", async || {}));
        let forged = json!({
            "id": "d-1",
            "api": { "base_url": trap.url(), "runtime_header": "X-Kiket-Runtime-Token", "jwks_url": trap.url() },
            "authentication": { "token_type": "runtime", "runtime_token": attacker.sign(&claims("j-1")) },
        });
        check(&extension.deliver(delivery("issue.created", "v1", &forged)).await, 401, UNSIGNED);
        let header = json!({ "alg": "ES256", "jku": trap.url(), "x5u": trap.url(), "jwk": attacker.jwks()["keys"][0] });
        let token = attacker.sign_bytes(&header, claims("j-2").to_string().as_bytes());
        assert_ne!(extension.deliver(created("d-2").runtime_token(token)).await.status(), 200);
    }
    assert_eq!(trap.asked(), Vec::<String>::new(), "no connection is made");
    assert!(!host.asked().is_empty());
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_our_trouble_and_not_the_senders() {
    // A port without a listener: it was free a moment ago.
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let issuer = TokenIssuer::new();
    let nothing = KeyHost::start(&json!({ "keys": [] })).await;
    for url in [format!("http://{dead}"), nothing.url()] {
        let extension = |mode| {
            start(builder(mode).client(|client| client.base_url(&url)).on("issue.created", "v1", async || {}))
        };
        for mode in [Authentication::Token, Authentication::Both] {
            let response =
                extension(mode).deliver(created("d-1").runtime_token(issuer.sign(&claims("j-1")))).await;
            assert_eq!((response.status(), &response.json()["code"]), (503, &json!("keys_unavailable")));
            assert!(response.headers().get("retry-after").is_some());
        }
        // A signature is enough, and what depends on the token waits.
        let either = extension(Authentication::Either);
        let response = either.deliver(created("d-1").runtime_token(issuer.sign(&claims("j-1")))).await;
        assert_eq!(response.status(), 200);
    }
}

#[tokio::test]
async fn deferred_work_is_not_stored_without_its_token() {
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let handler = Handler::new("issue.created", "v1", async || {}).later(Later::new());
    let builder = builder(Authentication::Either).id("com.example.later").handler(handler);
    let extension = start(builder.client(|client| client.base_url(format!("http://{dead}"))));
    let response =
        extension.deliver(created("d-1").runtime_token(TokenIssuer::new().sign(&claims("j")))).await;
    assert_eq!((response.status(), &response.json()["code"]), (503, &json!("keys_unavailable")));
    assert!(response.headers().get("retry-after").is_some());
    assert!(extension.inbox().rows().await.is_empty());
    // Without a token there is nothing to wait for.
    assert_eq!(extension.deliver(created("d-1")).await.status(), 202);
}

#[tokio::test]
async fn a_token_may_come_again_with_what_an_attempt_changes() {
    use Authentication::{Both, Either, Token};

    let issuer = TokenIssuer::new();
    let token = issuer.sign(&claims("j-1"));
    let attempt = |id: &str, secret: &str| {
        let body =
            json!({ "id": id, "secrets": { "KEY": secret }, "secret_status": { "missing": [secret] } });
        delivery("issue.created", "v1", &body).runtime_token(token.clone())
    };
    // Where nothing signs the body, what changed may be forged: it does not run, and Kiket sends it again.
    for (mode, signed, status) in
        [(Both, true, 200), (Either, true, 200), (Either, false, 503), (Token, false, 503)]
    {
        let extension = knowing(&issuer, mode);
        let deliver = async |delivery: DeliveryBuilder| {
            let delivery = if signed { delivery } else { delivery.secret("another secret") };
            let response = extension.deliver(delivery).await;
            (response.status(), response.headers().get("x-kiket-replayed").is_some())
        };
        assert_eq!(deliver(attempt("d-1", "first")).await, (200, false), "{mode}");
        assert_eq!(deliver(attempt("d-1", "second")).await, (status, status == 200), "{mode} {signed}");
        assert_eq!(deliver(attempt("d-1", "first")).await, (200, true), "{mode} {signed}");
        // Either takes the signature of another delivery, and not the token.
        let other = if mode == Either && signed { 200 } else { 401 };
        assert_eq!(deliver(attempt("d-2", "first")).await.0, other, "{mode} {signed}");
    }
}

#[tokio::test]
async fn a_store_that_panics_is_down_for_tokens() {
    struct Panics;
    impl DedupeStore for Panics {
        fn begin<'s>(&'s self, _: &'s DedupeKey, _: Duration) -> StoreFuture<'s, BeginOutcome> {
            Box::pin(async { panic!("the store panics") })
        }
        fn commit<'s>(
            &'s self,
            _: &'s DedupeKey,
            _: &'s LeaseToken,
            _: &'s StoredReply,
            _: Duration,
        ) -> StoreFuture<'s, LeaseState> {
            Box::pin(async { panic!("the store panics") })
        }
        fn release<'s>(&'s self, _: &'s DedupeKey, _: &'s LeaseToken) -> StoreFuture<'s, LeaseState> {
            Box::pin(async { panic!("the store panics") })
        }
    }
    let issuer = TokenIssuer::new();
    for (run_without_store, status) in [(false, 503), (true, 200)] {
        let rules = TokenRules::new().keys(issuer.jwks().to_string());
        let builder = builder(Authentication::Token)
            .token_rules(rules)
            .dedupe(|dedupe| dedupe.store(Panics).run_without_store(run_without_store));
        let extension = start(builder.id("com.example.tokens").on("issue.created", "v1", async || {}));
        let response = extension.deliver(created("d-1").runtime_token(issuer.sign(&claims("j-1")))).await;
        assert_eq!(response.status(), status, "{}", response.text());
        if status == 503 {
            assert_eq!(response.json()["code"], "store_down");
        }
    }
}

#[tokio::test]
async fn who_hangs_up_while_keys_are_fetched_leaves_no_place_taken() {
    let issuer = TokenIssuer::new();
    // It takes connections, and says nothing.
    let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let builder = builder(Authentication::Token)
        .client(|client| client.base_url(format!("http://{}", host.local_addr().unwrap())));
    let extension = start(builder.concurrency_limit(1).on("issue.created", "v1", async || {}));
    let waits = |id: &str| extension.deliver(created(id).runtime_token(issuer.sign(&claims(id))));
    for number in 0..8 {
        let id = number.to_string();
        let mut waiting = Box::pin(waits(&id));
        let hung_up = std::future::poll_fn(|context| {
            std::task::Poll::Ready(waiting.as_mut().poll(context).is_pending())
        });
        assert!(hung_up.await);
    }
    // Were their places taken still, this would be 503.
    let expired = issuer.sign(&json!({ "iss": "kiket.dev", "exp": NOW, "jti": "j" }));
    check(&extension.deliver(created("d-1").runtime_token(expired)).await, 401, UNSIGNED);
}

#[tokio::test]
async fn a_delivery_that_waits_for_keys_in_a_drain_is_retried() {
    let issuer = TokenIssuer::new();
    let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let builder = builder(Authentication::Token)
        .client(|client| client.base_url(format!("http://{}", host.local_addr().unwrap())));
    let extension = start(builder.on("issue.created", "v1", async || {}));
    let delivery = created("d-1").runtime_token(issuer.sign(&claims("j-1")));
    let keys = async {
        let (mut stream, _) = host.accept().await.unwrap();
        // A response that comes before its request is none.
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        extension.extension().drain();
        let body = issuer.jwks().to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        stream
    };
    let (response, _stream) = tokio::join!(extension.deliver(delivery), keys);
    assert_eq!((response.status(), &response.json()["code"]), (503, &json!("draining")));
}

#[tokio::test]
async fn calls_of_a_delivery_carry_its_token_and_no_other() {
    async fn call(context: Context) -> Result<Json<Value>, kiket::HandlerError> {
        context.endpoints().log_event("seen", &json!({})).await?;
        Ok(Json(json!(context.endpoints().rate_limit().await?.limit)))
    }
    let platform =
        FakePlatform::builder().clock(Clock::fixed(NOW)).extension_id("com.example.m").start().unwrap();
    let extension = |mode| {
        let builder = platform
            .extension(Extension::builder())
            .authentication(mode)
            .telemetry(|telemetry| telemetry.enabled(false));
        start(builder.without_collected().without_manifest().on("issue.created", "v1", call))
    };
    let check = async |mode, delivery: DeliveryBuilder, bearer: Option<&str>, runtime: Option<&str>| {
        platform.forget_calls();
        let extension = extension(mode);
        let attempt = platform.deliver(&extension, delivery).await;
        assert_eq!(attempt.status, Some(200), "{mode} {attempt:?}");
        let events = platform.calls_to("POST", "/api/v1/extensions/com.example.m/events");
        let rate = platform.calls_to("GET", "/api/v1/ext/rate_limit");
        for made in [&events[0], &rate[0]] {
            assert_eq!(made.headers().get("authorization"), bearer, "{mode}");
            assert_eq!(made.headers().get("x-kiket-runtime-token"), runtime, "{mode}");
        }
        assert_eq!(rate[0].headers().get("x-kiket-api-key"), Some(platform.api_key()));
        // What belongs to no delivery calls as ever.
        platform.forget_calls();
        extension.extension().endpoints().log_event("later", &json!({})).await.unwrap();
        let later = &platform.calls()[0];
        assert_eq!(later.headers().get("authorization"), Some(&*format!("Bearer {}", platform.token())));
        assert_eq!(later.headers().get("x-kiket-runtime-token"), None);
    };
    let workspace = format!("Bearer {}", platform.token());
    let token = || platform.runtime_token(["issues:read"]);
    for mode in [Authentication::Token, Authentication::Both, Authentication::Either] {
        let token = token();
        check(mode, created("d-1").runtime_token(&token), None, Some(&token)).await;
    }
    check(Authentication::Either, created("d-1"), Some(&workspace), None).await;
    check(Authentication::Hmac, created("d-1").runtime_token(token()), Some(&workspace), None).await;
}

// 5.1, what a handler knows of it.

#[tokio::test]
async fn a_handler_knows_for_whom_it_acts_and_never_the_token() {
    async fn authenticated(context: Context) -> Json<Value> {
        let auth = context.auth();
        Json(json!({
            "shown": format!("{context:?} {auth:?}"),
            "auth": auth.map(|auth| json!({
                "verified": auth.is_verified(), "type": auth.token_type(), "scopes": auth.scopes(),
                "organization": auth.organization_id(), "extension": auth.extension_id(), "project": auth.project_id(),
                "expires": auth.expires_at().and_then(|at| Some(at.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())),
            })),
        }))
    }
    let issuer = TokenIssuer::new();
    let extension = |mode| {
        let rules = TokenRules::new().keys(issuer.jwks().to_string());
        start(builder(mode).token_rules(rules).on("issue.created", "v1", authenticated))
    };
    let token = issuer.sign(&claims("j-1"));
    let response = extension(Authentication::Both).deliver(created("d-1").runtime_token(&token)).await;
    let expected = json!({
        "verified": true, "type": "runtime", "scopes": ["issues:read"],
        "organization": "3", "extension": "7", "project": "27", "expires": NOW + 300,
    });
    assert_eq!(response.json()["auth"], expected);
    assert!(!response.text().contains(&token));

    // Where it is not verified, it says what the signed body says, and allows nothing.
    let body = json!({ "authentication": {
        "runtime_token": "rt_123", "token_type": "runtime", "expires_at": "2025-11-08T11:31:42Z", "scopes": ["project:27"],
    }});
    let response = extension(Authentication::Hmac).deliver(delivery("issue.created", "v1", &body)).await;
    let auth = &response.json()["auth"];
    assert_eq!((&auth["verified"], &auth["scopes"]), (&json!(false), &json!(["project:27"])));
    assert_eq!(auth["expires"], 1_762_601_502);
    assert!(!response.text().contains("rt_123"));
    assert_eq!(extension(Authentication::Hmac).deliver(created("d-1")).await.json()["auth"], Value::Null);
}

// 5.3.

struct SlackToken;

impl SecretKey for SlackToken {
    const KEY: &'static str = "SLACK_TOKEN";
}

const MANIFEST: &str = "
id: com.example.m
settings:
  - { key: SLACK_TOKEN, secret: true, required: true }
  - { key: CHANNEL, required: true }
";

fn with_manifest(variables: &[(&str, &str)]) -> (tempfile::TempDir, ExtensionBuilder) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("extension.yaml");
    std::fs::write(&path, MANIFEST).unwrap();
    let builder = builder(Authentication::Hmac).environment(variables.iter().copied()).manifest(path);
    (folder, builder)
}

#[tokio::test]
async fn a_secret_comes_from_the_delivery_then_from_the_environment() {
    async fn tell(context: Context, payload: Payload) -> Json<Value> {
        let secret = context.secret(payload["ask"].as_str().unwrap_or_default());
        Json(
            json!({ "secret": secret.map(|secret| secret.expose().to_owned()), "missing": context.missing_secrets() }),
        )
    }
    let variables = [
        ("KIKET_SECRET_SLACK_TOKEN", "by_prefix"),
        ("SLACK_TOKEN", "by_name"),
        ("CHANNEL", "declared"),
        ("HOME", "/root"),
        ("KIKET_SECRET_MY_KEY", "by_words"),
    ];
    let (_folder, builder) = with_manifest(&variables);
    let extension = start(builder.on("issue.created", "v1", tell));
    for (ask, brought, expected) in [
        ("SLACK_TOKEN", json!({ "SLACK_TOKEN": "brought" }), json!("brought")),
        ("SLACK_TOKEN", json!({ "SLACK_TOKEN": "" }), json!("by_prefix")),
        ("SLACK_TOKEN", json!({ "SLACK_TOKEN": 7 }), json!("by_prefix")),
        ("SLACK_TOKEN", json!(null), json!("by_prefix")),
        ("SLACK_TOKEN", json!(["brought"]), json!("by_prefix")),
        ("CHANNEL", json!({}), json!("declared")),
        ("my.key", json!({}), json!("by_words")),
        ("HOME", json!({}), json!(null)),
        ("KIKET_WEBHOOK_SECRET", json!({}), json!(null)),
        ("", json!({}), json!(null)),
    ] {
        // Deliveries of their own: secrets alone do not distinguish them.
        let (id, status) = (format!("{ask} {brought}"), json!({ "missing": ["SENTRY_DSN", 7] }));
        let body = json!({ "id": id, "ask": ask, "secrets": brought, "secret_status": status });
        let response = extension.deliver(delivery("issue.created", "v1", &body)).await.json();
        assert_eq!(response, json!({ "secret": expected, "missing": ["SENTRY_DSN"] }), "{ask} {brought}");
    }
}

#[tokio::test]
async fn a_missing_required_secret_is_named() {
    async fn use_it(token: RequiredSecret<SlackToken>) -> Json<usize> {
        Json(token.expose().len())
    }
    let (_folder, builder) = with_manifest(&[]);
    let extension = start(builder.on("issue.created", "v1", use_it));
    let warnings =
        extension.extension().report().warnings.iter().map(ToString::to_string).collect::<String>();
    for part in [
        "`SLACK_TOKEN`, which the environment does not have",
        "set `KIKET_SECRET_SLACK_TOKEN`",
        "the setting `CHANNEL`",
    ] {
        assert!(warnings.contains(part), "{warnings}");
    }
    let response = extension.deliver(created("d-1")).await;
    assert_eq!((response.status(), &response.json()["code"]), (500, &json!("secret_missing")));
    assert!(
        response.text().contains("the secret `SLACK_TOKEN` is missing")
            && response.text().contains("KIKET_SECRET_SLACK_TOKEN")
    );
    let brought = json!({ "secrets": { "SLACK_TOKEN": "xoxb" } });
    check(&extension.deliver(delivery("issue.created", "v1", &brought)).await, 200, "4");

    let (_folder, builder) = with_manifest(&[]);
    assert!(TestExtension::new(builder.strict(true).on("issue.created", "v1", use_it)).is_err());
    let (_folder, builder) = with_manifest(&[("KIKET_SECRET_SLACK_TOKEN", "xoxb")]);
    let strict = builder.strict(true).setting("CHANNEL", "general");
    let errors =
        TestExtension::new(strict.on("issue.created", "v1", use_it)).err().map(|error| error.to_string());
    assert!(errors.as_ref().is_none_or(|error| !error.contains("SLACK_TOKEN")), "{errors:?}");
}

#[tokio::test]
async fn tokens_and_secrets_of_a_delivery_are_not_printed() {
    let issuer = TokenIssuer::new();
    let token = issuer.sign(&claims("j-1"));
    let (seen, records) = std::sync::mpsc::channel();
    let leaked = Arc::new(token.clone());
    let rules = TokenRules::new().keys(issuer.jwks().to_string());
    let builder = builder(Authentication::Both).webhook_secret(SECRET).token_rules(rules);
    let builder = builder.feedback(move |record| drop(seen.send(record.clone())));
    let extension = start(builder.on("issue.created", "v1", move |context: Context| {
        let leaked = Arc::clone(&leaked);
        async move {
            let secret = context.secret("KEY").unwrap();
            Err::<(), _>(Error::permanent(format!("cannot use {} with {leaked}", secret.expose())))
        }
    }));
    let body = json!({ "id": "d-1", "secrets": { "KEY": "brought_canary" } });
    let response = extension.deliver(delivery("issue.created", "v1", &body).runtime_token(token)).await;
    assert_eq!((response.status(), &response.json()["error"]), (422, &json!("cannot use … with …")));
    extension.extension().flush(Duration::from_secs(30)).await;
    let record = records.recv().unwrap();
    assert_eq!(
        (record.status, record.error_message.as_deref()),
        (RecordStatus::Error, Some("cannot use … with …"))
    );
}

#[tokio::test]
async fn a_secret_of_several_lines_is_not_printed_either() {
    #[derive(Debug, serde::Deserialize)]
    struct Numbers {
        #[allow(dead_code)] // what is wrong with it is of interest
        secrets: std::collections::BTreeMap<String, u64>,
    }
    async fn count(_: Payload<Numbers>) {}
    async fn quote(context: Context) -> Result<(), Error> {
        let key = context.secret("KEY").unwrap();
        Err(Error::permanent(format!("no key: {:?}", key.expose())))
    }
    let builder = builder(Authentication::Hmac).webhook_secret(SECRET);
    let extension = start(builder.on("a.count", "v1", count).on("a.quote", "v1", quote));
    let body = json!({ "secrets": { "KEY": "-----BEGIN KEY-----\ncanary \"1\" \\\n-----END KEY-----\n" } });
    for (event, error) in
        [("a.count", "secrets.KEY: invalid type: string \"…\", expected u64"), ("a.quote", "no key: \"…\"")]
    {
        let response = extension.deliver(delivery(event, "v1", &body)).await;
        assert_eq!(response.json()["error"], error, "{}", response.text());
    }
}

// What is said at the start.

#[test]
fn the_mode_is_configured_and_said() {
    let build = |variables: &[(&str, &str)]| {
        let builder =
            Extension::builder().without_collected().without_manifest().on("a.b", "v1", async || {});
        let number = ("KIKET_EXTENSION_NUMBER", "7");
        builder.environment(variables.iter().copied().chain([number])).build()
    };
    // Without signatures no secret is needed for them.
    let extension = build(&[("KIKET_AUTHENTICATION", "Token")]).unwrap();
    assert_eq!(extension.config().authentication(), Authentication::Token);
    assert!(extension.report().to_string().contains("BODIES ARE NOT SIGNED"), "{}", extension.report());
    let error = build(&[("KIKET_AUTHENTICATION", "both")]).unwrap_err().to_string();
    assert!(error.contains("there is no webhook secret"), "{error}");
    let error =
        build(&[("KIKET_AUTHENTICATION", "jwt"), ("KIKET_WEBHOOK_SECRET", "s")]).unwrap_err().to_string();
    assert!(error.contains("`KIKET_AUTHENTICATION` is not a mode") && error.contains("`either`"), "{error}");
    let hmac = build(&[("KIKET_WEBHOOK_SECRET", "s")]).unwrap();
    assert_eq!(hmac.config().authentication(), Authentication::Hmac);

    let rules = TokenRules::new().leeway(Duration::from_secs(61)).keys("{}");
    let builder = builder(Authentication::Token).token_rules(rules).on("a.b", "v1", async || {});
    let error = builder.build().unwrap_err();
    assert_eq!(error.problems().len(), 2, "{error}");
}
