//! Real payloads, signed by openssl and sent by curl; real manifests, started. Both are read where they lie.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    path::Path,
    process::Stdio,
    time::{Duration, UNIX_EPOCH},
};

use kiket::{
    Context, Extension, Json, Payload, RawBody,
    config::Clock,
    events::{
        AfterTransition, BeforeTransition, CaseTransitioned, IssueCreated, IssueTransitioned, SlaStatus,
    },
    manifest::Manifest,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::{
    corpus::{corpus, files, skipped},
    running::{NOW, Running, SECRET, builder, within},
};

/// A delivery: where it is sent, and what its handler reads of it.
struct Delivery {
    file: &'static str,
    route: Route,
    event: &'static str,
    /// The id in the body; without one it is the header's.
    id: Option<&'static str>,
    /// When it happened, in Unix seconds.
    time: Option<u64>,
}

/// Where event and version stand.
#[derive(Clone, Copy)]
enum Route {
    Path,
    Header,
    Query,
    /// The event is in the body.
    Body,
}
use Route::{Body, Header, Path as InPath, Query};

#[rustfmt::skip]
const DELIVERIES: [Delivery; 21] = [
    row("cli-replay-1", Body, "workflow.before_transition", None, None),
    row("cli-replay-2", Header, "workflow.after_transition", None, None),
    row("cli-replay-3", Body, "issue.created", None, None),
    row("docsrepo-webhooks-1", Body, "issue.transitioned", Some("evt_01HGZ..."), Some(1_776_160_800)),
    row("docsrepo-webhooks-2", InPath, "case.transitioned", Some("evt_01HGZ..."), Some(1_776_160_800)),
    row("email-1", InPath, "email.send", None, None),
    row("email-4", Header, "email.validateTemplate", None, None),
    row("email-5", Query, "email.send", None, None),
    row("github-1x-1", InPath, "github.connectRepository", None, None),
    row("github-1x-4", Query, "external.webhook.github", Some("12345"), None),
    row("make-ai-1", Body, "issue.transitioned", None, None),
    row("pages-api-webhooks-1", Header, "issue.transitioned", Some("evt_01HXX..."), Some(1_743_856_496)),
    row("pages-api-webhooks-2", Query, "issue.created", None, Some(1_775_044_800)),
    row("pages-delivery-contract-1", InPath, "workflow.sla_status", None, None),
    row("sdk-python-1", Header, "issue.created", None, None),
    row("slack-notify-1", InPath, "slack.sendMessage", None, None),
    row("teams-notify-1", Query, "teams.sendMessage", None, None),
    row("teams-validate-1", InPath, "teams.validateChannel", None, None),
    row("time-tracking-1", Query, "workflow.after_transition", None, None),
    row("twilio-1", InPath, "twilio.sendSMS", None, None),
    row("twilio-7", Header, "external.webhook.status_callback", None, None),
];

const fn row(
    file: &'static str,
    route: Route,
    event: &'static str,
    id: Option<&'static str>,
    time: Option<u64>,
) -> Delivery {
    Delivery { file, route, event, id, time }
}

/// What lies there besides deliveries, and what it is.
const OTHERS: [(&str, &str); 17] = [
    ("adapter-slack-1", "a raw event, claimed by an adapter"),
    ("adapter-webhook-1", "a raw event, claimed by an adapter"),
    ("api-custom-data-1", "a response of the API"),
    ("api-rate-limit-1", "a response of the API"),
    ("api-rate-limit-2", "a response of the API"),
    ("api-sla-events-1", "a response of the API"),
    ("api-webhook-url-1", "a response of the API"),
    ("guard-response-1", "a reply of a handler"),
    ("guard-response-2", "a reply of a handler"),
    ("make-ai-response-1", "a reply of a handler"),
    ("platform-raw-event-1", "a call of the API"),
    ("sdk-403-body-1", "a response to a delivery"),
    ("sdk-health-1", "a response to `GET /health`"),
    ("sdk-jwt-claims-1", "the claims of a token"),
    ("sdk-logevent-1", "a call of the API"),
    ("sdk-telemetry-1", "a call of the API"),
    ("slack-notify-response-1", "a reply of a handler"),
];

#[test]
fn every_real_payload_is_known_for_what_it_is() {
    let Some(directory) = corpus("payloads") else { return };
    let lying: BTreeSet<_> = files(&directory).iter().map(|path| stem(path)).collect();
    let known: Vec<_> =
        DELIVERIES.iter().map(|delivery| delivery.file).chain(OTHERS.map(|(file, _)| file)).collect();
    assert_eq!(known.len(), lying.len(), "each file is listed once");
    assert_eq!(known.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), lying);
}

