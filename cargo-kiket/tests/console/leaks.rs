//! Canaries in every place of secrets: no byte of them in any response of the console, nor in what it saves.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use base64ct::{Base64, Base64Url, Encoding as _};
use cargo_kiket::console::{Arrival, Build, End, Level, Notice, Origin, ResponseSeen};
use kiket_runtime::Headers;
use kiket_testing::delivery;
use serde_json::{Value, json};

use crate::world::{SECRET, World, now};

/// What stands in the places of secrets. Each has letters that JSON, URLs and base64 write in another way.
const CANARIES: [&str; 9] = [
    "canary_env/one\"=x+1",
    "canary_delivered/two\"=x+2",
    "canary_runtime.token/three+3",
    "canary_header_four_4",
    "canary_access_five_5",
    "canary_stored/six\"=x+6",
    "canary_password_seven_7",
    "canary_log/eight\"=x+8",
    SECRET,
];

fn percent(text: &str, upper: bool) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let _ = match (plain, upper) {
            (true, _) => write!(out, "{}", char::from(byte)),
            (false, true) => write!(out, "%{byte:02X}"),
            (false, false) => write!(out, "%{byte:02x}"),
        };
        out
    })
}

/// A canary in all the forms in which texts quote it.
fn forms(canary: &str) -> Vec<String> {
    let quoted = serde_json::to_string(canary).unwrap();
    let mut forms = vec![
        canary.to_owned(),
        quoted[1..quoted.len() - 1].to_owned(),
        percent(canary, true),
        percent(canary, false),
    ];
    for before in ["", "u:", "user:x"] {
        let text = format!("{before}{canary}");
        for encoded in [Base64::encode_string(text.as_bytes()), Base64Url::encode_string(text.as_bytes())] {
            // The digits at the ends have bits of what is around.
            let from = before.len().div_ceil(3) * 4;
            forms.push(encoded.trim_end_matches('=')[from..].to_owned());
        }
    }
    forms
}

/// A text that quotes the canary in every form.
fn quoting(canary: &str) -> String {
    let quoted = serde_json::to_string(canary).unwrap();
    format!(
        "plain {canary} json {} percent {} {} base64 {} {} basic {}",
        &quoted[1..quoted.len() - 1],
        percent(canary, true),
        percent(canary, false),
        Base64::encode_string(canary.as_bytes()),
        Base64Url::encode_string(canary.as_bytes()),
        Base64::encode_string(format!("u:{canary}").as_bytes()),
    )
}

#[track_caller]
fn has_none(place: &str, text: &str) {
    for canary in CANARIES {
        for form in forms(canary) {
            assert!(!text.contains(&form), "{place} has {form} of {canary}");
        }
        // No part of the random half either, also not as half of a text that was cut.
        let stem = &canary[..14];
        assert!(!text.contains(stem), "{place} has the beginning of {canary}: {}", around(text, stem));
    }
}

fn around(text: &str, part: &str) -> String {
    let at = text.find(part).unwrap_or_default();
    let letters = text[at..].chars().take(160);
    letters.collect()
}

/// A body with a canary in each place where deliveries have secrets, and quoted elsewhere.
fn body(id: &str) -> Value {
    let [env, delivered, token, _, access, _, password, ..] = CANARIES;
    json!({
        "id": id,
        "event": "issue.created",
        "issue": { "id": 1, "title": "A title", "note": quoting(delivered), "more": quoting(env), env: [delivered] },
        "authentication": { "runtime_token": token, "token_type": "runtime", "scopes": ["issues:read"] },
        "secrets": { "SLACK_TOKEN": delivered, "pin": "ab" },
        "config": { "access_token": access, "db_password": password, "quoted": [quoting(access), quoting(password), quoting(token)] },
    })
}

