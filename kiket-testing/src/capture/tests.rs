//! Nothing secret is in a capture, and a capture is what happened.

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use kiket_runtime::{Context, Extension, HandlerError, Payload, Reply, Secret};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{Capture, Recording};
use crate::{delivery::delivery, extension::TestExtension, platform::FakePlatform};

/// Characters that JSON escapes, and that URLs encode.
const CANARY: &str = "canary \"42\" /+%\\é?";

/// The canary in the forms in which texts quote it, and the heart of each.
fn forms(canary: &str) -> Vec<String> {
    let quoted = serde_json::to_string(canary).unwrap();
    vec![
        canary.to_owned(),
        quoted.trim_matches('"').to_owned(),
        utf8_percent_encode(canary, NON_ALPHANUMERIC).to_string(),
        form_urlencoded::byte_serialize(canary.as_bytes()).collect(),
        Base64::encode_string(canary.as_bytes()),
        Base64::encode_string(format!("user:{canary}").as_bytes()),
        Base64UrlUnpadded::encode_string(format!("x{canary}").as_bytes()),
    ]
}

/// Everything that may not be in a file: each form without the ends that base64 shares with what is around it.
#[track_caller]
fn has_none(file: &str, canary: &str) {
    for form in forms(canary) {
        let heart = form.get(8..form.len() - 4).filter(|heart| heart.len() >= 6).unwrap_or(&form);
        assert!(!file.contains(heart), "{heart} is in\n{file}");
        // The file quotes its texts itself.
        let quoted = serde_json::to_string(heart).unwrap();
        assert!(!file.contains(quoted.trim_matches('"')), "{heart} is in\n{file}");
    }
    assert!(!file.contains("canary"), "{file}");
}

#[test]
fn no_canary_of_any_place_is_in_a_capture() {
    let places = json!({
        "id": "evt_1",
        "authentication": { "runtime_token": CANARY, "refresh": "canary-r", "token_type": "runtime", "scopes": ["a"] },
        "secrets": { "SLACK_TOKEN": CANARY, "list": [CANARY], "nested": { "deep": CANARY } },
        "data": { "secrets": { "OTHER": CANARY }, "accessToken": CANARY, "api-key": CANARY, "password": CANARY },
        "external_webhook": { "headers": { "Authorization": CANARY, "cookie": CANARY }, "body": CANARY },
        CANARY: forms(CANARY),
    });
    let capture = Recording::new("issue.created", "v1", places.to_string().as_bytes())
        .path(format!("/v/v1/webhooks/issue.created?token={}", forms(CANARY)[2]))
        .headers([
            ("authorization", CANARY),
            ("x-kiket-signature", CANARY),
            ("content-type", "application/json"),
        ])
        .responded(200, [("set-cookie", CANARY)], json!({ "ok": forms(CANARY) }).to_string().as_bytes())
        .capture();
    has_none(&capture.to_text(), CANARY);
    let body = capture.body.body.as_ref().unwrap();
    assert_eq!(body["authentication"]["runtime_token"], "<redacted:KIKET_RUNTIME_TOKEN>");
    assert_eq!(body["authentication"]["scopes"], json!(["a"]));
    assert_eq!(capture.leaks(&[("SLACK_TOKEN".into(), CANARY.into())]), []);

    // Those that have no position are known by their values.
    let body = json!({ "id": 1, "note": forms(CANARY), "number": 1_234_567 }).to_string();
    let recording =
        || Recording::new("issue.created", "v1", body.as_bytes()).secret("A_TOKEN", CANARY.into());
    let capture = recording().secret("PIN", "1234567".into()).capture();
    has_none(&capture.to_text(), CANARY);
    assert_eq!(capture.body.body.as_ref().unwrap()["number"], "<redacted:PIN>");
}

