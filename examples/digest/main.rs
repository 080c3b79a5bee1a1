//! A digest: new issues are acknowledged at once and noted later, one after the other in each project, and a schedule sums them up
//! each morning.
//!
//! `cargo run --example digest` serves it, with an SQLite file as its inbox and a fake Kiket beside it; no account, no key. With
//! the feature `postgres` and `KIKET_DEDUPE_URL=postgres://…`, version `v2` of the event counts issues in a table of its own,
//! exactly once.

use std::env;

use kiket::{
    api::{Level, Query, Table},
    prelude::*,
    testing::{Call, FakePlatform},
};
use serde_json::Value;

#[derive(Deserialize)]
struct IssueCreated {
    project_id: u64,
    issue: Issue,
}

#[derive(Deserialize)]
struct Issue {
    title: String,
}

/// The notes of a project, which Kiket keeps.
fn notes(context: &Context, project: u64) -> Table {
    context.as_workspace().endpoints().custom_data(project).table("com.example.digest", "notes")
}

/// Notes a new issue. Kiket has its 202 before this runs; a project's issues are noted in the order in which they came.
#[kiket::webhook(
    "issue.created",
    version = "v1",
    later,
    timeout = "1m",
    attempts = 8,
    backoff = "10s..1h",
    lane = "project_id"
)]
async fn on_issue_created(Payload(event): Payload<IssueCreated>, context: Context) -> kiket::Result<()> {
    // The call has an idempotency key that is made from the delivery: an attempt that runs again adds no second note.
    let note = json!({ "title": event.issue.title, "delivery": context.delivery_key() });
    let _noted: Value = notes(&context, event.project_id).create(&note).await?;
    Ok(())
}

/// Sends the digest of a project, and removes the notes that are in it.
#[kiket::schedule("0 7 * * mon-fri", zone = "Europe/Berlin")]
async fn send_digest(context: Context) -> kiket::Result<()> {
    let notes = notes(&context, context.settings().get("DIGEST_PROJECT")?);
    let new: Vec<Value> = notes.list(Query::new().limit(100)).await?;
    if new.is_empty() {
        return Ok(());
    }
    let titles: Vec<_> = new.iter().filter_map(|note| note["title"].as_str()).collect();
    let title = format!("{} new issues", titles.len());
    context.as_workspace().endpoints().notify(&title, &titles.join("\n"), Level::Info).await?;
    for note in &new {
        let id = &note["id"]; // a number or a text
        notes.delete(&id.as_str().map_or_else(|| id.to_string(), str::to_owned)).await?;
    }
    Ok(())
}

/// The second version counts in a table of its own: the row and the stored reply are committed together, or neither is.
#[cfg(feature = "postgres")]
mod counted {
    use kiket::{Handler, Tx, params, prelude::*};

    use super::IssueCreated;

    pub(super) async fn on_issue_created(
        Payload(event): Payload<IssueCreated>,
        tx: Tx,
    ) -> kiket::Result<Reply> {
        let project = i64::try_from(event.project_id)?;
        tx.execute(
            "CREATE TABLE IF NOT EXISTS digest (project bigint PRIMARY KEY, issues bigint NOT NULL)",
            params![],
        )
        .await?;
        let count = "INSERT INTO digest VALUES ($1, 1) ON CONFLICT (project) DO UPDATE SET issues = digest.issues + 1 \
                     RETURNING issues";
        let issues: i64 = tx.query_one(count, params![project]).await?.get("issues")?;
        Ok(Reply::json(json!({ "issues": issues })))
    }

    pub(super) fn handler() -> Handler {
        Handler::new("issue.created", "v2", on_issue_created)
    }
}

/// The example runs from anywhere; an extension of its own has its manifest in its directory.
fn with_manifest(builder: ExtensionBuilder) -> ExtensionBuilder {
    builder
        .manifest(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/digest/extension.yaml"))
        // Neither secrets nor tokens are stored, so that no key is needed.
        .inbox(|inbox| inbox.workers(4).without_secrets())
}

async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    let builder = with_manifest(builder);
    #[cfg(feature = "postgres")]
    let builder = match env::var("KIKET_DEDUPE_URL") {
        Ok(url) if url.starts_with("postgres") => builder.handler(counted::handler()),
        _ => builder,
    };
    if env::var("KIKET_BASE_URL").is_ok_and(|url| !url.is_empty()) {
        return Ok(builder);
    }
    let platform = FakePlatform::builder().extension_id("com.example.digest").on_call(log_call).start()?;
    Ok(platform
        .extension(builder)
        .note("Kiket is a fake one in this process; its calls are logged")
        .state(platform))
}

fn log_call(call: &Call) {
    tracing::info!("{call:?}");
}

kiket::main!(setup = setup);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kiket::{
        config::Clock,
        testing::{Failure, TestExtension, delivery},
    };

    use super::*;

    struct World {
        platform: FakePlatform,
        extension: TestExtension,
    }

    impl World {
        fn new() -> Self {
            let platform = FakePlatform::start();
            let builder = with_manifest(Extension::builder()).telemetry(|telemetry| telemetry.enabled(false));
            let builder = builder.inbox(|inbox| inbox.url("sqlite::memory:"));
            let builder = builder.clock(Clock::fixed(1_700_000_000)); // a Tuesday, after work
            let extension = TestExtension::new(platform.extension(builder)).unwrap();
            Self { platform, extension }
        }

        async fn create(&self, id: &str, title: &str) -> u16 {
            let body = json!({ "id": id, "project_id": 1, "issue": { "title": title } });
            self.extension.deliver(delivery("issue.created", "v1", &body)).await.status()
        }

        fn titles(&self) -> Vec<String> {
            let notes = self.platform.records("com.example.digest", "notes");
            notes.iter().map(|note| note["title"].as_str().unwrap().to_owned()).collect()
        }
    }

    #[tokio::test]
    async fn an_issue_is_acknowledged_first_and_noted_later() {
        let world = World::new();
        assert_eq!(world.create("evt_1", "Spring campaign").await, 202);
        assert!(world.titles().is_empty());
        world.extension.inbox().run_until_idle().await;
        assert_eq!(world.titles(), ["Spring campaign"]);
        // A redelivery is acknowledged again, and nothing runs.
        assert_eq!(world.create("evt_1", "Spring campaign").await, 202);
        assert!(world.extension.inbox().run_until_idle().await.is_empty());
    }

    #[tokio::test]
    async fn a_kiket_that_is_down_holds_up_a_project_in_order() {
        let world = World::new();
        world.create("evt_1", "first").await;
        world.create("evt_2", "second").await;
        world.platform.fail(Failure::status(500));
        world.extension.inbox().run_until_idle().await;
        assert!(world.titles().is_empty());
        world.platform.clear_failures();
        world.extension.inbox().run_to_end().await;
        assert_eq!(world.titles(), ["first", "second"]);
    }

    #[tokio::test]
    async fn the_digest_is_sent_in_the_morning_once() {
        let world = World::new();
        world.create("evt_1", "first").await;
        world.create("evt_2", "second").await;
        world.extension.inbox().run_until_idle().await;
        assert!(world.platform.notifications().is_empty());
        for _ in 0..2 {
            // To a Saturday, and on to a Wednesday.
            world.extension.clock().advance(Duration::from_secs(4 * 24 * 60 * 60));
            world.extension.inbox().run_until_idle().await;
        }
        let sent = world.platform.notifications();
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert_eq!((&sent[0]["title"], &sent[0]["body"]), (&json!("2 new issues"), &json!("first\nsecond")));
        assert!(world.titles().is_empty());
    }
}
