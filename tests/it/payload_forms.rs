//! The forms in which senders write deliveries: names of events, byte order marks, depth, escapes and times.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, UNIX_EPOCH},
};

use kiket::{
    Context, Decision, Extension, ExtensionBuilder, Json, Payload, RawBody,
    actions::{Action, Actions},
    api::{
        Actor, Anchor, AnchorRecord, AuditProof, Board, Comment, Evidence, Ingested, IntakeField, IntakeForm,
        IntakeStats, IntakeSubmission, Issue, Member, RawEvent, ReceivedEmail, SlaDefinition, SlaEvent,
        SlaMetrics, StoredRawEvent, Verification, WebhookUrl, Workflow,
    },
    events::{ApprovalDenied, ApprovalGranted, CommentCreated, IssueCommented, IssueUpdated},
    external_webhook::ExternalWebhook,
    notification::{ChannelValidation, ChannelValidity, Notification, Outcome},
    testing::{TestExtension, delivery},
};
use serde::Deserialize;
use serde_json::{Value, json};

fn builder() -> ExtensionBuilder {
    Extension::builder().without_collected().without_manifest().dedupe(|dedupe| dedupe.enabled(false))
}

#[track_caller]
fn test(builder: ExtensionBuilder) -> TestExtension {
    TestExtension::new(builder).expect("the extension starts")
}

/// Status and body, or the code of an error.
async fn sent(extension: &TestExtension, event: &str, body: impl AsRef<[u8]>) -> (u16, Value) {
    let response = extension.deliver(delivery(event, "v1", &json!({})).body(body.as_ref())).await;
    let json = response.json();
    (response.status(), if response.status() < 300 { json } else { json["code"].clone() })
}

fn comment(event: &str, on: &str) -> String {
    let author = json!({ "id": 7, "name": "A. Writer", "email": "writer@example.com" });
    json!({ "event": event, "comment_id": 79, on: 31, "author": author, "body": "looks good" }).to_string()
}

async fn on_issue(Payload(event): Payload<IssueCommented>) -> Json<Value> {
    Json(json!(["issue", event.comment.body, event.comment.author.and_then(|author| author.email)]))
}

async fn on_comment(Payload(event): Payload<CommentCreated>) -> Json<Value> {
    Json(json!(["comment", event.comment.body, event.comment.author.and_then(|author| author.email)]))
}