#[test]
fn a_text_that_is_not_json_goes_if_it_may_have_a_secret() {
    for body in [&br#"{"secrets":{"A":"canary-1"},"#[..], br#"\u{feff}{"runtime_token":"canary-1""#] {
        let capture =
            Recording::new("a.b", "v1", body).responded(400, [], b"<h1>canary-1 key</h1>").capture();
        has_none(&capture.to_text(), "canary-1");
        assert_eq!(capture.body.text.as_deref(), Some("<redacted:TEXT>"));
    }
    let marked =
        Recording::new("a.b", "v1", "\u{feff}{\"secrets\":{\"A\":\"canary-1\"}}".as_bytes()).capture();
    assert_eq!(marked.body.body, Some(json!({ "secrets": { "A": "<redacted:A>" } })));
    let plain = Recording::new("a.b", "v1", b"plain").capture();
    assert_eq!((plain.body.text.as_deref(), plain.body.to_bytes()), (Some("plain"), b"plain".to_vec()));
    let empty = Recording::new("a.b", "v1", b"").capture();
    assert_eq!((&empty.body.body, &empty.body.text), (&None, &None));
}

#[tokio::test]
async fn the_secrets_of_calls_are_redacted() {
    async fn handler(context: Context) -> Result<Reply, HandlerError> {
        let secrets = context.secrets();
        let old = secrets.get("OLD").await?;
        secrets.set("NEW", "canary-new").await?;
        let old = old.as_ref().map_or("", Secret::expose);
        context.endpoints().log_event("seen", json!({ "old": old, "both": "canary-new canary-old" })).await?;
        Ok(Reply::json(json!({ "old": old })))
    }
    let platform = FakePlatform::builder().extension_id("com.example.calls").start().unwrap();
    platform.set_secret("OLD", "canary-old");
    let extension = platform.extension(Extension::builder().on("issue.created", "v1", handler));
    let extension = TestExtension::new(extension).unwrap();
    let body = json!({ "id": "evt_1" });
    let response = extension.deliver(delivery("issue.created", "v1", &body)).await;
    assert_eq!(response.status(), 200, "{response:?}");
    let capture = Recording::new("issue.created", "v1", body.to_string().as_bytes())
        .responded(response.status(), [], response.text().as_bytes())
        .calls(&platform.calls())
        .capture();
    let text = capture.to_text();
    for secret in [platform.token(), platform.api_key(), platform.webhook_secret(), "canary"] {
        assert!(!text.contains(secret), "{text}");
    }
    let calls = capture.calls.unwrap();
    assert_eq!(calls.iter().map(|call| call.method.as_str()).collect::<Vec<_>>(), ["GET", "POST", "POST"]);
    assert_eq!(calls[0].response.as_ref().unwrap().body.body, Some(json!({ "value": "<redacted:OLD>" })));
    assert_eq!(calls[2].body.body.as_ref().unwrap()["data"]["both"], "<redacted:NEW> <redacted:OLD>");
    assert_eq!(capture.response.unwrap().body.body, Some(json!({ "old": "<redacted:OLD>" })));
}

#[test]
fn a_file_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a/b.json");
    let capture = Recording::new("issue.created", "v1", br#"{"id":7,"n":1.0,"big":18446744073709551615}"#)
        .at(1_700_000_000)
        .build("com.example 1".to_owned())
        .responded(200, [("Content-Type", "application/json")], b"{}")
        .capture();
    capture.save(&file).unwrap();
    assert_eq!(Capture::load(&file).unwrap(), capture);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("{\n  \"kiket_capture\": 1,\n  \"event\": \"issue.created\"")
            && text.ends_with("}\n")
    );
    assert!(
        text.contains("\"recorded_at\": \"2023-11-14T22:13:20Z\"") && text.contains("18446744073709551615")
    );
    assert_eq!(
        (capture.delivery_id().as_deref(), capture.target().as_str()),
        (Some("7"), "/v/v1/webhooks/issue.created")
    );
    for (text, cause) in
        [("{}", "kiket_capture"), ("{", "EOF"), (&text.replace("e\": 1,", "e\": 2,"), "format 1")]
    {
        std::fs::write(&file, text).unwrap();
        let error = Capture::load(&file).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        let cause_of = std::error::Error::source(&error).unwrap().to_string();
        assert!(error.to_string().contains("b.json") && cause_of.contains(cause), "{error}: {cause_of}");
    }
    assert!(Capture::load(folder.path().join("none.json")).is_err());
}

