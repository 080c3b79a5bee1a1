//! Which calls are let in: paths, credentials, the rate window and idempotency keys.

use crate::platform::tests::*;

#[test]
fn a_runtime_token_opens_what_the_workspace_token_opens() {
    let platform = platform();
    let order = |body: &Value| ask("POST", "/runtime_tokens").json(body);
    let given = order(&json!({ "scopes": ["issues:read"] })).check(&platform, 201).json();
    let token = given["runtime_token"].as_str().unwrap();
    assert_eq!((token.split('.').count(), &given["expires_in"]), (3, &json!(300)));
    assert_eq!(ask("GET", "/.well-known/jwks.json").check(&platform, 200).json(), platform.jwks());
    check_invalid(&platform, &order(&json!({ "scope": [] })), &json!({ "body": ["has unknown members"] }));
    check_invalid(
        &platform,
        &order(&json!({ "scopes": "all" })),
        &json!({ "scopes": ["must be a list of texts"] }),
    );

    let with =
        |token: &str| ask("GET", SECRETS).without("Authorization").header("x-kiket-runtime-token", token);
    with(token).check(&platform, 200);
    with("another").check(&platform, 401);
    ask("POST", "/runtime_tokens").without("Authorization").json(&json!({})).check(&platform, 401);
    platform.clock().advance(Duration::from_secs(300));
    with(token).check(&platform, 401);
}

#[test]
fn unknown_paths_and_wrong_methods_are_distinguished() {
    let platform = platform();
    for path in
        ["/", "/api/v1", "/api/v1/extensions", "/api/v1/extensions/", "/api/v2/ext/rate_limit", "//telemetry"]
    {
        ask("GET", path).check(&platform, 404);
    }
    for (method, path, allow) in [
        ("PUT", format!("{SECRETS}/A"), "GET, POST, PATCH, DELETE"),
        ("DELETE", CONTACTS.to_owned(), "GET, POST"),
        ("POST", RATE.to_owned(), "GET"),
        ("POST", ANCHORS.to_owned(), "GET"),
        ("GET", "/api/v1/audit/verify".to_owned(), "POST"),
        ("GET", RAW_EVENTS.to_owned(), "POST"),
        ("POST", format!("{RAW_EVENTS}/claim"), "GET"),
    ] {
        assert_eq!(ask(method, &path).check(&platform, 405).header("allow"), Some(allow));
    }
}

#[test]
fn tokens_and_keys_are_checked_where_the_contract_wants_them() {
    #[track_caller]
    fn check(path: &str, token: Option<&str>, key: Option<&str>, status: u16) {
        let platform = platform();
        let mut ask = ask("GET", path).without("Authorization").without("X-Kiket-API-Key");
        if let Some(token) = token {
            ask = ask.header("Authorization", token);
        }
        if let Some(key) = key {
            ask = ask.header("X-Kiket-API-Key", key);
        }
        let response = ask.check(&platform, status);
        if status == 401 {
            assert!(response.json()["error"].is_string());
            assert_eq!(platform.calls()[0].status(), Some(401));
            assert_eq!(response.header("x-ratelimit-remaining"), Some("600"));
        }
    }
    let (token, key) = ("Bearer kiket_test_token", "kiket_test_api_key");
    check(SECRETS, Some(token), None, 200);
    check(SECRETS, Some(token), Some(key), 200);
    check(SECRETS, None, None, 401);
    check(SECRETS, None, Some(key), 401);
    check(SECRETS, Some("Bearer wrong"), None, 401);
    check(SECRETS, Some("kiket_test_token"), None, 401);
    check(SECRETS, Some(token), Some("wrong"), 401);
    check(RATE, Some(token), Some(key), 200);
    check(RATE, None, Some(key), 200);
    check(RATE, Some(token), None, 401);
    check(RATE, Some("Bearer wrong"), Some(key), 401);
    check(RATE, None, Some("wrong"), 401);
    check(RATE, None, None, 401);
}

#[test]
fn ingestion_has_credentials_of_its_own() {
    #[track_caller]
    fn check(path: &str, headers: &[(&'static str, &str)], status: u16) {
        let ask = ask("GET", path).without("Authorization").without("X-Kiket-API-Key");
        headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value)).check(&platform(), status);
    }
    let claim = format!("{RAW_EVENTS}/claim");
    let (key, organization) = (("X-API-Key", "kiket_test_ingestion_key"), ("X-Organization-Id", "org_test"));
    let token = ("Authorization", "Bearer kiket_test_token");
    check(&claim, &[key, organization], 200);
    check(&claim, &[key, organization, token], 200);
    check(&claim, &[], 401);
    check(&claim, &[key], 401);
    check(&claim, &[organization], 401);
    check(&claim, &[token, ("X-Kiket-API-Key", "kiket_test_api_key")], 401);
    check(&claim, &[key, key, organization], 401);
    check(&claim, &[key, organization, organization], 401);
    check(&claim, &[("X-API-Key", "wrong"), organization], 401);
    check(&claim, &[key, ("X-Organization-Id", "wrong")], 401);
    check(&claim, &[key, organization, ("Authorization", "Bearer wrong")], 401);
    check(ANCHORS, &[token], 200);
    check(ANCHORS, &[key, organization], 401);
    check(ANCHORS, &[token, ("X-API-Key", "wrong")], 401);
}

