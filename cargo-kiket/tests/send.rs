//! `send` and `replay` as processes, against an extension that runs in the test.

use std::{
    io::Write as _,
    net::SocketAddr,
    path::Path,
    process::{Command, Output, Stdio},
    sync::mpsc::channel,
    thread,
};

use kiket_runtime::{
    Authentication, Context, Extension, ExtensionBuilder, HandlerError, Json, Payload, Reply,
};
use kiket_testing::{Capture, FakePlatform};
use serde_json::{Value, json};

const SECRET: &str = "a_secret_of_the_test_0001";

/// An extension on a free port, until it is dropped.
struct Running {
    address: SocketAddr,
    stop: Option<Box<dyn FnOnce() + Send>>,
}

impl Running {
    fn start(builder: ExtensionBuilder) -> Self {
        let builder =
            builder.without_manifest().webhook_secret(SECRET).id("com.example.sent").version("1.2.3");
        let builder = builder.http(|http| http.host("127.0.0.1").port(0).workers(1));
        let extension = builder.telemetry(|telemetry| telemetry.enabled(false)).build().unwrap();
        let (send, receive) = channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = extension.bind().unwrap();
                send.send((server.addresses()[0], server.handle())).unwrap();
                server.run().await.unwrap();
            });
        });
        let (address, handle) = receive.recv().unwrap();
        Self { address, stop: Some(Box::new(move || handle.stop())) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.take().unwrap()();
    }
}

/// An extension that shows what it was sent.
fn shows() -> Running {
    async fn shown(Payload(payload): Payload) -> Json<Value> {
        Json(payload)
    }
    Running::start(Extension::builder().on("issue.created", "v1", shown).on("own.event", "v2", shown))
}