#[test]
fn placeholders_are_named_and_filled() {
    let body = br#"{"secrets":{"A":"secret-a","B":"secret-b"},"x":"secret-a+secret-b","odd":"<redacted:"}"#;
    let capture = Recording::new("a.b", "v1", body).capture();
    assert_eq!(capture.placeholders(), ["A", "B"]);
    let filled = capture.filled(|name| (name == "A").then(|| "one".into()));
    let filled: Value = serde_json::from_slice(&filled).unwrap();
    assert_eq!(
        filled,
        json!({ "secrets": { "A": "one", "B": "<redacted:B>" }, "x": "one+<redacted:B>", "odd": "<redacted:" })
    );
}

#[test]
fn what_a_delivery_says_itself_is_no_placeholder() {
    let body = json!({
        "secrets": { "A": "secret-a", "B": "<redacted:HOME>" },
        "x": "secret-a <redacted:HOME> <redacted:><redacted:",
        "y": ["<redacted:HOME>"],
        "<redacted:PATH>": 1,
    });
    let capture = Recording::new("a.b", "v1", body.to_string().as_bytes()).capture();
    assert_eq!(
        (capture.placeholders(), &*capture.redacted),
        (vec!["A".to_owned()], &["/body/secrets/A".to_owned(), "/body/x".to_owned()][..])
    );
    let capture = Capture::parse(&capture.to_text()).unwrap();
    let filled = capture.filled(|name| Some(if name == "A" { "secret-a" } else { "canary" }.into()));
    assert_eq!(serde_json::from_slice::<Value>(&filled).unwrap(), body);
    let text = Recording::new("a.b", "v1", b"no JSON <redacted:HOME>").capture();
    assert_eq!(text.filled(|_| Some("canary".into())), b"no JSON <redacted:HOME>");
    // A capture of a capture has what that one has.
    let again = Recording::redacted("a.b", "v1", &capture.body.to_bytes()).capture();
    assert_eq!((&again.body, &again.redacted), (&capture.body, &capture.redacted));
}

#[test]
fn leaks_are_named_with_their_places() {
    let body = json!({ "id": 1, "a": ["x", format!("-{}-", Base64::encode_string(b"user:canary-1234"))], "canary-1234": 1 });
    let capture =
        Recording::new("a.b", "v1", body.to_string().as_bytes()).responded(200, [], b"\"ca\"").capture();
    let known = [("A_TOKEN".to_owned(), Secret::from("canary-1234")), ("SHORT".to_owned(), "ca".into())];
    let leaks = capture.leaks(&known);
    let places: Vec<_> = leaks.iter().map(|leak| (leak.name.as_str(), leak.at.as_str())).collect();
    assert_eq!(places, [("A_TOKEN", "/body/a/1"), ("A_TOKEN", "/body")]);
}

mod replayed {
    use std::{fs, panic};

    use super::*;
    use crate::capture::replay::{check, replay_new};

    async fn handler(Payload(payload): Payload, context: Context) -> Result<Reply, HandlerError> {
        let secret: String =
            context.secret("SLACK_TOKEN").map_or_else(String::new, |it| it.expose().to_owned());
        let limits = context.endpoints().rate_limit().await?;
        context.endpoints().log_event("seen", json!({ "id": payload["id"], "with": secret })).await?;
        Ok(Reply::json(json!({ "left": limits.remaining, "secret": secret })))
    }

    fn builder() -> kiket_runtime::ExtensionBuilder {
        Extension::builder().without_manifest().without_collected().id("com.example.replay").on(
            "issue.created",
            "v1",
            handler,
        )
    }