#[test]
fn repeated_credentials_are_refused() {
    let platform = platform();
    ask("GET", SECRETS).header("Authorization", "Bearer kiket_test_token").check(&platform, 401);
    ask("GET", RATE).header("X-Kiket-API-Key", "kiket_test_api_key").check(&platform, 401);
}

#[test]
fn the_rate_window_is_on_the_clock_and_in_every_response() {
    let clock = Clock::fixed(NOW);
    let builder = FakePlatform::builder().clock(clock.clone()).rate_limit(3, Duration::from_secs(60));
    let platform = builder.start().unwrap();
    let left = |response: &Received| response.header("x-ratelimit-remaining").unwrap().to_owned();
    assert_eq!(left(&ask("GET", SECRETS).check(&platform, 200)), "2");
    assert_eq!(left(&ask("GET", &format!("{SECRETS}/A")).check(&platform, 404)), "1");
    clock.advance(Duration::from_secs(18));
    let rate = ask("GET", RATE).check(&platform, 200).json();
    let expected = json!({ "limit": 3, "remaining": 0, "window_seconds": 60, "reset_in": 42 });
    assert_eq!(rate, json!({ "rate_limit": expected }));
    let refused = ask("GET", SECRETS).check(&platform, 429);
    assert_eq!(refused.json()["error"], "Rate limit exceeded");
    assert_eq!(refused.json()["retry_after"], 42);
    assert_eq!(refused.header("retry-after"), Some("42"));
    assert_eq!(refused.header("x-ratelimit-limit"), Some("3"));
    assert_eq!(refused.header("x-ratelimit-reset"), Some("42"));
    // How long to wait may still be asked.
    ask("GET", RATE).check(&platform, 200);
    clock.advance(Duration::from_secs(42));
    assert_eq!(left(&ask("GET", SECRETS).check(&platform, 200)), "2");
    platform.set_rate_remaining(0);
    ask("GET", SECRETS).check(&platform, 429);
    platform.set_rate_limit(1, Duration::from_secs(1));
    ask("GET", SECRETS).check(&platform, 200);
}

#[test]
fn every_response_has_a_request_id_of_its_own() {
    let platform = platform();
    platform.fail(Failure::status(500).times(1));
    let ids = ["/x", RATE, SECRETS]
        .map(|path| ask("GET", path).send(&platform).header("x-request-id").expect("an id").to_owned());
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
}

#[test]
fn an_idempotency_key_replays_the_response_without_effect() {
    let platform = platform();
    let contacts = format!("{CONTACTS}?project_id=7");
    let create = |email: &str, key: &str| {
        ask("POST", &contacts).json(&json!({ "record": { "email": email } })).header("Idempotency-Key", key)
    };
    let first = create("a", "k1").check(&platform, 201);
    assert_eq!(first.header("idempotent-replayed"), None);
    let again = create("a", "k1").check(&platform, 201);
    assert_eq!((again.header("idempotent-replayed"), again.json()), (Some("true"), first.json()));
    assert_eq!(create("b", "k2").check(&platform, 201).json()["data"]["id"], 2);
    assert_eq!(create("b", "k1").check(&platform, 422).json()["code"], "idempotency_key_reused");
    assert_eq!(platform.records("crm", "contacts").len(), 2);
    // A redelivery makes its calls at another time.
    for (second, replayed) in [(1, None), (2, Some("true"))] {
        let event =
            json!({ "event": "e", "version": "v1", "timestamp": format!("2026-01-17T10:30:0{second}Z") });
        let log = ask("POST", "/api/v1/extensions/com.example.x/events").json(&event);
        let response = log.header("Idempotency-Key", "k4").send(&platform);
        assert_eq!((response.status < 300, response.header("idempotent-replayed")), (true, replayed));
    }
    // Nothing was carried out: the key is still free.
    platform.fail(Failure::status(503).times(1));
    create("c", "k3").check(&platform, 503);
    assert_eq!(create("c", "k3").check(&platform, 201).header("idempotent-replayed"), None);
    // A method that is idempotent anyway has no use for a key.
    for _ in 0..2 {
        let list = ask("GET", &contacts).header("Idempotency-Key", "k1").check(&platform, 200);
        assert_eq!(list.header("idempotent-replayed"), None);
    }
}

#[test]
fn an_effect_whose_response_was_lost_is_found_by_its_key() {
    let platform = platform();
    let contacts = format!("{CONTACTS}?project_id=7");
    for (key, failure) in [("a", Failure::status(502).with_effect()), ("b", Failure::close().with_effect())] {
        let create = ask("POST", &contacts).json(&json!({ "record": {} })).header("Idempotency-Key", key);
        platform.fail(failure.times(1));
        create.raw(&platform);
        assert_eq!(create.check(&platform, 201).header("idempotent-replayed"), Some("true"));
    }
    assert_eq!(platform.records("crm", "contacts").len(), 2);
}
