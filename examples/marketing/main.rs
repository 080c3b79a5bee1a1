//! The quickstart: every snippet of the README's world in one extension.
//!
//! `cargo run --example marketing` serves it. Where neither `KIKET_BASE_URL` nor a token is set it brings a Kiket of its
//! own along, so that it needs no account; the README shows how to send it a signed delivery, and where to look then.

use std::env;

use kiket::{
    HandlerError,
    api::{Id, Level, Query, SlaFilter, SlaState},
    events::{IssueAssigned, SlaStatus},
    prelude::*,
    testing::{Call, FakePlatform},
};
use serde_json::Value;

const CONTACTS: (&str, &str) = ("com.example.crm.contacts", "automation_records");

#[derive(Deserialize)]
struct IssueCreated {
    issue: Issue,
}

#[derive(Deserialize)]
struct Issue {
    title: String,
}

/// Logs every new issue, and keeps a token for later.
#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(payload: Payload<IssueCreated>, context: Context) -> kiket::Result<Reply> {
    let retries: u32 = context.settings().get("MAX_RETRIES")?;
    let summary = json!({ "summary": payload.issue.title, "retries": retries });
    context.endpoints().log_event("issue.created", summary).await?;
    context.secrets().set("WEBHOOK_TOKEN", "abc123").await?;
    Ok(Reply::ok())
}

/// The same for the second version of the event; its reply has the version.
#[kiket::webhook("issue.created", version = "v2", timeout = "5s")]
async fn on_issue_created_v2(payload: Payload<IssueCreated>, context: Context) -> kiket::Result<Reply> {
    let summary = json!({ "summary": payload.issue.title, "schema": "v2" });
    context.endpoints().log_event("issue.created", summary).await?;
    Ok(Reply::json(json!({ "ok": true, "version": context.event_version().as_str() })))
}

/// The project that an event is about. One that says nothing of it will say no more when it comes again.
fn known(project: Option<&Id>) -> kiket::Result<&Id> {
    project.ok_or_else(|| HandlerError::permanent("the event names no project"))
}

/// Adds a contact to the project's records, and tells how many active ones there were.
#[kiket::webhook(IssueAssigned, version = "v1")]
async fn on_issue_assigned(event: Payload<IssueAssigned>, context: Context) -> kiket::Result<Reply> {
    let (module, table) = CONTACTS;
    let contacts = context.endpoints().custom_data(known(event.project_id())?).table(module, table);
    let active: Vec<Value> = contacts.list(Query::new().filter("status", "active").limit(10)).await?;
    let contact =
        json!({ "email": "ada@example.com", "status": "active", "metadata": { "source": "webhook" } });
    let _created: Value = contacts.create(&contact).await?;
    Ok(Reply::json(json!({ "synced": active.len() })))
}

/// Warns of the first issue that is about to be late.
#[kiket::webhook(SlaStatus, version = "v1")]
async fn on_sla_status(event: Payload<SlaStatus>, context: Context) -> kiket::Result<Reply> {
    let endpoints = context.endpoints();
    let imminent = SlaFilter::default().state(SlaState::Imminent).limit(5);
    let events = endpoints.sla_events(known(event.project_id())?);
    let Some(first) = events.stream(imminent).next().await.transpose()? else { return Ok(Reply::ok()) };
    endpoints.log_event("sla.warning", json!({ "issue_id": first.issue_id, "state": first.state })).await?;
    Ok(Reply::json(json!({ "acknowledged": true })))
}

/// Puts heavy work off while few calls are left.
#[kiket::webhook("automation.dispatch", version = "v1")]
async fn on_dispatch(context: Context) -> kiket::Result<Reply> {
    let endpoints = context.endpoints();
    let limits = endpoints.rate_limit().await?;
    if limits.remaining < 5 {
        let body = format!("Only {} requests remain (reset in {}s)", limits.remaining, limits.reset_in);
        endpoints.notify("Rate limit warning", &body, Level::Warning).await?;
        return Ok(Reply::json(json!({ "deferred": true })));
    }
    Ok(Reply::ok())
}

/// The example runs from anywhere; an extension of its own has its manifest in its directory.
fn with_manifest(builder: ExtensionBuilder) -> ExtensionBuilder {
    builder.manifest(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/marketing/extension.yaml"))
}

async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    let builder = with_manifest(builder);
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    if ["KIKET_BASE_URL", "KIKET_WORKSPACE_TOKEN", "KIKET_EXTENSION_API_KEY"].into_iter().any(is_set) {
        return Ok(builder);
    }
    let secret = env::var("KIKET_WEBHOOK_SECRET").unwrap_or_else(|_| "sh_123".to_owned());
    let platform = || {
        let platform = FakePlatform::builder()
            .extension_id("com.example.marketing")
            .token("wk_local")
            .api_key("ek_local");
        platform.webhook_secret(secret.as_str()).on_call(log_call)
    };
    // The port that the README names, unless another process has it.
    let platform = platform().port(4000).start().or_else(|_| platform().start())?;
    let note = format!(
        "Kiket is a fake one in this process; its token is `{}`, and its calls are logged",
        platform.token()
    );
    Ok(platform.extension(builder).note(note).state(platform))
}

/// Shows what is logged; other calls may have secrets in them.
fn log_call(call: &Call) {
    let logged = if call.path().ends_with("/events") { call.json().to_string() } else { String::new() };
    tracing::info!("{call:?} {logged}");
}

kiket::main!(setup = setup);

#[cfg(test)]
mod tests {
    use kiket::testing::{self, Failure, TestExtension, TestResponse, delivery};