struct Tool {
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Tool {
    fn new(variables: &[(&'static str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { folder: tempfile::tempdir().unwrap(), variables }
    }

    /// One that sends to the extension, with its secret.
    fn of(extension: &Running) -> Self {
        let port = extension.address.port().to_string();
        Self::new(&[("PORT", &port), ("KIKET_WEBHOOK_SECRET", SECRET)])
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    fn run_with(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_cargo-kiket"));
        tool.args(arguments).current_dir(self.folder.path()).env("NO_COLOR", "1");
        for name in
            ["PORT", "EDITOR", "VISUAL", "KIKET_BASE_URL", "KIKET_WORKSPACE_TOKEN", "KIKET_WEBHOOK_SECRET"]
        {
            tool.env_remove(name);
        }
        tool.envs(self.variables.iter().map(|(name, value)| (*name, value)));
        let piped = tool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = piped.spawn().unwrap();
        // A tool that does not read may be gone.
        let _ = running.stdin.take().unwrap().write_all(input);
        running.wait_with_output().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, b"")
    }

    /// The deliveries, as `--json` shows them.
    #[track_caller]
    fn deliveries(&self, arguments: &[&str], status: i32) -> Vec<Value> {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        let mut json: Value = serde_json::from_slice(&output.stdout).unwrap();
        serde_json::from_value(json["deliveries"].take()).unwrap()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_documented_event_is_sent_with_its_fixture() {
    let extension = shows();
    let tool = Tool::of(&extension);
    let sent = tool.deliveries(&["send", "issue.created"], 0);
    assert_eq!((&sent[0]["status"], &sent[0]["path"]), (&json!(200), &json!("/v/v1/webhooks/issue.created")));
    let mut body = kiket_testing::fixture("issue.created").unwrap();
    body["id"] = sent[0]["id"].clone();
    assert_eq!((&sent[0]["request"]["body"], &sent[0]["response"]["body"]), (&body, &body));
    assert!(sent[0]["took_ms"].as_f64().unwrap() > 0.0);
    // Each is a delivery of its own.
    let again = tool.deliveries(&["send", "issue.created"], 0);
    assert!(again[0]["id"] != sent[0]["id"] && again[0]["replayed"] == false, "{again:?}");

    let output = tool.run(&["send", "issue.created", "--shape", "flat"]);
    let shown = text(&output.stdout);
    for part in ["POST /v/v1/webhooks/issue.created", "\"issue_id\": 42", "200 OK in ", "x-kiket-timestamp: "]
    {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(!shown.contains(SECRET), "{shown}");
}

#[test]
fn members_are_set_and_removed() {
    let extension = shows();
    let tool = Tool::of(&extension);
    let arguments =
        ["--set", "issue.title=Other", "--set", "issue.id=7", "--unset", "actor", "--id", "evt_7"];
    let sent = tool.deliveries(&[&["send", "issue.created"], &arguments[..]].concat(), 0);
    let got = &sent[0]["response"]["body"];
    assert_eq!(
        (&got["issue"]["title"], &got["issue"]["id"], &got["id"]),
        (&json!("Other"), &json!(7), &json!("evt_7"))
    );
    assert_eq!(got.get("actor"), None);
}

#[test]
fn a_file_or_standard_input_is_sent() {
    let extension = shows();
    let tool = Tool::of(&extension);
    std::fs::write(tool.path("body.json"), "{ \"id\": \"evt_9\",\n  \"a\": 1 }").unwrap();
    let own = ["send", "own.event", "--version", "v2", "--file"];
    let sent = tool.deliveries(&[&own[..], &["body.json", "--same-id"]].concat(), 0);
    assert_eq!(sent[0]["response"]["body"], json!({ "id": "evt_9", "a": 1 }));
    assert_ne!(tool.deliveries(&[&own[..], &["body.json"]].concat(), 0)[0]["id"], "evt_9");
    // Without an id there is one to send again.
    for body in ["{\"a\":1}", "{\"id\":null}", "{\"delivery_id\":\"\"}"] {
        std::fs::write(tool.path("none.json"), body).unwrap();
        let sent = tool.deliveries(&[&own[..], &["none.json", "--same-id", "--times", "2"]].concat(), 0);
        assert!(sent[0]["id"].as_str().is_some_and(|id| id.starts_with("evt_")), "{sent:?}");
        assert_eq!(sent[0]["id"], sent[1]["id"], "{sent:?}");
        assert_eq!(sent[1]["replayed"], true, "{sent:?}");
    }
    let output = tool.run_with(&[&own[..], &["-", "--json"]].concat(), b"{\"b\":2}");
    assert!(text(&output.stdout).contains("\"b\":2"), "{output:?}");
    // What is not JSON is sent as it is.
    let output = tool.run_with(&[&own[..], &["-"]].concat(), b"{\"b\":");
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(text(&output.stdout).contains("not_json"), "{output:?}");
    let output = tool.run_with(&[&own[..], &["-", "--set", "a=1"]].concat(), b"[1]");
    assert_eq!(output.status.code(), Some(65), "{output:?}");
}

#[test]
fn the_same_id_gets_the_stored_reply() {
    let extension = shows();
    let tool = Tool::of(&extension);
    let sent = tool.deliveries(&["send", "issue.created", "--times", "5", "--same-id"], 0);
    let replayed: Vec<_> = sent.iter().map(|sent| sent["replayed"].as_bool().unwrap()).collect();
    assert_eq!(replayed, [false, true, true, true, true]);
    let output = tool.run(&["send", "issue.created", "--times", "2", "--same-id"]);
    assert!(text(&output.stdout).contains("the stored reply"), "{output:?}");
    let sent = tool.deliveries(&["send", "issue.created", "--times", "3"], 0);
    assert!(sent.iter().all(|sent| sent["replayed"] == false), "{sent:?}");
}

#[test]
fn an_old_signature_is_refused_and_the_reason_shown() {
    let extension = shows();
    let sent = Tool::of(&extension).deliveries(&["send", "issue.created", "--at", "-400s"], 4);
    let why = sent[0]["why"].as_str().unwrap();
    assert!(sent[0]["status"] == 401 && why.contains("300"), "{sent:?}");
    let other = Tool::of(&extension).with("KIKET_WEBHOOK_SECRET", "another_secret_of_the_test_1");
    let sent = other.deliveries(&["send", "issue.created"], 4);
    assert!(sent[0]["why"].as_str().unwrap().contains("another one"), "{sent:?}");
}

#[test]
fn the_status_of_the_process_is_that_of_the_response() {
    async fn fail(Payload(payload): Payload) -> Result<Reply, HandlerError> {
        match payload["how"].as_str() {
            Some("later") => Err(HandlerError::retry("later")),
            Some("never") => Err(HandlerError::permanent("never")),
            _ => Ok(Reply::ok()),
        }
    }
    let extension = Running::start(Extension::builder().on("issue.created", "v1", fail));
    let tool = Tool::of(&extension);
    tool.deliveries(&["send", "issue.created"], 0);
    tool.deliveries(&["send", "issue.created", "--set", "how=never"], 4);
    tool.deliveries(&["send", "issue.created", "--set", "how=later"], 5);
    tool.deliveries(&["send", "issue.updated"], 4);
}

#[test]
fn what_cannot_be_sent_says_what_to_do() {
    #[track_caller]
    fn check(output: &Output, status: i32, parts: &[&str]) {
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        for part in parts {
            assert!(text(&output.stderr).contains(part), "{part}: {output:?}");
        }
    }
    let tool = Tool::new(&[("KIKET_WEBHOOK_SECRET", SECRET)]);
    check(
        &tool.run(&["send", "issue.create"]),
        64,
        &["`issue.create`", "did you mean `issue.created`", "--file"],
    );
    check(&tool.run(&["send", "issue.created", "--shape", "x"]), 64, &["`object`, `flat`, `data`"]);
    check(&tool.run(&["send", "com.example.zzz"]), 64, &["--file"]);
    check(&tool.run(&["send", "issue..x"]), 64, &[]);
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    check(&tool.run(&["send", "issue.created", "--url", &url]), 69, &["no extension listens", "cargo run"]);
    check(&tool.run(&["send", "issue.created", "--token", "scopes=a"]), 65, &["`KIKET_BASE_URL`"]);
    check(&Tool::new(&[]).run(&["send", "issue.created", "--url", &url]), 65, &["KIKET_WEBHOOK_SECRET"]);
}

#[test]
fn a_runtime_token_comes_from_the_fake_platform() {
    async fn scoped(context: Context) -> Result<Reply, HandlerError> {
        context.require_scopes(["issues:read"])?;
        Ok(Reply::ok())
    }
    let platform = FakePlatform::start();
    let builder = platform.extension(Extension::builder()).authentication(Authentication::Both);
    let extension = Running::start(builder.on("issue.created", "v1", scoped));
    let tool = Tool::of(&extension);
    let tool = tool.with("KIKET_BASE_URL", platform.url()).with("KIKET_WORKSPACE_TOKEN", platform.token());
    let sent = tool.deliveries(&["send", "issue.created", "--token", "scopes=issues:read"], 0);
    assert_eq!(
        sent[0]["request"]["body"]["authentication"]["runtime_token"], "<redacted:KIKET_RUNTIME_TOKEN>",
        "{sent:?}"
    );
    let sent = tool.deliveries(&["send", "issue.created", "--token", "scopes=other"], 4);
    assert_eq!(sent[0]["status"], 403);
    assert_eq!(tool.deliveries(&["send", "issue.created"], 4)[0]["status"], 401);
}

#[test]
fn a_delivery_is_saved_without_secrets() {
    let extension = shows();
    let tool = Tool::of(&extension).with("CANARY_TOKEN", "canary/1+2 \"3\"");
    let body = json!({
        "secrets": { "SLACK_TOKEN": "canary-4" }, "note": format!("{SECRET} canary/1+2 \"3\" canary-4"), "id": "evt_4",
    });
    std::fs::write(tool.path("body.json"), body.to_string()).unwrap();
    let send = ["send", "issue.created", "--file", "body.json", "--same-id", "--save", "captures/a.json"];
    let output = tool.run(&send);
    assert!(output.status.success() && text(&output.stderr).contains("`captures/a.json`"), "{output:?}");
    let file = std::fs::read_to_string(tool.path("captures/a.json")).unwrap();
    for shown in [&*file, text(&output.stdout), text(&output.stderr)] {
        assert!(!shown.contains("canary") && !shown.contains(SECRET), "{shown}");
    }
    let capture = Capture::load(tool.path("captures/a.json")).unwrap();
    assert_eq!(capture.build.as_deref(), Some("com.example.sent 1.2.3"));
    assert_eq!(capture.delivery_id().as_deref(), Some("evt_4"));
    assert_eq!(capture.response.as_ref().unwrap().status, 200);
    assert_eq!(
        capture.body.body.as_ref().unwrap()["note"],
        "<redacted:KIKET_WEBHOOK_SECRET> <redacted:CANARY_TOKEN> <redacted:SLACK_TOKEN>"
    );
    assert!(capture.redacted.contains(&"/response/body/secrets/SLACK_TOKEN".to_owned()), "{capture:?}");
    assert!(capture.calls.is_none() && Path::new(&tool.path("captures")).is_dir());
}

#[test]
fn a_capture_is_sent_again_and_signed_anew() {
    let extension = shows();
    let tool = Tool::of(&extension);
    let first =
        ["send", "issue.created", "--id", "evt_42", "--set", "issue.title=T", "--save", "captures/a.json"];
    tool.deliveries(&first, 0);
    let again = tool.deliveries(&["replay", "captures/a.json"], 0);
    assert!(again[0]["id"] != "evt_42" && again[0]["replayed"] == false, "{again:?}");
    assert_eq!(again[0]["response"]["body"]["issue"]["title"], "T");
    let same = tool.deliveries(&["replay", "evt_42", "--same-id"], 0);
    assert_eq!((&same[0]["id"], &same[0]["replayed"]), (&json!("evt_42"), &json!(true)));
    // The captured response was another one.
    let text = std::fs::read_to_string(tool.path("captures/a.json")).unwrap();
    std::fs::write(tool.path("captures/b.json"), text.replace("\"status\": 200", "\"status\": 503")).unwrap();
    let output = tool.run(&["replay", "captures/b.json"]);
    assert!(output.status.success() && self::text(&output.stderr).contains("was 503"), "{output:?}");
    let output = tool.run(&["replay", "evt_42"]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(self::text(&output.stderr).contains("b.json"), "{output:?}");
    let output = tool.run(&["replay", "evt_0"]);
    assert_eq!(output.status.code(), Some(65), "{output:?}");
}

#[test]
fn an_address_may_have_a_prefix() {
    let builder = Extension::builder().on("issue.created", "v1", async || Reply::ok());
    let extension = Running::start(builder.http(|http| http.prefix("/hooks")));
    let url = format!("http://{}/hooks/", extension.address);
    let tool = Tool::of(&extension);
    let sent = tool.deliveries(&["send", "issue.created", "--url", &url, "--save", "a.json"], 0);
    assert_eq!(sent[0]["path"], "/hooks/v/v1/webhooks/issue.created");
    tool.deliveries(&["replay", "a.json"], 0);
    tool.deliveries(&["replay", "a.json", "--url", &url], 0);
}

#[test]
fn redacted_secrets_are_named_and_taken_from_variables() {
    let extension = shows();
    let tool = Tool::of(&extension);
    let body = json!({
        "authentication": { "runtime_token": "rt-canary", "scopes": ["a"] },
        "secrets": { "SLACK_TOKEN": "canary-4", "API_KEY": "canary-5" }, "note": "with canary-4",
    });
    std::fs::write(tool.path("body.json"), body.to_string()).unwrap();
    tool.deliveries(&["send", "issue.created", "--file", "body.json", "--save", "captures/a.json"], 0);
    let output = tool.run(&["replay", "captures/a.json"]);
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.contains("`API_KEY`, `SLACK_TOKEN`") && !said.contains("RUNTIME_TOKEN"), "{said}");
    let shown = said.split_once("error: ").map(|(_, shown)| format!("error: {shown}")).unwrap();
    assert!(include_str!("../../docs/developer-tool.md").contains(&shown), "{shown}");
    // The handler sees the secrets, and what is printed does not have them.
    let tool = tool.with("SLACK_TOKEN", "canary-6").with("API_KEY", "canary-7");
    let output = tool.run(&["replay", "captures/a.json", "--json"]);
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stderr).contains("--token"), "{output:?}");
    let printed = text(&output.stdout);
    assert!(!printed.contains("canary") && printed.contains("with <redacted:SLACK_TOKEN>"), "{printed}");
}

#[test]
fn a_text_like_a_placeholder_is_replayed_as_it_is() {
    /// Backwards, so that the tool does not redact it.
    fn reversed(text: &str) -> String {
        text.chars().rev().collect()
    }
    async fn note(Payload(payload): Payload) -> Json<Value> {
        Json(json!({ "note": reversed(payload["note"].as_str().unwrap_or_default()) }))
    }
    let extension = Running::start(Extension::builder().on("issue.created", "v1", note));
    let tool = Tool::of(&extension).with("CANARY_TOKEN", "canary-8").with("SLACK_TOKEN", "canary-9");
    let title = "<redacted:CANARY_TOKEN> <redacted:KIKET_WEBHOOK_SECRET> <redacted:HOME>";
    let body = json!({ "secrets": { "SLACK_TOKEN": "canary-4" }, "note": format!("canary-4 {title}") });
    std::fs::write(tool.path("body.json"), body.to_string()).unwrap();
    tool.deliveries(&["send", "issue.created", "--file", "body.json", "--save", "captures/a.json"], 0);
    let file = tool.path("captures/a.json");
    assert_eq!(Capture::load(&file).unwrap().placeholders(), ["SLACK_TOKEN"]);
    let sent = tool.deliveries(&["replay", "captures/a.json"], 0);
    assert_eq!(sent[0]["response"]["body"]["note"], reversed(&format!("canary-9 {title}")));
    // Only what was redacted is asked for.
    let output = Tool::of(&extension).run(&["replay", file.to_str().unwrap()]);
    let said = text(&output.stderr);
    assert!(output.status.code() == Some(65) && said.contains(": `SLACK_TOKEN`\n"), "{said}");
}

#[test]
fn an_edit_needs_an_editor_and_a_terminal() {
    let extension = shows();
    let tool = Tool::of(&extension);
    tool.deliveries(&["send", "issue.created", "--save", "captures/a.json"], 0);
    let output = tool.run(&["replay", "captures/a.json", "--edit"]);
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    assert!(text(&output.stderr).contains("EDITOR"), "{output:?}");
    let output = tool.with("EDITOR", "true").run(&["replay", "captures/a.json", "--edit"]);
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    assert!(text(&output.stderr).contains("terminal"), "{output:?}");
}
