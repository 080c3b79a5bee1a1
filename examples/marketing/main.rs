//! The quickstart: two versions of one event, a setting with a default, and a secret.
//!
//! `cargo run --example marketing` serves it; the README shows how to send it a signed delivery.

use kiket::prelude::*;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct IssueCreated {
    issue: Issue,
}

#[derive(Deserialize)]
struct Issue {
    title: String,
}

/// Takes note of every new issue.
#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(payload: Payload<IssueCreated>, context: Context) -> kiket::Result<Reply> {
    let retries: u32 = context.settings().get("MAX_RETRIES")?;
    let signed_in = context.settings().secret("API_KEY").is_some();
    println!("new issue {:?}: {retries} retries, with an API key: {signed_in}", payload.issue.title);
    Ok(Reply::ok())
}

/// The same for the second shape of the event, in which the version is told back.
#[kiket::webhook("issue.created", version = "v2", timeout = "5s")]
async fn on_issue_created_v2(payload: Payload<IssueCreated>, context: Context) -> Reply {
    println!("new issue {:?}, in the second shape", payload.issue.title);
    Reply::json(json!({ "ok": true, "version": context.event_version().as_str() }))
}

/// The example runs from anywhere; an extension of its own has its manifest in its directory and needs no setup.
async fn setup(builder: Builder) -> kiket::Result<Builder> {
    Ok(builder.manifest(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/marketing/extension.yaml")))
}

kiket::main!(setup = setup);

#[cfg(test)]
mod tests {
    use kiket::testing::{self, TestExtension, delivery};

    use super::*;

    fn sample() -> serde_json::Value {
        serde_json::from_str(include_str!("deliveries/issue.created.json")).unwrap()
    }

    async fn extension() -> TestExtension {
        TestExtension::new(setup(Extension::builder()).await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn the_first_version_is_answered_with_ok() {
        let answer = extension().await.deliver(delivery("issue.created", "v1", &sample())).await;
        assert_eq!((answer.status(), answer.json()), (200, json!({ "ok": true })));
    }

    #[tokio::test]
    async fn the_second_version_is_told_back() {
        let answer = extension().await.deliver(delivery("issue.created", "v2", &sample())).await;
        assert_eq!((answer.status(), answer.json()), (200, json!({ "ok": true, "version": "v2" })));
    }

    #[tokio::test]
    async fn an_issue_without_a_title_is_retried_until_a_corrected_build_is_out() {
        let answer =
            extension().await.deliver(delivery("issue.created", "v1", &json!({ "issue": {} }))).await;
        assert_eq!(answer.status(), 500);
        assert_eq!(answer.json()["error"], "issue: missing field `title`");
    }

    #[tokio::test]
    async fn a_handler_can_be_called_alone() {
        let payload = Payload(IssueCreated { issue: Issue { title: "T".into() } });
        let context = testing::context("issue.created", "v1").setting("MAX_RETRIES", 5).build();
        let reply = on_issue_created(payload, context).await.unwrap();
        assert_eq!(reply.to_json(), json!({ "ok": true }));
    }
}
