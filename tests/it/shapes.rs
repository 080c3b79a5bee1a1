//! The shapes of the wire contract (shape-decision and those after it), as handlers take them and reply with them; in process.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use kiket::{
    Decision, Extension, ExtensionBuilder, HandlerError, Payload, Reply, State,
    actions::{Action, ActionKind, Actions},
    api,
    external_webhook::{ExternalWebhook, GitHub, Slack, Stripe},
    guard::Verdict,
    http::StatusCode,
    notification::{
        ChannelType, ChannelValidation, ChannelValidity, Format, Notification, Outcome, Recipient,
    },
    testing::{TestExtension, TestResponse, delivery},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::corpus::corpus;

/// Where the clock of a test extension stands.
const NOW: u64 = 1_700_000_000;

/// Responds with handlers of its own only.
fn builder() -> ExtensionBuilder {
    Extension::builder().without_collected().without_manifest().dedupe(|dedupe| dedupe.enabled(false))
}

async fn deliver(builder: ExtensionBuilder, event: &str, payload: &Value) -> TestResponse {
    let extension = TestExtension::new(builder).expect("the extension starts");
    extension.deliver(delivery(event, "v1", payload)).await
}

#[track_caller]
fn check(response: &TestResponse, status: u16, body: &Value) {
    assert_eq!((response.status(), response.json()), (status, body.clone()));
}

/// The payload, and what Kiket sends beside it.
fn beside(mut payload: Value) -> Value {
    let envelope = json!({
        "id": "d-1", "authentication": { "runtime_token": "t" }, "secrets": { "KEY": "s" }, "context": {},
    });
    payload.as_object_mut().unwrap().extend(envelope.as_object().unwrap().clone());
    payload
}

// Decisions and actions.

#[tokio::test]
async fn a_guard_replies_with_a_decision() {
    async fn guard(payload: Payload) -> kiket::Result<Decision> {
        match payload["to"].as_str() {
            Some("done") => Ok(Decision::pending("legal looks at it").output_field("queue", "legal")),
            Some("gone") => Err(HandlerError::permanent("there is no such state")),
            _ => Ok(Decision::allow()),
        }
    }
    let event = "workflow.before_transition";
    let response = |to: &'static str| async move {
        deliver(builder().on(event, "v1", guard), event, &beside(json!({ "to": to }))).await
    };
    check(&response("review").await, 200, &json!({ "status": "allow", "metadata": {} }));
    let pending = response("done").await;
    check(
        &pending,
        200,
        &json!({
            "status": "pending", "message": "legal looks at it",
            "metadata": { "output_fields": { "queue": "legal" } },
        }),
    );
    let read: Decision = serde_json::from_str(pending.text()).unwrap();
    assert_eq!((read.verdict, read.message.as_deref()), (Verdict::Pending, Some("legal looks at it")));
    assert_eq!(response("gone").await.status(), 422);
}