#[tokio::test]
async fn a_comment_reaches_the_handler_of_either_name() {
    let (one, other) = ("issue.commented", "comment.created");
    let read = |handler: &str| (200, json!([handler, "looks good", "writer@example.com"]));
    let only_issue = test(builder().on(one, "v1", on_issue));
    let only_comment = test(builder().on(other, "v1", on_comment));
    let both = test(builder().on(one, "v1", on_issue).on(other, "v1", on_comment));
    for named in [one, other] {
        for path in [one, other] {
            // `issue_id` at the top, or the issue below `data` or `payload`.
            assert_eq!(sent(&only_issue, path, comment(named, "issue_id")).await, read("issue"));
            assert_eq!(sent(&only_comment, path, comment(named, "issueId")).await, read("comment"));
            let handler = if path == one { "issue" } else { "comment" };
            assert_eq!(sent(&both, path, comment(named, "issue_id")).await, read(handler));
        }
    }
    for place in ["data", "payload"] {
        let body = json!({ "event": other, place: { "issue": { "id": 31 }, "comment": { "body": "x" } } });
        assert_eq!(sent(&only_issue, other, body.to_string()).await, (200, json!(["issue", "x", null])));
    }
    // A comment on something else is another event.
    assert_eq!(sent(&only_issue, other, comment(other, "case_id")).await, (404, json!("no_handler")));
    assert_eq!(sent(&only_issue, other, "not JSON").await, (404, json!("no_handler")));
    assert_eq!(
        sent(&only_issue, other, r#"{"event":"case.commented","issue_id":1}"#).await,
        (400, json!("event_mismatch"))
    );
    // Where the body names the event.
    for (named, on, expected) in [
        (other, "issue_id", read("issue")),
        (one, "issue_id", read("issue")),
        (other, "case_id", (404, json!("no_handler"))),
    ] {
        let by_body = delivery(one, "v1", &json!({})).path("/webhook?version=v1").body(comment(named, on));
        let response = only_issue.deliver(by_body).await;
        assert_eq!(response.status(), expected.0, "{named} {on}");
    }
}

#[tokio::test]
async fn short_names_of_hooks_mean_their_workflow_event() {
    for name in ["before_transition", "after_transition", "sla_status"] {
        let full = format!("workflow.{name}");
        for registered in [&*full, name] {
            let extension = test(builder().on(registered, "v1", async || Json(json!(1))));
            for (path, named) in [(&*full, name), (&*full, &*full), (name, &*full), (name, name)] {
                let body = json!({ "event": named }).to_string();
                assert_eq!(
                    sent(&extension, path, body).await,
                    (200, json!(1)),
                    "{registered} {path} {named}"
                );
            }
            assert_eq!(sent(&extension, "transition", "{}").await.0, 404);
        }
    }
}

#[tokio::test]
async fn the_documented_names_of_approvals_have_types() {
    let granted = async |Payload(event): Payload<ApprovalGranted>| Json(json!(event.approval.decided_by));
    let denied = async |Payload(event): Payload<ApprovalDenied>| Json(json!(event.approval.decided_by));
    let extension = test(builder().on("approval.granted", "v1", granted).on("approval.denied", "v1", denied));
    for (event, by) in [("approval.granted", "approved_by"), ("approval.denied", "rejected_by")] {
        let body = json!({ "event": event, "approval_id": 5, "issue_id": 31, by: "lead@example.com" });
        assert_eq!(
            sent(&extension, event, body.to_string()).await,
            (200, json!({ "email": "lead@example.com" }))
        );
    }
}

#[tokio::test]
async fn a_type_without_a_dot_is_data() {
    let kind = async |payload: Payload| Json(json!([payload["type"], payload["event_type"]]));
    let extension =
        test(builder().on("issue.created", "v1", kind).on("ping", "v1", async || Json(json!("pong"))));
    for (body, read) in [
        (r#"{"type":"bug"}"#, json!(["bug", null])),
        (r#"{"type":"a bug."}"#, json!(["a bug.", null])),
        (
            r#"{"type":"issue.created","event_type":"issue_created"}"#,
            json!(["issue.created", "issue_created"]),
        ),
        (r#"{"event":"issue.created","type":"issue.deleted"}"#, json!(["issue.deleted", null])),
    ] {
        assert_eq!(sent(&extension, "issue.created", body).await, (200, read), "{body}");
    }
    for body in [
        r#"{"type":"issue.deleted"}"#,
        r#"{"event_type":"issue.deleted"}"#,
        r#"{"type":"bug","event_type":"issue.deleted"}"#,
        r#"{"event":"bug"}"#,
    ] {
        assert_eq!(sent(&extension, "issue.created", body).await, (400, json!("event_mismatch")), "{body}");
    }
    for (body, status) in [
        (r#"{"type":"bug","event_type":"issue.created"}"#, 200),
        (r#"{"type":"ping"}"#, 200),
        (r#"{"type":"bug"}"#, 404),
    ] {
        let by_body = delivery("ping", "v1", &json!({})).path("/webhook?version=v1").body(body);
        assert_eq!(extension.deliver(by_body).await.status(), status, "{body}");
    }
}

#[tokio::test]
async fn a_byte_order_mark_before_the_body_is_skipped() {
    let handler = async |payload: Payload, RawBody(raw): RawBody, context: Context| {
        Json(json!([payload["a"], raw.len(), context.delivery_id()]))
    };
    let extension = test(builder().on("a.b", "v1", handler));
    let body = "\u{feff}{\"id\":\"1\",\"a\":1}";
    // The raw body is the one that was signed.
    assert_eq!(sent(&extension, "a.b", body).await, (200, json!([1, body.len(), "1"])));
    assert_eq!(sent(&extension, "a.b", format!("{body} \n")).await.0, 200);
    let by_body =
        delivery("a.b", "v1", &json!({})).path("/webhook?version=v1").body("\u{feff} {\"event\":\"a.b\"}");
    assert_eq!(extension.deliver(by_body).await.status(), 200);
    for body in ["\u{feff}", "\u{feff}\u{feff}{}", " \u{feff}{}", "{}\u{feff}", "\u{feff}x"] {
        assert_eq!(sent(&extension, "a.b", body).await, (400, json!("not_json")), "{body:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_deep_is_400() {
    #[derive(Deserialize)]
    struct Shallow {
        id: String,
    }

    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let any = async |_: Payload| {
        RUNS.fetch_add(1, Ordering::SeqCst);
    };
    let shallow = async |payload: Payload<Shallow>| Json(json!(payload.id));
    let reading = async |event: Payload<IssueCommented>| event.extra.get::<Value>("x").map(drop);
    let typed = async |event: Payload<IssueUpdated>| Json(json!(event.id));
    let builder = builder().on("a.b", "v1", any).on("a.shallow", "v1", shallow);
    let extension = test(builder.on("issue.commented", "v1", reading).on("issue.updated", "v1", typed));
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for place in ["x", "id", "event_type", "secrets", "data"] {
        let body = format!(r#"{{"{place}":{}}}"#, nested(400));
        assert_eq!(sent(&extension, "a.b", &body).await, (400, json!("too_deep")), "{place}");
        assert_eq!(RUNS.load(Ordering::SeqCst), 0);
    }
    let body = format!(r#"{{"id":"1","x":{}}}"#, nested(400));
    assert_eq!(sent(&extension, "issue.commented", &body).await, (400, json!("too_deep")));
    // Where the handler does not read it, it does not matter.
    assert_eq!(sent(&extension, "issue.updated", &body).await, (200, json!("1")));
    assert_eq!(sent(&extension, "a.shallow", &body).await, (200, json!("1")));
    assert_eq!(sent(&extension, "a.b", format!(r#"{{"x":{}}}"#, nested(126))).await.0, 200);
}

#[tokio::test]
async fn times_are_read_in_either_case() {
    let time = async |context: Context| {
        Json(json!(
            context.occurred_at().and_then(|time| Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs()))
        ))
    };
    let extension = test(builder().on("a.b", "v1", time));
    for name in
        ["timestamp", "occurred_at", "occurredAt", "created_at", "createdAt", "received_at", "receivedAt"]
    {
        let body = json!({ name: "2026-05-02T09:10:00Z", "other": 1 }).to_string();
        assert_eq!(sent(&extension, "a.b", body).await, (200, json!(1_777_713_000)), "{name}");
    }
    let body = r#"{"receivedAt":3,"createdAt":2,"occurredAt":null,"timestamp":null}"#;
    assert_eq!(sent(&extension, "a.b", body).await, (200, json!(2)));
    assert_eq!(sent(&extension, "a.b", r#"{"occuredAt":3,"Timestamp":2}"#).await, (200, json!(null)));
}

#[tokio::test]
async fn what_handlers_print_of_payloads_has_no_secrets() {
    let webhook = async |webhook: Payload<ExternalWebhook>| Json(json!(webhook.extra()));
    let notification = async |Payload(notification): Payload<Notification>| Json(json!(notification));
    let extension =
        test(builder().on("external.webhook.a", "v1", webhook).on("chat.send", "v1", notification));
    let mut body = json!({
        "authentication": { "runtime_token": "canary" }, "secrets": { "KEY": "canary" }, "tenant": 7,
        "external_webhook": { "body": "" }, "message": "hi", "channel_type": "dm", "recipient_id": "U1",
    });
    for event in ["external.webhook.a", "chat.send"] {
        body["event"] = json!(event);
        let (status, kept) = sent(&extension, event, body.to_string()).await;
        assert_eq!((status, &kept["tenant"]), (200, &json!(7)), "{kept}");
        assert!(!kept.to_string().contains("canary") && kept.get("secrets").is_none(), "{kept}");
    }
}

/// Every type that keeps unknown fields: what it reads of a body that also has fields which it must not keep.
#[test]
fn no_type_keeps_secrets_among_its_unknown_fields() {
    let hash = format!("0x{}", "a".repeat(64));
    macro_rules! check {
        ($($type:path: $fields:tt,)*) => {$({
            let mut body = json!($fields);
            body["unknown"] = json!({ "kept": 1 });
            body["authentication"] = json!({ "runtime_token": "canary" });
            body["secrets"] = json!({ "KEY": "canary" });
            let name = stringify!($type);
            let read: $type = serde_json::from_value(body).unwrap_or_else(|error| panic!("{name}: {error}"));
            let written = serde_json::to_value(&read).unwrap();
            assert_eq!(written["unknown"]["kept"], 1, "{name}: {written}");
            let printed = format!("{read:?} {written}");
            assert!(!printed.contains("canary"), "{name}: {printed}");
        })*};
    }
    check! {
        Action: { "kind": "escalate" },
        Actions: { "actions": [] },
        Actor: { "id": 1 },
        Anchor: { "id": 1, "merkle_root": hash, "status": "confirmed" },
        AnchorRecord: { "id": 1, "content_hash": hash },
        AuditProof: { "record_id": 1, "content_hash": hash, "merkle_root": hash, "proof": [] },
        Board: { "name": "Team" },
        ChannelValidation: { "channel_id": "C1" },
        ChannelValidity: { "valid": true },
        Comment: { "id": 1 },
        Decision: { "status": "allow" },
        Evidence: { "evidenceType": "log", "title": "Log", "sourceSystem": "ci", "dedupeKey": "k" },
        Ingested: { "rawEvent": { "id": 1, "sourceEventType": "push" } },
        IntakeField: { "key": "title" },
        IntakeForm: { "id": 1, "key": "bug-report", "name": "Bug" },
        IntakeStats: { "total_submissions": 1 },
        IntakeSubmission: { "id": 1, "status": "pending" },
        Issue: { "id": 1 },
        Member: { "id": 1 },
        Notification: { "message": "hi", "channel_type": "channel", "channel_id": "C1" },
        Outcome: { "success": true },
        RawEvent: { "sourceSystem": "github", "sourceEventType": "push", "idempotencyKey": "k", "payload": {} },
        ReceivedEmail: { "id": 1, "status": "pending" },
        SlaDefinition: { "id": 1 },
        SlaEvent: { "id": 1, "state": "breached" },
        SlaMetrics: { "duration_minutes": 1.0 },
        StoredRawEvent: { "id": 1, "sourceEventType": "push" },
        Verification: { "verified": true, "proof_valid": true, "blockchain_verified": true },
        Workflow: { "name": "Delivery" },
    }
    // These are only read.
    let url = json!({ "webhook_url": "u", "unknown": 1, "authentication": "canary", "secrets": "canary" });
    let url: WebhookUrl = serde_json::from_value(url).unwrap();
    assert_eq!(json!(url.extra), json!({ "unknown": 1 }));
    let webhook = json!({
        "external_webhook": { "body": "", "unknown": 1, "authentication": "canary", "secrets": "canary" },
        "action": "a", "unknown": 1, "authentication": "canary", "secrets": "canary",
    });
    let webhook: ExternalWebhook = serde_json::from_value(webhook).unwrap();
    assert!(!format!("{webhook:?} {:?}", webhook.extra()).contains("canary"), "{webhook:?}");
    assert_eq!(webhook.extra()["unknown"], 1);
}

#[tokio::test]
async fn handlers_and_tests_have_the_same_clock() {
    let now = async |context: Context| {
        Json(json!([
            context.now() == context.signed_at(),
            context.now().duration_since(UNIX_EPOCH).unwrap().as_secs()
        ]))
    };
    let extension = test(builder().on("a.b", "v1", now));
    for later in [0, 7] {
        extension.clock().advance(Duration::from_secs(later));
        let (status, read) = sent(&extension, "a.b", "{}").await;
        assert_eq!((status, read), (200, json!([true, extension.clock().unix_seconds()])));
    }
}