#[expect(clippy::too_many_lines, reason = "it goes from place to place")]
#[test]
fn no_canary_is_in_any_response_nor_in_a_capture() {
    let [env, delivered, token, header, access, stored, password, log, _] = CANARIES;
    let world =
        World::with(vec![("STRIPE_API_KEY".to_owned(), env.into()), ("LOG_TOKEN".to_owned(), log.into())]);

    // A delivery whose handler calls Kiket, with secrets in its headers and in its path.
    let signed = delivery("issue.created", "v1", &body("evt_1"))
        .path(format!("/v/v1/webhooks/issue.created?key={}", percent(env, true)))
        .sign(SECRET, now());
    let mut headers = signed.headers.clone();
    for name in ["authorization", "cookie", "x-api-key", "x-kiket-runtime-token"] {
        headers.push((name.to_owned(), format!("Bearer {header}")));
    }
    headers.push(("user-agent".to_owned(), format!("agent {}", quoting(env))));
    let first = world.pass(&signed.path, headers, &signed.body, Origin::Outside);
    let first = serde_json::to_value(first).unwrap();

    // Secrets that the extension reads and sets through the API: a delivery is under way, and makes the calls.
    let running = world.store.arrived(Arrival {
        at: SystemTime::now(),
        method: "POST".to_owned(),
        target: "/v/v1/webhooks/issue.updated".to_owned(),
        headers: Headers::default(),
        body: br#"{"id":"evt_2"}"#.to_vec().into(),
        is_whole: true,
        from: Origin::Machine,
    });
    world.platform.set_secret("WEBHOOK_TOKEN", stored);
    let path = "/api/v1/extensions/com.example.crm/secrets/WEBHOOK_TOKEN";
    let call = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
        world.platform.token()
    );
    assert_eq!(crate::world::exchange(world.platform.address(), call.as_bytes()).status, 200);
    let quoted = format!("the API said {}", quoting(stored));
    let end = End::Response {
        status: 500,
        headers: [("content-type", format!("text/{}", percent(stored, true)))]
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect(),
        body: json!({ "error": quoted, "code": "handler_failed", "password": password })
            .to_string()
            .into_bytes()
            .into(),
        by_proxy: false,
    };
    world.store.responded(running, ResponseSeen { took: Duration::from_millis(3), end });

    // One that is refused, one that is no JSON, one that is large, one that never gets a response.
    let broken = br#"{"secrets":{"SLACK_TOKEN":"canary_delivered/two"#;
    world.pass(
        "/v/v1/webhooks/issue.created",
        vec![("X-Kiket-Signature".into(), "00".repeat(32)), ("X-Kiket-Timestamp".into(), now().to_string())],
        broken,
        Origin::Machine,
    );
    let mut large = body("evt_4");
    large["filler"] = "y".repeat((64 << 10) - 900).into();
    large["issue"]["note"] = quoting(delivered).repeat(40).into();
    world.deliver("issue.created", &large);
    let nothing = world.store.arrived(Arrival {
        at: SystemTime::now(),
        method: "POST".to_owned(),
        target: format!("/v/v1/webhooks/{}", percent(access, false)),
        headers: Headers::default(),
        body: body("evt_5").to_string().into_bytes().into(),
        is_whole: true,
        from: Origin::Machine,
    });
    world.store.responded(
        nothing,
        ResponseSeen { took: Duration::ZERO, end: End::Nothing { why: quoting(token), sender_left: false } },
    );

    // The log, the compiler, notices.
    let span =
        json!({ "name": "delivery", "event": "issue.created", "delivery_id": "evt_1", "handler": "crm::on" });
    let line = json!({ "timestamp": "t", "level": "ERROR", "message": quoting(log), "error": quoting(delivered), "span": span });
    world.store.log_line(&line.to_string());
    let line = json!({ "level": "WARN", "message": quoting(log), "error": quoting(stored) });
    world.store.log_line(&line.to_string());
    world.store.log_line(&quoting(log));
    world.store.restarted(Build { ok: false, took: Duration::from_secs(1), output: quoting(env) });
    world.store.event(Notice { level: Level::Error, text: quoting(password) });
    world.store.settle();

    let session = world.session();
    let mut paths: Vec<String> =
        ["/", "/api/search?q=canary", "/api/form", "/api/export", "/api/inbox"].map(str::to_owned).into();
    let last = session.events("", |_| true);
    let ids: Vec<u64> =
        last["deliveries"].as_array().unwrap().iter().map(|it| it["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), 5);
    has_none("the stream", &last.to_string());
    for id in &ids {
        paths.push(format!("/api/deliveries/{id}"));
        paths.push(format!("/api/diff?a={}&b={id}", ids[0]));
    }
    for path in &paths {
        let response = session.get(path);
        assert_eq!(response.status, 200, "{path}");
        has_none(path, &String::from_utf8_lossy(&response.body));
        has_none(path, &format!("{:?}", response.headers));
    }
    // A search for a canary finds nothing: it is not there.
    for canary in CANARIES {
        let found = session.json(&format!("/api/search?q={}", percent(canary, true)));
        assert_eq!(found["found"], json!([]), "{canary}");
    }
    let detail = session.json(&format!("/api/deliveries/{first}"));
    assert!(
        detail["record"]["body"]["text"].as_str().unwrap().contains("<redacted:SLACK_TOKEN>"),
        "{detail:#}"
    );
    // A secret too short to be found by its value is gone from its place, so that the text is written again.
    assert!(!detail["record"]["body"]["text"].as_str().unwrap().contains("\"ab\""));
    let updated = session.json("/api/deliveries/2");
    assert_eq!(updated["record"]["calls"][0]["response"]["text"], r#"{"value":"<redacted:WEBHOOK_TOKEN>"}"#);

    // Saved, and every response of the console to actions.
    for (id, name) in [(&first, "first"), (&json!(2), "second")] {
        let saved = session.post("/api/save", &json!({ "id": id, "name": name }));
        assert_eq!(saved.status, 200, "{saved:?}");
        let text = std::fs::read_to_string(world.proxy.folder.path().join(format!("{name}.json"))).unwrap();
        has_none(name, &text);
    }
    for request in [
        json!({ "of": first }),
        json!({ "of": first, "force": true }),
        json!({ "of": first, "body": "{\"id\":1}" }),
    ] {
        let response = session.post("/api/send", &request);
        has_none("/api/send", &String::from_utf8_lossy(&response.body));
    }
    world.store.settle();
    let last = session.events("", |_| true);
    for it in last["deliveries"].as_array().unwrap() {
        let path = format!("/api/deliveries/{}", it["id"]);
        has_none(&path, &String::from_utf8_lossy(&session.get(&path).body));
    }
}

#[test]
fn the_recorder_gets_captures_without_canaries() {
    let world = World::with(vec![("STRIPE_API_KEY".to_owned(), CANARIES[0].into())]);
    let (send, receive) = std::sync::mpsc::channel();
    world.store.record(Box::new(move |id, capture| send.send((id, capture.to_text())).unwrap()));
    let id = world.deliver("issue.created", &body("evt_1"));
    let (recorded, text) = receive.recv().unwrap();
    assert_eq!(recorded, id);
    has_none("the recorder", &text);
    assert!(text.contains("<redacted:STRIPE_API_KEY>") && text.contains("\"calls\""), "{text}");
}

/// The MAC that would be right is as good as the secret, for this delivery.
#[test]
fn no_right_signature_is_shown() {
    let world = World::new();
    let body = br#"{"id":"evt_1"}"#;
    let right = delivery("issue.created", "v1", &()).body(body.to_vec()).sign(SECRET, now());
    let mac = right
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("x-kiket-signature"))
        .unwrap()
        .1
        .clone();
    // Accepted, refused for a damaged digit, refused for its age.
    world.pass(&right.path, right.headers.clone(), body, Origin::Machine);
    let mut damaged = right.headers.clone();
    let last = if mac.ends_with('0') { "1" } else { "0" };
    for (name, value) in &mut damaged {
        if name.eq_ignore_ascii_case("x-kiket-signature") {
            value.replace_range(value.len() - 1.., last);
        }
    }
    world.pass(&right.path, damaged, body, Origin::Machine);
    let session = world.session();
    session.events("", |message| {
        message["deliveries"].as_array().unwrap().iter().any(|it| it["signature"]["state"] == "refused")
    });
    let stem = &mac.trim_start_matches("sha256=")[..12];
    for id in 1..=2 {
        let text = String::from_utf8(session.get(&format!("/api/deliveries/{id}")).body).unwrap();
        assert!(!text.contains(stem) && !text.contains(SECRET), "{text}");
    }
    assert_eq!(
        session.json("/api/deliveries/2")["record"]["signature"]["verdict"]["causes"][0]["id"],
        "signature_damaged"
    );
}