/// What a typed event reads of a delivery, as it writes it.
struct Sample {
    file: &'static str,
    read: fn(&str) -> Value,
    expected: fn() -> Value,
}

const SAMPLES: [Sample; 11] = [
    sample::<BeforeTransition>("cli-replay-1", || {
        json!({ "/issue/id": 42, "/issue/status": "in_progress", "/issue/project_id": 7, "/issue/organization_id": 3,
            "/transition/from": "in_progress", "/transition/to": "review",
            "/transition/actor/email": "alex@example.com" })
    }),
    sample::<AfterTransition>("cli-replay-2", || {
        json!({ "/issue/id": 57, "/transition/from": "in_progress", "/transition/to": "review",
            "/transition/actor/email": "casey@example.com" })
    }),
    sample::<IssueCreated>(
        "cli-replay-3",
        || json!({ "/issue/id": 99, "/issue/title": "Customer onboarding", "/issue/status": "todo" }),
    ),
    sample::<IssueTransitioned>("docsrepo-webhooks-1", || {
        json!({ "/id": "evt_01HGZ...", "/timestamp": "2026-04-14T10:00:00Z", "/organization_id": "org_01HGZ...",
            "/project/key": "LEGAL", "/issue/id": "ISS-42", "/issue/title": "Acme renewal", "/issue/...": "...",
            "/transition/from": "intake", "/transition/to": "legal_review",
            "/transition/actor/id": "usr_01HGZ...", "/transition/actor/email": "pm@acme.com" })
    }),
    sample::<CaseTransitioned>("docsrepo-webhooks-2", || {
        json!({ "/workspace_id": "ws_01HGZ...", "/case/id": "case_01HGZ...", "/case/process_id": "proc_01HGZ...",
            "/case/current_state_key": "legal_review", "/transition/from": "intake",
            "/transition/to": "legal_review", "/transition/actor/email": "pm@acme.com" })
    }),
    sample::<IssueTransitioned>("make-ai-1", || {
        json!({ "/issue/key": "PROJ-123", "/issue/title": "Customer setup", "/issue/id": null,
            "/transition/from": "backlog", "/transition/to": "ready_for_automation" })
    }),
    sample::<IssueTransitioned>("pages-api-webhooks-1", || {
        json!({ "/id": "evt_01HXX...", "/project/slug": "core-platform", "/issue/key": "CORE-42",
            "/transition/from": "review", "/transition/to": "done",
            "/transition/actor/email": "alex@example.com" })
    }),
    sample::<IssueCreated>("pages-api-webhooks-2", || {
        json!({ "/organization_id": 42, "/project/id": 10, "/issue/id": 456, "/issue/status": "received",
            "/issue/title": "GDPR Access Request - Jan Novak", "/issue/issue_type": "dsar",
            "/issue/priority": "high", "/issue/assignee": null,
            "/issue/custom_fields/requester_email": "jan@example.com", "/labels": null })
    }),
    sample::<SlaStatus>("pages-delivery-contract-1", || {
        json!({ "/issue/id": 4231, "/issue/project_id": 27, "/definition/id": 9,
            "/definition/status": "in_progress", "/definition/issue_type": "incident",
            "/metrics/duration_minutes": 68.0, "/metrics/overdue_minutes": 8.0, "/context/user_id": 91,
            "/secrets": null, "/authentication": null })
    }),
    sample::<IssueCreated>("sdk-python-1", || json!({ "/issue/id": 1, "/authentication": null })),
    sample::<AfterTransition>(
        "time-tracking-1",
        || json!({ "/issue/id": "issue456", "/transition/from": "in_progress", "/transition/to": "closed" }),
    ),
];

const fn sample<E: DeserializeOwned + Serialize>(file: &'static str, expected: fn() -> Value) -> Sample {
    let read = |body: &str| {
        let event: E =
            kiket_runtime::internals::decode(body).0.unwrap_or_else(|error| panic!("{body}: {error}"));
        serde_json::to_value(event).unwrap()
    };
    Sample { file, read, expected }
}

#[test]
fn every_real_delivery_of_an_event_with_a_type_is_read_into_it() {
    let Some(directory) = corpus("payloads") else { return };
    let typed = DELIVERIES.iter().filter(|delivery| {
        ["issue.", "case.", "workflow.", "approval."].iter().any(|of| delivery.event.starts_with(of))
    });
    let typed: Vec<_> = typed.map(|delivery| (delivery.file, delivery.event)).collect();
    assert_eq!(typed.len(), SAMPLES.len());
    for ((file, event), sample) in typed.into_iter().zip(SAMPLES) {
        let body = std::fs::read_to_string(directory.join(file).with_extension("json")).unwrap();
        let read = (sample.read)(&body);
        assert_eq!((sample.file, &read["event"]), (file, &json!(event)));
        for (pointer, expected) in (sample.expected)().as_object().unwrap() {
            assert_eq!(read.pointer(pointer).unwrap_or(&Value::Null), expected, "{file}: {pointer}");
        }
    }
}