    use super::*;

    /// Each file is a test: what was delivered, called and responded once happens again.
    #[kiket::replay("examples/marketing/captures/*.json")]
    fn extension() -> ExtensionBuilder {
        with_manifest(Extension::builder())
    }

    fn sample() -> Value {
        serde_json::from_str(include_str!("deliveries/issue.created.json")).unwrap()
    }

    struct World {
        platform: FakePlatform,
        extension: TestExtension,
    }

    impl World {
        fn new() -> Self {
            let platform = FakePlatform::start();
            let builder = platform.extension(
                with_manifest(Extension::builder()).telemetry(|telemetry| telemetry.enabled(false)),
            );
            Self { extension: TestExtension::new(builder).unwrap(), platform }
        }

        async fn deliver(&self, event: &str, version: &str, payload: &Value) -> TestResponse {
            self.extension.deliver(delivery(event, version, payload)).await
        }
    }

    #[tokio::test]
    async fn the_first_version_logs_the_issue_and_keeps_a_secret() {
        let world = World::new();
        let response = world.deliver("issue.created", "v1", &sample()).await;
        assert_eq!((response.status(), response.json()), (200, json!({ "ok": true })));
        let logged = &world.platform.events()[0];
        assert_eq!((&logged["event"], &logged["version"]), (&json!("issue.created"), &json!("v1")));
        assert_eq!(logged["data"], json!({ "summary": "Spring campaign", "retries": 3 }));
        assert_eq!(world.platform.secret("WEBHOOK_TOKEN").as_deref(), Some("abc123"));
    }

    #[tokio::test]
    async fn the_second_version_is_in_the_reply() {
        let world = World::new();
        let response = world.deliver("issue.created", "v2", &sample()).await;
        assert_eq!((response.status(), response.json()), (200, json!({ "ok": true, "version": "v2" })));
        assert_eq!(world.platform.events()[0]["data"]["schema"], "v2");
    }

    #[tokio::test]
    async fn each_version_handles_the_same_delivery_and_replays_its_reply() {
        let world = World::new();
        for (version, replayed) in [("v1", None), ("v2", None), ("1", Some("true")), ("v2", Some("true"))] {
            let response = world.deliver("issue.created", version, &sample()).await;
            assert_eq!((response.status(), response.headers().get("x-kiket-replayed")), (200, replayed));
            assert_eq!(response.json().get("version").is_some(), version == "v2");
        }
        assert_eq!(world.platform.events().len(), 2);
    }

    #[tokio::test]
    async fn an_issue_without_a_title_is_retried_by_a_corrected_build() {
        let response = World::new().deliver("issue.created", "v1", &json!({ "issue": {} })).await;
        assert_eq!(response.status(), 500);
        assert_eq!(response.json()["error"], "issue: missing field `title`");
    }

    #[tokio::test]
    async fn a_platform_that_is_down_makes_the_delivery_come_again() {
        let world = World::new();
        world.platform.fail(Failure::status(500));
        assert_eq!(world.deliver("issue.created", "v1", &sample()).await.status(), 500);
        world.platform.clear_failures();
        assert_eq!(world.deliver("issue.created", "v1", &sample()).await.status(), 200);
    }

    #[tokio::test]
    async fn contacts_are_synced() {
        let world = World::new();
        for synced in 0..2 {
            let response = world
                .deliver("issue.assigned", "v1", &json!({ "id": synced, "issue": { "project_id": 7 } }))
                .await;
            assert_eq!(response.json(), json!({ "synced": synced }));
        }
        let (module, table) = CONTACTS;
        assert_eq!(world.platform.records(module, table).len(), 2);
    }

    #[tokio::test]
    async fn an_issue_that_is_about_to_be_late_is_warned_of() {
        let world = World::new();
        let payload = |id: u32| json!({ "id": id, "issue": { "project_id": "7" } });
        assert_eq!(
            world.deliver("workflow.sla_status", "v1", &payload(1)).await.json(),
            json!({ "ok": true })
        );
        world.platform.add_sla_event(json!({ "issue_id": 42, "project_id": "7", "state": "imminent" }));
        let response = world.deliver("workflow.sla_status", "v1", &payload(2)).await;
        assert_eq!(response.json(), json!({ "acknowledged": true }));
        assert_eq!(world.platform.events()[0]["data"], json!({ "issue_id": 42, "state": "imminent" }));
    }

    #[tokio::test]
    async fn work_is_put_off_while_few_calls_are_left() {
        let world = World::new();
        assert_eq!(
            world.deliver("automation.dispatch", "v1", &json!({ "id": 1 })).await.json(),
            json!({ "ok": true })
        );
        world.platform.set_rate_remaining(4);
        let response = world.deliver("automation.dispatch", "v1", &json!({ "id": 2 })).await;
        assert_eq!(response.json(), json!({ "deferred": true }));
        assert_eq!(world.platform.notifications()[0]["level"], "warning");
    }

    #[tokio::test]
    async fn a_handler_can_be_called_alone() {
        let world = World::new();
        let payload = Payload(IssueCreated { issue: Issue { title: "T".into() } });
        let client = world.extension.extension().client();
        let context =
            testing::context("issue.created", "v1").setting("MAX_RETRIES", 5).client(client).build();
        let reply = on_issue_created(payload, context).await.unwrap();
        assert_eq!(reply.to_json(), json!({ "ok": true }));
        assert_eq!(world.platform.events()[0]["data"]["retries"], 5);
    }
}