#[tokio::test]
async fn a_decision_is_the_same_as_a_reply_and_alone() {
    fn decide() -> Decision {
        Decision::deny("no").data("by", "ada")
    }
    let event = "workflow.before_transition";
    let alone = deliver(builder().on(event, "v1", async || decide()), event, &json!({})).await;
    let reply = async || Reply::from(decide());
    let reply = deliver(builder().on(event, "v1", reply), event, &json!({})).await;
    assert_eq!(alone.text(), r#"{"status":"deny","message":"no","metadata":{"by":"ada"}}"#);
    assert_eq!(reply.text(), alone.text());
}

#[tokio::test]
async fn actions_get_their_responses_in_order() {
    let act = async || {
        Actions::new()
            .and(Action::add_comment("hello"))
            .and(Action::set_field("priority", "high"))
            .and(Action::of_kind("escalate").with("to", "oncall"))
    };
    let response = deliver(builder().on("issue.created", "v1", act), "issue.created", &json!({})).await;
    check(
        &response,
        200,
        &json!({ "actions": [
            { "kind": "add_comment", "body": "hello" },
            { "kind": "set_field", "field": "priority", "value": "high" },
            { "kind": "escalate", "to": "oncall" },
        ] }),
    );
}

// Notifications.

/// Sends to channels, and is asked to send too much by persons.
async fn send(notification: Payload<Notification>) -> Outcome {
    match notification.recipient() {
        Recipient::Channel(id) => Outcome::sent(format!("{id}: {}", notification.message())),
        Recipient::Direct(_) => Outcome::failed("too many").retry_after(Duration::from_millis(1_500)),
        Recipient::Group(None) => Outcome::failed("which group?"),
        other => Outcome::failed(format!("{other:?}")),
    }
}

#[tokio::test]
async fn a_notification_is_sent_or_says_why_not() {
    for (notification, answered) in [
        (
            json!({ "message": "hi", "channel_type": "channel", "channel_id": 17, "format": "mrkdwn" }),
            json!({ "success": true, "message_id": "17: hi" }),
        ),
        (
            json!({ "message": "hi", "channel_type": "dm", "recipient_id": "U1", "priority": "urgent" }),
            json!({ "success": false, "error": "too many", "retry_after": 2 }),
        ),
        (
            json!({ "message": "hi", "channel_type": "group" }),
            json!({ "success": false, "error": "which group?" }),
        ),
        (
            json!({ "message": "hi", "channel_type": "fax", "channel_id": "1" }),
            json!({ "success": false, "error": "Other(\"fax\")" }),
        ),
    ] {
        let builder = builder().on("slack.sendMessage", "v1", send);
        check(&deliver(builder, "slack.sendMessage", &beside(notification)).await, 200, &answered);
    }
}

#[tokio::test]
async fn a_notification_without_recipient_is_refused_by_its_field() {
    for (notification, error) in [
        (
            json!({ "message": "hi", "channel_type": "dm" }),
            "`recipient_id` is missing: it says where the message goes",
        ),
        (
            json!({ "message": "hi", "channel_type": "channel", "channel_id": " " }),
            "`channel_id` is missing: it says where the message goes",
        ),
        (json!({ "message": "", "channel_type": "channel", "channel_id": "C1" }), "`message` is blank"),
        (json!({ "message": "hi" }), "missing field `channel_type`"),
        (
            json!({ "message": "hi", "channel_type": "channel", "channel_id": ["C1"] }),
            "channel_id: invalid type: sequence, expected an id, a whole number or a text",
        ),
        (
            json!({ "message": "hi", "channel_type": "channel", "channel_id": "C1", "format": 5 }),
            "format: data did not match any variant of untagged enum Format",
        ),
    ] {
        for give_up in [false, true] {
            let builder = builder().on("slack.sendMessage", "v1", send).give_up_undecodable(give_up);
            let response = deliver(builder, "slack.sendMessage", &beside(notification.clone())).await;
            let expected = json!({ "error": error, "code": "undecodable_payload", "delivery_id": "d-1" });
            check(&response, if give_up { 422 } else { 500 }, &expected);
        }
    }
}

#[tokio::test]
async fn a_channel_is_valid_or_not() {
    async fn validate(channel: Payload<ChannelValidation>) -> ChannelValidity {
        match (channel.channel_id(), &channel.channel_type) {
            ("C1", ChannelType::Channel) => ChannelValidity::valid().data("name", "legal"),
            (id, _) => ChannelValidity::invalid(format!("there is no {id}")),
        }
    }
    let response = |channel: Value| async move {
        let builder = builder().on("teams.validateChannel", "v1", validate);
        deliver(builder, "teams.validateChannel", &beside(channel)).await
    };
    let valid = json!({ "valid": true, "metadata": { "name": "legal" } });
    check(&response(json!({ "channel_id": "C1" })).await, 200, &valid);
    let invalid = json!({ "valid": false, "error": "there is no 2" });
    check(&response(json!({ "channel_id": 2, "channel_type": "dm" })).await, 200, &invalid);
    assert_eq!(response(json!({ "channel_type": "channel" })).await.status(), 500);
}

// Webhooks of others.

/// Signed by another implementation than the one that verifies.
fn sign(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    let mut hex = [0; 64];
    base16ct::lower::encode_str(&mac.finalize().into_bytes(), &mut hex).unwrap().to_owned()
}

const BODY: &str = r#"{"action":"opened","pull_request":{"number":42}}"#;

#[derive(Deserialize)]
struct PullRequest {
    pull_request: Number,
}

#[derive(Deserialize)]
struct Number {
    number: u32,
}

fn passed_on(headers: &Value, body: &str, received_at: u64) -> Value {
    beside(json!({
        "event": "external.webhook.github", "action": "github", "received_at": received_at,
        "external_webhook": {
            "body": body, "headers": headers, "content_type": "application/json", "method": "POST", "query_params": {},
        },
    }))
}

/// Takes pull requests that GitHub signed with the secret.
fn github(secret: &str) -> ExtensionBuilder {
    async fn opened(webhook: Payload<ExternalWebhook>, github: State<GitHub>) -> kiket::Result<Value> {
        webhook.verify(&*github)?;
        let PullRequest { pull_request } = webhook.decode()?;
        Ok(json!({ "number": pull_request.number }))
    }
    builder().state(GitHub::new(secret)).on("external.webhook.github", "v1", opened)
}

#[tokio::test]
async fn what_its_provider_signed_reaches_the_handler() {
    let headers = json!({ "x-hub-signature-256": format!("sha256={}", sign("s3cret", BODY)) });
    let response =
        deliver(github("s3cret"), "external.webhook.github", &passed_on(&headers, BODY, NOW)).await;
    check(&response, 200, &json!({ "number": 42 }));
}

#[tokio::test]
async fn a_forgery_is_given_up_without_its_reason() {
    let expected =
        json!({ "error": "handler failed", "code": "handler_failed_permanently", "delivery_id": "d-1" });
    let signature = format!("sha256={}", sign("s3cret", BODY));
    for headers in [
        json!({}),
        json!({ "X-Hub-Signature-256": format!("sha256={}", sign("another", BODY)) }),
        json!({ "X-Hub-Signature-256": signature.replace("sha256=", "") }),
        json!({ "X-Hub-Signature-256": [signature, signature] }),
        json!({ "X-Hub-Signature-256": signature, "x-hub-signature-256": signature }),
    ] {
        let payload = passed_on(&headers, BODY, NOW);
        check(&deliver(github("s3cret"), "external.webhook.github", &payload).await, 422, &expected);
    }
    let headers = json!({ "X-Hub-Signature-256": signature });
    let payload = passed_on(&headers, &BODY.replace("42", "43"), NOW);
    check(&deliver(github("s3cret"), "external.webhook.github", &payload).await, 422, &expected);
}

#[tokio::test]
async fn without_a_usable_secret_of_our_own_it_is_tried_again() {
    let headers = json!({ "X-Hub-Signature-256": format!("sha256={}", sign("", BODY)) });
    let response = deliver(github(""), "external.webhook.github", &passed_on(&headers, BODY, NOW)).await;
    let expected = json!({ "error": "handler failed", "code": "handler_failed", "delivery_id": "d-1" });
    check(&response, 500, &expected);
}

#[tokio::test]
async fn an_undecodable_body_is_reported_like_a_payload() {
    let body = r#"{"pull_request":{"number":"many"}}"#;
    let headers = json!({ "X-Hub-Signature-256": format!("sha256={}", sign("s3cret", body)) });
    let response =
        deliver(github("s3cret"), "external.webhook.github", &passed_on(&headers, body, NOW)).await;
    let error = "external_webhook.body.pull_request.number: invalid type: string \"many\", expected u32";
    check(&response, 500, &json!({ "error": error, "code": "undecodable_payload", "delivery_id": "d-1" }));
}

#[tokio::test]
async fn a_webhook_verifies_hours_later_and_a_recorded_one_does_not() {
    async fn verify(webhook: Payload<ExternalWebhook>) -> kiket::Result<()> {
        webhook.verify(&Stripe::new("whsec_1"))?;
        Ok(webhook.verify(&Slack::new("s3cret"))?)
    }
    let extension = TestExtension::new(builder().on("external.webhook.github", "v1", verify)).unwrap();
    let headers = json!({
        "Stripe-Signature": format!("t={NOW},v1={}", sign("whsec_1", &format!("{NOW}.{BODY}"))),
        "X-Slack-Request-Timestamp": NOW.to_string(),
        "X-Slack-Signature": format!("v0={}", sign("s3cret", &format!("v0:{NOW}:{BODY}"))),
    });
    let send = |received_at| {
        let payload = passed_on(&headers, BODY, received_at);
        extension.deliver(delivery("external.webhook.github", "v1", &payload))
    };
    assert_eq!(send(NOW + 300).await.status(), 200);
    extension.clock().advance(Duration::from_secs(8 * 60 * 60));
    assert_eq!(send(NOW + 300).await.status(), 200);
    assert_eq!(send(NOW + 301).await.status(), 422);
    assert_eq!(send(extension.clock().unix_seconds()).await.status(), 422);
}

#[tokio::test]
async fn who_rejects_a_forgery_says_so_with_a_status_of_their_own() {
    async fn reject(webhook: Payload<ExternalWebhook>) -> kiket::Result<()> {
        let verified = webhook.verify(&GitHub::new("s3cret"));
        verified.map_err(|why| HandlerError::reject(StatusCode::FORBIDDEN, "not GitHub's").because(why))
    }
    let builder = builder().on("external.webhook.github", "v1", reject);
    let response = deliver(builder, "external.webhook.github", &passed_on(&json!({}), BODY, NOW)).await;
    check(&response, 403, &json!({ "error": "not GitHub's", "code": "rejected", "delivery_id": "d-1" }));
}

#[tokio::test]
async fn what_is_no_external_webhook_is_refused_by_its_field() {
    for (payload, error) in [
        (json!({}), "missing field `external_webhook`"),
        (
            json!({ "external_webhook": { "body": { "a": 1 } } }),
            "external_webhook.body: invalid type: map, expected a string",
        ),
        (
            json!({ "external_webhook": { "headers": { "A": {} } } }),
            "external_webhook.headers: the header `A` is neither text nor texts",
        ),
    ] {
        let response = deliver(github("s3cret"), "external.webhook.github", &beside(payload)).await;
        check(
            &response,
            500,
            &json!({ "error": error, "code": "undecodable_payload", "delivery_id": "d-1" }),
        );
    }
}

// Real payloads.

fn real<T: DeserializeOwned>(name: &str) -> Option<serde_json::Result<T>> {
    let path = corpus("payloads")?.join(name).with_extension("json");
    Some(serde_json::from_slice(&std::fs::read(&path).unwrap()))
}

/// Reads it, and that nothing of it is lost.
#[track_caller]
fn whole<T: DeserializeOwned + serde::Serialize>(name: &str, added: &[&str]) -> Option<T> {
    let (read, sent) = (real::<T>(name)?.unwrap(), real::<Value>(name)?.unwrap());
    let mut written = serde_json::to_value(&read).unwrap();
    for field in added {
        written.as_object_mut().unwrap().remove(*field);
    }
    assert_eq!(written, sent, "{name}");
    Some(read)
}

#[test]
fn real_responses_are_read_whole() {
    let Some(decision) = whole::<Decision>("guard-response-1", &[]) else { return };
    assert_eq!((decision.verdict, &decision.metadata["approval_id"]), (Verdict::Allow, &json!("abc")));
    let actions = whole::<Actions>("guard-response-2", &[]).unwrap();
    assert_eq!(actions.iter().map(Action::kind).collect::<Vec<_>>(), [&ActionKind::AddComment]);
    let outcome = whole::<Outcome>("slack-notify-response-1", &[]).unwrap();
    assert!(outcome.success && outcome.delivered_at.is_some());
}

#[test]
fn real_notifications_are_read_whole() {
    let Some(slack) = whole::<Notification>("slack-notify-1", &["priority"]) else { return };
    assert_eq!(
        (slack.recipient(), &slack.format),
        (Recipient::Channel("C1234567890"), &Format::Other("mrkdwn".into()))
    );
    let teams = whole::<Notification>("teams-notify-1", &["format", "priority"]).unwrap();
    assert_eq!(
        (teams.recipient(), &teams.extra["team_id"]),
        (Recipient::Channel("channel-456"), &json!("team-123"))
    );
    let channel = whole::<ChannelValidation>("teams-validate-1", &[]).unwrap();
    assert_eq!(channel.channel_id(), "<channel-id>");
}

#[test]
fn real_mails_and_short_messages_have_a_recipient() {
    for (name, field) in
        [("twilio-1", "channel_type"), ("email-1", "message"), ("email-4", "message"), ("email-5", "message")]
    {
        let Some(read) = real::<Notification>(name) else { return };
        let error = read.unwrap_err().to_string();
        assert!(error.contains(&format!("missing field `{field}`")), "{name}: {error}");
    }
}

#[test]
fn real_bodies_of_others_are_read_by_their_kind() {
    let Some(github) = real::<Value>("github-1x-4") else { return };
    let sent = github.unwrap()["payload"].to_string();
    let webhook: ExternalWebhook = serde_json::from_value(passed_on(&json!({}), &sent, NOW)).unwrap();
    assert_eq!(webhook.decode::<PullRequest>().unwrap().pull_request.number, 42);

    let twilio = real::<std::collections::BTreeMap<String, String>>("twilio-7").unwrap().unwrap();
    let form = twilio.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let request = json!({ "body": form, "content_type": "application/x-www-form-urlencoded; charset=UTF-8" });
    let webhook: ExternalWebhook = serde_json::from_value(json!({ "external_webhook": request })).unwrap();
    assert_eq!(webhook.decode::<std::collections::BTreeMap<String, String>>().unwrap(), twilio);
}

// Unknown fields.

/// In `extra`, each member that the type has itself.
#[test]
fn no_member_is_written_twice() {
    macro_rules! check {
        ($($type:ty: $json:tt)*) => {$({
            let mut value: $type = serde_json::from_value(json!($json)).unwrap();
            let mut own = serde_json::to_value(&value).unwrap();
            let members = own.as_object().unwrap().keys();
            value.extra = members.map(|name| (name.clone(), json!("another"))).collect();
            value.extra.insert("beside".to_owned(), json!(1));
            own["beside"] = json!(1);
            let text = serde_json::to_string(&value).unwrap();
            let read: Value = serde_json::from_str(&text).unwrap();
            // As long as the same members once.
            assert_eq!((&read, text.len()), (&own, own.to_string().len()), "{}", stringify!($type));
        })*};
    }
    let hash = "a".repeat(64);
    check! {
        Decision: { "status": "deny", "message": "no", "metadata": { "a": 1 } }
        Notification: {
            "message": "hi", "channel_type": "channel", "channel_id": "C1", "recipient_id": "U1", "thread_id": "1",
            "format": "html", "priority": "high", "metadata": { "a": 1 }, "attachments": [1],
        }
        ChannelValidation: { "channel_id": "C1", "channel_type": "dm" }
        ChannelValidity: { "valid": false, "error": "gone", "metadata": { "a": 1 } }
        Outcome: {
            "success": false, "message_id": "m", "delivered_at": "2026-01-02T03:04:05Z", "error": "no", "retry_after": 3,
        }
        api::RawEvent: {
            "sourceSystem": "s", "sourceEventType": "t", "sourceEventId": "1", "idempotencyKey": "k", "workspaceId": 1,
            "processId": 2, "payload": {}, "metadata": {}, "retentionPolicy": {},
        }
        api::StoredRawEvent: { "id": 1, "sourceEventType": "t" }
        api::Ingested: { "rawEvent": { "id": 1, "sourceEventType": "t" } }
        api::Evidence: {
            "evidenceType": "approval", "title": "t", "sourceSystem": "s", "dedupeKey": "k", "sourceObjectId": "1",
            "workspaceId": 1, "processId": 2, "caseId": 3, "capturedAt": "2026-01-02T03:04:05Z", "payload": {},
            "retentionPolicy": {},
        }
        api::Anchor: { "id": 1, "merkle_root": hash, "status": "confirmed" }
        api::AnchorRecord: { "id": 1, "type": "AuditLog", "content_hash": hash }
        api::AuditProof: { "record_id": 1, "content_hash": hash, "merkle_root": hash, "proof": [] }
        api::Verification: { "verified": true, "proof_valid": true, "blockchain_verified": false }
        api::IntakeForm: { "id": 1, "key": "k", "name": "n" }
        api::IntakeField: { "key": "k", "field_type": "text" }
        api::IntakeStats: { "total_submissions": 1 }
        api::IntakeSubmission: { "id": 1, "status": "pending" }
        api::ReceivedEmail: { "id": 1, "status": "queued" }
        api::Workflow: { "name": "n" }
        api::Board: { "name": "n" }
    }
}
