//! Extensions that are pointed at the fake platform, and deliveries to them.

use crate::platform::tests::*;

#[test]
fn an_extension_is_pointed_at_the_platform() {
    let platform =
        FakePlatform::builder().extension_id("com.example.x").clock(Clock::fixed(5)).start().unwrap();
    let builder = || Extension::builder().on("issue.created", "v1", async || Reply::ok());
    let extension = TestExtension::new(platform.extension(builder())).unwrap();
    let config = extension.extension().config();
    assert_eq!(config.base_url(), platform.url());
    assert_eq!(config.workspace_token().map(Secret::expose), Some(platform.token()));
    assert_eq!(config.extension_api_key().map(Secret::expose), Some(platform.api_key()));
    assert_eq!(config.webhook_secrets()[0].expose(), SECRET);
    assert_eq!((config.extension_id(), extension.clock().unix_seconds()), (Some("com.example.x"), 5));
    let named = platform.extension(builder().id("own"));
    assert_eq!(TestExtension::new(named).unwrap().extension().id(), Some("own"));
}

#[tokio::test]
async fn an_extension_has_the_clock_of_the_platform_unless_it_has_one() {
    let builder = || Extension::builder().on("issue.created", "v1", async || Reply::ok());
    for (platform, moves) in [(FakePlatform::start(), false), (platform(), true)] {
        let own = TestExtension::new(platform.extension(builder().clock(Clock::fixed(7)))).unwrap();
        assert_eq!(own.clock().unix_seconds(), 7);
        let extension = TestExtension::new(platform.extension(builder())).unwrap();
        let before = extension.clock().unix_seconds();
        assert!(before.abs_diff(platform.clock().unix_seconds()) <= 1);
        platform.clock().advance(Duration::from_secs(1000));
        assert_eq!(extension.clock().unix_seconds() >= before + 1000, moves);
    }
    // Without a platform it is the test's own.
    assert_eq!(TestExtension::new(builder()).unwrap().clock().unix_seconds(), NOW);
}

#[tokio::test]
async fn a_runtime_token_holds_by_the_system_clock() {
    let platform = FakePlatform::start();
    let builder = platform.extension(Extension::builder()).authentication(Authentication::Both);
    let builder = builder.on("issue.created", "v1", async || Reply::ok());
    let extension = TestExtension::new(builder).unwrap();
    let delivery = || delivery("issue.created", "v1", &json!({ "id": "e1" }));
    let accepted = delivery().runtime_token(platform.runtime_token(["*"]));
    assert_eq!(platform.deliver(&extension, accepted).await.status, Some(200));
    // No response has the cause of a refusal, and the test kit knows it.
    let forged = extension.deliver(delivery().secret("other")).await;
    assert_eq!(
        (forged.status(), forged.refusal().and_then(|cause| cause.split_once(": "))),
        (401, Some(("signature_mismatch", SignatureError::SignatureMismatch.to_string().as_str())))
    );
    assert!(!forged.text().contains("mismatch"), "{forged:?}");
    for part in ["invalid signature", "signature_mismatch"] {
        assert!(format!("{forged:?}").contains(part), "{forged:?}");
    }
    let refused = extension.deliver(delivery().runtime_token("x.y.z")).await;
    assert!(refused.refusal().is_some_and(|cause| cause.starts_with("token_")), "{refused:?}");
    let missing = extension.deliver(delivery()).await;
    assert!(missing.refusal().is_some_and(|cause| cause.starts_with("token_missing: ")), "{missing:?}");
    assert_eq!(extension.get("/health").await.refusal(), None);
}