/// Replies to any event with what the handler sees of it.
async fn echo(context: Context, payload: Payload, raw: RawBody) -> Json<Value> {
    let time = context.occurred_at().map(|time| time.duration_since(UNIX_EPOCH).unwrap_or_default());
    Json(json!({
        "event": context.event().as_str(),
        "version": context.event_version().as_str(),
        "id": context.delivery_id(),
        "key": context.delivery_key(),
        "time": time.map(|time| time.as_secs()),
        "signed_at": context.signed_at().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        "payload": payload.0,
        "bytes": raw.len(),
    }))
}

#[tokio::test]
async fn every_real_delivery_is_read_as_its_sender_meant_it() {
    let Some(directory) = corpus("payloads") else { return };
    if !has("openssl").await || !has("curl").await {
        return;
    }
    let events: BTreeSet<_> = DELIVERIES.iter().map(|delivery| delivery.event).collect();
    let catch_all = events.into_iter().fold(builder(), |builder, event| builder.on(event, "v1", echo));
    let running = Running::start(catch_all);
    for delivery in &DELIVERIES {
        let path = directory.join(delivery.file).with_extension("json");
        let body = std::fs::read(&path).unwrap();
        let response = send(&running, delivery, &path, &body).await;
        check(delivery, &body, &response);
    }
    running.stop().await;
}

#[track_caller]
fn check(delivery: &Delivery, body: &[u8], response: &CurlResponse) {
    let file = delivery.file;
    assert_eq!(
        (response.status, response.kind.as_str()),
        (200, "application/json"),
        "{file}: {}",
        response.body
    );
    let read: Value = serde_json::from_str(&response.body).unwrap_or_else(|error| panic!("{file}: {error}"));
    let id = delivery.id.map_or_else(|| format!("sent-{file}"), str::to_owned);
    let sent: Value = serde_json::from_slice(body).unwrap();
    for (field, expected) in [
        ("event", json!(delivery.event)),
        ("version", json!("v1")),
        ("id", json!(id)),
        ("time", json!(delivery.time)),
        ("signed_at", json!(NOW)),
        ("payload", sent),
        ("bytes", json!(body.len())),
    ] {
        assert_eq!(read[field], expected, "{file}: {field}");
    }
    let key = read["key"].as_str().unwrap();
    match delivery.id {
        Some(id) => assert_eq!(key, format!("id:{id}"), "{file}"),
        None => assert!(key.starts_with("sha256:"), "{file}: a header is not signed"),
    }
}

struct CurlResponse {
    status: u16,
    kind: String,
    body: String,
}

/// Sends a file as it lies there.
async fn send(running: &Running, delivery: &Delivery, path: &Path, body: &[u8]) -> CurlResponse {
    let event = delivery.event;
    let (target, version) = match delivery.route {
        InPath => (format!("/v/1/webhooks/{event}"), None),
        Header => (format!("/webhooks/{event}"), Some("v1")),
        Query => (format!("/webhooks/{event}?version=1.0"), None),
        Body => ("/webhook".to_owned(), Some("1")),
    };
    let signature = openssl(body).await;
    let mut data = std::ffi::OsString::from("@");
    data.push(path);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "60", "--noproxy", "*", "--data-binary"]).arg(data);
    for header in [
        "Content-Type: application/json".to_owned(),
        format!("X-Kiket-Timestamp: {NOW}"),
        format!("X-Kiket-Signature: sha256={signature}"),
        format!("X-Kiket-Delivery: sent-{}", delivery.file),
    ] {
        curl.args(["--header", &header]);
    }
    if let Some(version) = version {
        curl.args(["--header", &format!("X-Kiket-Event-Version: {version}")]);
    }
    curl.args(["--write-out", "\n%{http_code} %{content_type}"]);
    curl.arg(format!("http://{}{target}", running.address()));
    let output = within(curl.output()).await.expect("curl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, about) = text.rsplit_once('\n').unwrap();
    let (status, kind) = about.split_once(' ').unwrap();
    CurlResponse { status: status.parse().unwrap(), kind: kind.to_owned(), body: body.to_owned() }
}

