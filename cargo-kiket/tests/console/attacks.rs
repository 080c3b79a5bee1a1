//! Others than the page try to read and to act: another name, another origin, another port, without the token.

use serde_json::json;

use crate::world::{Received, World, request};

/// No response has a header that lets another origin read it, and each forbids frames and what is not in the page.
#[track_caller]
fn is_closed(response: &Received) {
    for name in
        ["access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-headers"]
    {
        assert_eq!(response.header(name), None, "{response:?}");
    }
    let policy = response.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "script-src 'sha256-",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert_eq!(response.header("x-frame-options"), Some("DENY"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

const PATHS: [&str; 8] = [
    "/",
    "/api/events",
    "/api/deliveries/1",
    "/api/search?q=a",
    "/api/form",
    "/api/export",
    "/api/inbox",
    "/api/diff?a=1&b=1",
];

#[test]
fn another_host_name_is_refused_for_every_path() {
    let world = World::new();
    world.documented("issue.created", "evt_1");
    let session = world.session();
    let port = world.address().port();
    let hosts = [
        format!("rebound.example:{port}"),
        "127.0.0.1".to_owned(),
        format!("127.0.0.1:{}", port ^ 1),
        format!("0.0.0.0:{port}"),
        format!("127.0.0.1.nip.io:{port}"),
        String::new(),
    ];
    for path in PATHS {
        for host in &hosts {
            let [cookie, proof] = session.headers();
            let response = request(world.address(), "GET", path, &[cookie, proof, ("host", host)], "");
            assert_eq!(response.status, 421, "{path} {host}");
            assert!(!String::from_utf8_lossy(&response.body).contains("evt_1"));
            is_closed(&response);
        }
    }
    let localhost = format!("localhost:{port}");
    let [cookie, proof] = session.headers();
    let response = request(world.address(), "GET", "/api/export", &[cookie, proof, ("host", &localhost)], "");
    assert_eq!(response.status, 200);
}

#[test]
fn another_origin_is_refused_for_every_path() {
    let world = World::new();
    let session = world.session();
    let port = world.address().port();
    let origins = [
        "https://evil.example".to_owned(),
        "null".to_owned(),
        // A page of another server on this machine has the same site, and gets the cookie.
        format!("http://127.0.0.1:{}", port ^ 1),
        format!("http://localhost:{port}"),
    ];
    let [cookie, proof] = session.headers();
    for path in PATHS {
        for origin in &origins {
            let response = request(world.address(), "GET", path, &[cookie, proof, ("origin", origin)], "");
            assert_eq!(response.status, 403, "{path} {origin}");
            is_closed(&response);
        }
        if path != "/" {
            for site in ["same-site", "cross-site"] {
                let response =
                    request(world.address(), "GET", path, &[cookie, proof, ("sec-fetch-site", site)], "");
                assert_eq!(response.status, 403, "{path} {site}");
            }
        }
    }
    // A browser asks before it sends the header for another origin.
    let preflight = [
        ("origin", "https://evil.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "x-kiket-console"),
    ];
    let response = request(world.address(), "OPTIONS", "/api/send", &preflight, "");
    assert_eq!(response.status, 403);
    is_closed(&response);
}

#[test]
fn without_both_halves_of_the_session_nothing_is_read() {
    let world = World::new();
    world.documented("issue.created", "evt_1");
    let session = world.session();
    let [cookie, proof] = session.headers();
    for headers in
        [&[][..], &[cookie], &[proof], &[("x-kiket-console", "1"), cookie], &[proof, ("cookie", "a=b")]]
    {
        for path in &PATHS[1..] {
            let response = request(world.address(), "GET", path, headers, "");
            assert_eq!(response.status, 401, "{path} {headers:?}");
            is_closed(&response);
        }
    }
    // The page itself is the same for everyone.
    let page = request(world.address(), "GET", "/", &[], "");
    assert_eq!(page.status, 200);
    is_closed(&page);
    let text = String::from_utf8(page.body).unwrap();
    assert!(text.contains("<main") && !text.contains("evt_1") && !text.contains("{{"));
}

#[test]
fn the_token_is_exchanged_by_the_page_alone() {
    let world = World::new();
    let token = world.console().url().split('#').nth(1).unwrap().to_owned();
    let body = json!({ "token": token }).to_string();
    let (own, kind) = (("x-kiket-console", "1"), ("content-type", "application/json"));
    let exchange = |headers: &[(&str, &str)], body: &str| {
        let response = request(world.address(), "POST", "/api/session", headers, body);
        is_closed(&response);
        assert_eq!(response.status == 200, response.header("set-cookie").is_some());
        response.status
    };
    assert_eq!(exchange(&[own, kind], &body), 200);
    // As a form would send it, from a foreign page, with another token, without any.
    assert_eq!(
        exchange(&[("content-type", "application/x-www-form-urlencoded")], &format!("token={token}")),
        415
    );
    assert_eq!(exchange(&[("content-type", "text/plain"), own], &body), 415);
    assert_eq!(exchange(&[kind], &body), 403);
    assert_eq!(exchange(&[own, kind, ("origin", "http://evil.example")], &body), 403);
    assert_eq!(exchange(&[own, kind], r#"{"token":"0"}"#), 401);
    assert_eq!(exchange(&[own, kind], "{}"), 401);
    let by_get = request(world.address(), "GET", &format!("/api/session?token={token}"), &[own], "");
    assert_eq!(by_get.status, 401);
    let cookie = request(world.address(), "POST", "/api/session", &[own, kind], &body);
    let cookie = cookie.header("set-cookie").unwrap();
    assert!(
        cookie.contains("; SameSite=Strict") && cookie.contains("; HttpOnly") && !cookie.contains(&token),
        "{cookie}"
    );
}

#[test]
fn actions_are_posts_of_the_page() {
    let world = World::new();
    let id = world.documented("issue.created", "evt_1");
    let session = world.session();
    let id = serde_json::to_value(id).unwrap();
    let actions = [
        ("/api/send", json!({ "of": id })),
        ("/api/save", json!({ "id": id, "name": "a" })),
        ("/api/clear", json!({})),
    ];
    let [cookie, proof] = session.headers();
    let kind = ("content-type", "application/json");
    for (path, body) in &actions {
        let body = body.to_string();
        for (method, headers, status) in [
            ("GET", &[cookie, proof, kind][..], 404),
            ("PUT", &[cookie, proof, kind], 405),
            ("POST", &[cookie, kind], 401),
            ("POST", &[proof, kind], 401),
            ("POST", &[cookie, proof, ("content-type", "text/plain")], 415),
            ("POST", &[cookie, proof, kind, ("origin", "http://evil.example")], 403),
            ("POST", &[cookie, proof, kind, ("sec-fetch-site", "same-site")], 403),
        ] {
            if *path == "/api/clear" && status == 415 {
                continue; // it has no body to be of another type
            }
            let response = request(world.address(), method, path, headers, &body);
            assert_eq!(response.status, status, "{method} {path} {headers:?}");
            is_closed(&response);
        }
    }
    // None of them did anything.
    let deliveries = session.events("", |_| true);
    assert_eq!(deliveries["deliveries"].as_array().unwrap().len(), 1);
    assert_eq!(std::fs::read_dir(world.proxy.folder.path()).unwrap().count(), 0);
    for (path, body) in &actions {
        assert_eq!(session.post(path, body).status, 200, "{path}");
    }
}

#[test]
fn a_frame_is_refused_and_a_link_is_not() {
    let world = World::new();
    for (destination, status) in
        [("iframe", 403), ("frame", 403), ("embed", 403), ("object", 403), ("script", 403), ("document", 200)]
    {
        let headers = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", destination),
        ];
        assert_eq!(request(world.address(), "GET", "/", &headers, "").status, status, "{destination}");
    }
}

#[test]
fn what_comes_through_a_tunnel_is_refused() {
    let world = World::new();
    let session = world.session();
    let [cookie, proof] = session.headers();
    for name in ["x-forwarded-for", "x-forwarded-host", "forwarded", "via", "cf-connecting-ip"] {
        let response =
            request(world.address(), "GET", "/api/export", &[cookie, proof, (name, "10.0.0.1")], "");
        assert_eq!(response.status, 403, "{name}");
    }
}

#[test]
fn it_listens_on_the_loopback_address_alone() {
    let world = World::new();
    assert!(world.address().ip().is_loopback());
}

#[test]
fn names_of_captures_stay_in_their_folder() {
    let world = World::new();
    let id = serde_json::to_value(world.documented("issue.created", "evt_1")).unwrap();
    let session = world.session();
    for name in ["", "../a", "a/b", "/etc/a", "..", ".a", "a b", "a\\b", "ä", "a\0", &"a".repeat(81)] {
        let response = session.post("/api/save", &json!({ "id": id, "name": name }));
        assert_eq!(response.status, 422, "{name}: {response:?}");
    }
    assert_eq!(
        session.post("/api/save", &json!({ "id": id, "name": "first.json" })).json()["path"],
        "captures/first.json"
    );
    // What is there is not replaced.
    assert_eq!(session.post("/api/save", &json!({ "id": id, "name": "first" })).status, 422);
}