/// An extension whose handler responds with these statuses in turn, then with 200.
fn failing(platform: &FakePlatform, statuses: &'static [u16]) -> TestExtension {
    let attempts = Arc::new(AtomicUsize::new(0));
    let handler = move |_: Payload| {
        let attempts = Arc::clone(&attempts);
        async move {
            let attempt = attempts.fetch_add(1, Ordering::Relaxed);
            match statuses.get(attempt).copied().unwrap_or(200) {
                200 => Ok(Reply::ok()),
                500 => Err(HandlerError::retry("down")),
                503 => Err(HandlerError::retry_after(Duration::from_secs(7), "busy")),
                504 => {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                    Ok(Reply::ok())
                }
                status => Err(HandlerError::reject(http::StatusCode::from_u16(status).unwrap(), "no")),
            }
        }
    };
    TestExtension::new(platform.extension(Extension::builder()).on("issue.created", "v1", handler)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn deliveries_are_repeated_by_the_schedule() {
    #[track_caller]
    fn check(attempts: &[Attempt], expected: &[(u64, u16)]) {
        let found: Vec<_> =
            attempts.iter().map(|attempt| (attempt.at - NOW, attempt.status.unwrap())).collect();
        assert_eq!(found, expected);
    }
    let payload = json!({ "id": "evt_1" });
    let deliver = async |statuses| {
        let platform = platform();
        let extension = failing(&platform, statuses);
        platform.deliver_with_retries(&extension, delivery("issue.created", "v1", &payload)).await
    };
    check(&deliver(&[]).await, &[(0, 200)]);
    check(&deliver(&[500, 503, 429]).await, &[(0, 500), (30, 503), (90, 429), (390, 200)]);
    check(&deliver(&[504]).await, &[(0, 504), (30, 200)]);
    check(&deliver(&[422]).await, &[(0, 422)]);
    check(&deliver(&[500, 404, 500]).await, &[(0, 500), (30, 404)]);
    let never = [(0, 500), (30, 500), (90, 500), (390, 500), (2190, 500), (9390, 500), (38190, 500)];
    check(&deliver(&[500; 9]).await, &never);
}

#[tokio::test]
async fn one_delivery_is_signed_with_the_platforms_secret() {
    let platform = FakePlatform::builder().webhook_secret("own").start().unwrap();
    let extension = failing(&platform, &[]);
    let payload = json!({ "id": 1 });
    assert_eq!(
        platform.deliver(&extension, delivery("issue.created", "v1", &payload)).await.status,
        Some(200)
    );
    let other = FakePlatform::start();
    assert_eq!(other.deliver(&extension, delivery("issue.created", "v1", &payload)).await.status, Some(401));
}

#[tokio::test]
async fn deliveries_go_over_http_too() {
    let platform = platform();
    let builder = platform.extension(Extension::builder()).without_manifest().without_collected();
    let builder =
        builder
            .http(|http| http.port(0).prefix("/kiket").workers(1))
            .on("issue.created", "v1", async || Reply::ok());
    let server = builder.build().unwrap().bind().unwrap();
    let (address, handle) = (server.addresses()[0], server.handle());
    let running = tokio::spawn(server.run());
    let url = format!("http://{address}/kiket");
    let payload = json!({ "id": 1 });
    let attempt = platform.deliver_to(&url, delivery("issue.created", "v1", &payload)).await;
    assert_eq!((attempt.status, attempt.at), (Some(200), NOW));
    assert_eq!(attempt.response.unwrap().json(), json!({ "ok": true }));
    let unknown = platform.deliver_to_with_retries(&url, delivery("issue.closed", "v1", &payload)).await;
    assert_eq!((unknown.len(), unknown[0].status), (1, Some(404)));
    handle.stop();
    running.await.unwrap().unwrap();
    // The sender has hung up.
    let attempts = platform.deliver_to_with_retries(&url, delivery("issue.created", "v1", &payload)).await;
    assert_eq!(attempts.iter().filter(|attempt| attempt.status.is_none()).count(), 7);
    assert_eq!(platform.clock().unix_seconds(), NOW + 38_190);
}

#[tokio::test]
#[should_panic(expected = "`https://example.com` is not like `http://127.0.0.1:8000`")]
async fn deliveries_stay_on_this_machine() {
    platform().deliver_to("https://example.com", delivery("issue.created", "v1", &json!({}))).await;
}