    /// What `send --save` writes, and then the update with its calls.
    fn captured(folder: &std::path::Path) -> std::path::PathBuf {
        let file = folder.join("created.json");
        let body = br#"{"id":"evt_1","secrets":{"SLACK_TOKEN":"xoxb-canary"}}"#;
        let recording = Recording::new("issue.created", "v1", body).at(1_700_000_123);
        recording.responded(200, [], b"{}").capture().save(&file).unwrap();
        again(&file, true, builder()).unwrap();
        file
    }

    fn again(
        file: &std::path::Path,
        update: bool,
        builder: kiket_runtime::ExtensionBuilder,
    ) -> Result<(), String> {
        check(file, &fs::read_to_string(file).unwrap(), update, |_| async { builder })
    }

    #[test]
    fn a_capture_holds_until_the_extension_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = captured(folder.path());
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("canary") && text.contains("2023-11-14T22:15:23Z"), "{text}");
        let capture = Capture::load(&file).unwrap();
        assert_eq!(capture.calls.as_ref().unwrap().len(), 2, "{text}");
        again(&file, false, builder()).unwrap();
        again(&file, true, builder()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), text);

        let other = async || Reply::json(json!({ "left": 1 }));
        let changed =
            Extension::builder().without_manifest().without_collected().on("issue.created", "v1", other);
        let difference = again(&file, false, changed.id("com.example.replay")).unwrap_err();
        for line in ["-       \"method\": \"GET\",", "+       \"left\": 1", "KIKET_UPDATE=1"] {
            assert!(difference.contains(line), "{line}\n{difference}");
        }
    }

    #[test]
    fn an_update_adds_the_calls_of_a_response_that_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let file = captured(folder.path());
        let text = fs::read_to_string(&file).unwrap();
        let mut capture = Capture::load(&file).unwrap();
        capture.calls = None;
        capture.save(&file).unwrap();
        again(&file, false, builder()).unwrap();
        again(&file, true, builder()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }

    #[test]
    fn calls_get_their_captured_responses() {
        let folder = tempfile::tempdir().unwrap();
        let file = captured(folder.path());
        let mut capture = Capture::load(&file).unwrap();
        let calls = capture.calls.as_mut().unwrap();
        calls[0].response.as_mut().unwrap().body.body.as_mut().unwrap()["rate_limit"]["remaining"] = 3.into();
        capture.response.as_mut().unwrap().body.body.as_mut().unwrap()["left"] = 3.into();
        capture.save(&file).unwrap();
        again(&file, false, builder()).unwrap();
        // A call that the capture does not have fails, and is in the difference.
        capture.calls.as_mut().unwrap().remove(0);
        capture.save(&file).unwrap();
        let difference = again(&file, false, builder()).unwrap_err();
        assert!(
            difference.contains("the capture has no such call") && difference.contains("+ "),
            "{difference}"
        );
        // Calls that the recorder could not see are served by the fake platform, and not compared.
        captured(folder.path());
        let mut capture = Capture::load(&file).unwrap();
        capture.calls = None;
        capture.save(&file).unwrap();
        again(&file, false, builder()).unwrap();
    }

    #[test]
    fn new_files_are_replayed_without_a_build() {
        let folder = tempfile::tempdir().unwrap();
        let file = captured(folder.path());
        let at = folder.path().to_str().unwrap();
        let run = |known: &[&str]| {
            panic::catch_unwind(|| replay_new(at, ("", ".json"), known, |_| async { builder() }))
        };
        assert!(run(&[]).is_ok());
        fs::write(&file, "{}").unwrap();
        let refused = run(&[]).unwrap_err();
        assert!(refused.downcast_ref::<String>().unwrap().contains("created.json"));
        assert!(run(&["created.json"]).is_ok());
    }

    #[test]
    fn broken_connections_are_captured_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let file = captured(folder.path());
        let mut capture = Capture::load(&file).unwrap();
        for call in capture.calls.as_mut().unwrap() {
            call.response = None;
        }
        capture.save(&file).unwrap();
        let difference = again(&file, false, builder()).unwrap_err();
        assert!(difference.contains("+     \"status\": 500"), "{difference}");
    }
}