/// The signature of `body` as the README makes it.
async fn openssl(body: &[u8]) -> String {
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-hmac", SECRET]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = openssl.spawn().expect("openssl runs");
    let mut input = running.stdin.take().unwrap();
    input.write_all(&[format!("{NOW}.").as_bytes(), body].concat()).await.unwrap();
    drop(input);
    let output = within(running.wait_with_output()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim_end().rsplit(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_payload_is_replayed_as_the_docs_say() {
    if !has("openssl").await || !has("curl").await {
        return;
    }
    let page = include_str!("../../docs/migrating.md");
    let block = page.split("## Replay a recorded payload").nth(1).unwrap();
    let block = block.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let builder =
        builder().clock(Clock::system()).on("issue.created", "v1", async |payload: Payload| payload.0);
    let running = Running::start(builder);
    let script = block
        .replace("http://127.0.0.1:8000/", &format!("http://{}/", running.address()))
        .replace("curl ", "curl --silent --show-error --fail --max-time 60 --noproxy '*' ");
    assert!(script.contains(&running.address().to_string()), "{script}");
    let folder = tempfile::tempdir().unwrap();
    // A newline at the end is signed, too.
    let payload = "{\"event\": \"issue.created\", \"issue\": {\"id\": 42}}\n";
    std::fs::write(folder.path().join("payload.json"), payload).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-euc", &script]).current_dir(&folder).env("KIKET_WEBHOOK_SECRET", SECRET);
    let output = within(shell.output()).await.unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{script}\n{stdout}{stderr}");
    let sent: Value = serde_json::from_str(payload).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap(), sent);
    running.stop().await;
}

/// Whether a program is there. In CI it has to be.
async fn has(program: &str) -> bool {
    let ran = Command::new(program).arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    if ran.is_ok() {
        return true;
    }
    assert_ne!(std::env::var_os("CI").as_deref(), Some(OsStr::new("true")), "CI has no {program}");
    skipped(&format!("no {program} to send real payloads with"));
    false
}

#[tokio::test]
async fn every_real_manifest_starts_an_extension_or_says_why_not() {
    let Some(directory) = corpus("manifests") else { return };
    let (mut started, mut refused) = (Vec::new(), 0);
    for path in files(&directory) {
        let name = stem(&path);
        let text = std::fs::read_to_string(&path).unwrap();
        let variables = referred(&text).map(|name| (name, SECRET)).chain([("KIKET_WEBHOOK_SECRET", SECRET)]);
        let declared = Manifest::load(&path).map(|manifest| {
            manifest.events.iter().map(|event| event.name.to_string()).collect::<BTreeSet<_>>()
        });
        let builder = Extension::builder().without_collected().manifest(&path).environment(variables);
        let builder =
            builder.http(|http| http.host("127.0.0.1").port(0).workers(1)).on("catch.all", "v1", echo);
        let builder =
            declared.into_iter().flatten().fold(builder, |builder, event| builder.on(&event, "v1", echo));
        match builder.build() {
            Ok(_) if name.starts_with("invalid-") => panic!("{name} started"),
            Ok(extension) => started.push(check_started(&name, extension).await),
            Err(error) => {
                refused += 1;
                assert!(name.starts_with("invalid-"), "{name}: {error}");
                println!("{name} is refused: {error}");
                let place = error.problems()[0].place.as_ref().expect("a place");
                let named = format!("{}:{}", path.display(), place.line);
                assert!(place.line > 0 && error.to_string().contains(&named), "{name}: {error}");
            }
        }
    }
    assert_eq!((started.len(), refused), (30, 1));
    started.iter().for_each(Running::begin_to_stop);
    for running in started {
        running.stopped().await;
    }
}

/// The variables that a manifest refers to, as `env:NAME`, `env.NAME` or `${NAME}`.
fn referred(text: &str) -> impl Iterator<Item = &str> {
    ["env:", "env.", "${"].into_iter().flat_map(move |before| text.split(before).skip(1)).map(|after| {
        let end = after.find(|c: char| !c.is_ascii_uppercase() && c != '_').unwrap_or(after.len());
        &after[..end]
    })
}

/// It is healthy, and tells what its manifest says of it.
async fn check_started(name: &str, extension: Extension) -> Running {
    let manifest = extension.report().manifest.clone().expect("its manifest");
    let manifest = Manifest::load(&manifest).unwrap();
    assert_eq!(
        (extension.id(), extension.version()),
        (manifest.id.as_deref(), manifest.version.as_deref()),
        "{name}"
    );
    for event in &manifest.events {
        let row = extension.report().handlers.iter().find(|handler| handler.event == event.name.as_str());
        let expected = event.timeout.or(manifest.callback_timeout).unwrap_or(Duration::from_secs(10));
        assert_eq!(row.map(|row| row.timeout), Some(expected), "{name}: {}", event.name);
    }
    let running = Running::serve(extension);
    running.still_responds().await;
    running
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}
