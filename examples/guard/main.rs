//! A guard: it allows, denies or holds the transitions of a workflow.
//!
//! `cargo run --example guard` serves it.

use kiket::{Decision, prelude::*};
use serde::Deserialize;

#[derive(Deserialize)]
struct BeforeTransition {
    issue: Issue,
    transition: Transition,
}

#[derive(Deserialize)]
struct Issue {
    #[serde(default)]
    approvals: Vec<String>,
}

#[derive(Deserialize)]
struct Transition {
    to: String,
    performed_by: String,
}

/// Nothing is done before enough others approved it.
#[kiket::webhook("workflow.before_transition", version = "v1")]
async fn before_transition(
    payload: Payload<BeforeTransition>,
    settings: Settings,
) -> kiket::Result<Decision> {
    let BeforeTransition { issue, transition } = &*payload;
    if transition.to != "done" {
        return Ok(Decision::allow());
    }
    if issue.approvals.contains(&transition.performed_by) {
        return Ok(Decision::deny("who approved an issue cannot close it")
            .data("closer", transition.performed_by.as_str()));
    }
    let required: usize = settings.get("REQUIRED_APPROVALS")?;
    match required.saturating_sub(issue.approvals.len()) {
        0 => Ok(Decision::allow().output_field("approved_by", issue.approvals.clone())),
        missing => Ok(Decision::pending(format!("{missing} more approvals are needed"))),
    }
}

// Each capture is a test of the whole extension.
#[cfg_attr(test, kiket::replay("examples/guard/captures/*.json"))]
async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    Ok(builder.manifest(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/guard/extension.yaml")))
}

kiket::main!(setup = setup);

#[cfg(test)]
mod tests {
    use kiket::testing::{TestExtension, delivery};
    use serde_json::{Value, json};

    use super::*;

    async fn decide(change: impl FnOnce(&mut Value)) -> Value {
        let mut payload = serde_json::from_str(include_str!("deliveries/before_transition.json")).unwrap();
        change(&mut payload);
        let extension = TestExtension::new(setup(Extension::builder()).await.unwrap()).unwrap();
        let response = extension.deliver(delivery("workflow.before_transition", "v1", &payload)).await;
        assert_eq!(response.status(), 200);
        response.json()
    }

    #[tokio::test]
    async fn enough_approvals_allow() {
        let approvals = json!(["ada@example.com", "grace@example.com"]);
        assert_eq!(
            decide(|_| ()).await,
            json!({ "status": "allow", "metadata": { "output_fields": { "approved_by": approvals } } })
        );
    }

    #[tokio::test]
    async fn other_transitions_are_allowed() {
        let decision = decide(|payload| payload["transition"]["to"] = "review".into()).await;
        assert_eq!(decision, json!({ "status": "allow", "metadata": {} }));
    }

    #[tokio::test]
    async fn too_few_approvals_hold() {
        let decision = decide(|payload| payload["issue"]["approvals"] = json!(["ada@example.com"])).await;
        assert_eq!(
            decision,
            json!({ "status": "pending", "message": "1 more approvals are needed", "metadata": {} })
        );
    }

    #[tokio::test]
    async fn an_approver_cannot_close() {
        let decision =
            decide(|payload| payload["transition"]["performed_by"] = "ada@example.com".into()).await;
        assert_eq!(decision["status"], "deny");
        assert_eq!(decision["metadata"], json!({ "closer": "ada@example.com" }));
    }
}
