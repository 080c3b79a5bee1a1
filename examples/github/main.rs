//! Pull requests and issues: deliveries with runtime tokens, scopes and secrets; an external webhook; a guard.
//!
//! It wants runtime tokens: run it beside `cargo run --example platform`, which says how to get one. Its tests show it all
//! without that: `cargo test --example github`.

use kiket::{
    Decision,
    auth::Authentication,
    events::BeforeTransition,
    external_webhook::{ExternalWebhook, GitHub},
    handler::{RequiredSecret, SecretKey},
    prelude::*,
};

struct GitHubSecret;

impl SecretKey for GitHubSecret {
    const KEY: &'static str = "GITHUB_WEBHOOK_SECRET";
}

#[derive(Deserialize)]
struct Event {
    action: String,
    pull_request: PullRequest,
    sender: Sender,
}

#[derive(Deserialize)]
struct PullRequest {
    title: String,
    html_url: String,
    #[serde(default)]
    merged: bool,
}

#[derive(Deserialize)]
struct Sender {
    login: String,
}

/// Tells the issue that a pull request is about what became of it, and closes it with the pull request.
#[kiket::webhook("external.webhook.github", version = "v1", scopes = ["issues:write"])]
async fn on_github(
    webhook: Payload<ExternalWebhook>,
    secret: RequiredSecret<GitHubSecret>,
    context: Context,
) -> kiket::Result<Reply> {
    webhook.verify(&GitHub::new(secret.expose()))?;
    let Event { action, pull_request, sender } = webhook.json()?;
    let Some(key) = issue_key(&pull_request.title) else { return Ok(Reply::ok()) };
    let issues = context.endpoints().issues();
    issues.comment(key, &format!("{} {action} {}", sender.login, pull_request.html_url)).await?;
    if action == "closed" && pull_request.merged {
        issues.transition(key, "finish").await?;
    }
    Ok(Reply::json(json!({ "issue": key })))
}

/// The key that a title begins with, like `CORE-42`.
fn issue_key(title: &str) -> Option<&str> {
    let word = title.split_whitespace().next()?;
    let (project, number) = word.split_once('-')?;
    let is_key = !project.is_empty() && project.bytes().all(|byte| byte.is_ascii_uppercase());
    (is_key && number.parse::<u32>().is_ok()).then_some(word)
}

/// Keeps blocked issues from being done.
#[kiket::webhook(BeforeTransition, version = "v1", scopes = ["issues:read"])]
async fn before_transition(event: Payload<BeforeTransition>) -> Decision {
    let done = event.transition.to.as_deref() == Some("done");
    if done && event.issue.labels.iter().any(|label| label == "blocked") {
        Decision::deny("a blocked issue cannot be done: take the label `blocked` off first")
    } else {
        Decision::allow()
    }
}

async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/github/extension.yaml");
    Ok(builder.manifest(manifest).authentication(Authentication::Both))
}

kiket::main!(setup = setup);

#[cfg(test)]
mod tests {
    use kiket::{
        config::Clock,
        events::{Issue, Transition},
        testing::{self, Attempt, DeliveryBuilder, FakePlatform, TestExtension},
    };
    use serde_json::Value;

    use super::*;

    const PULL_REQUEST: &str = include_str!("deliveries/pull_request.json");
    /// HMAC-SHA256 of the file with the secret `gh_secret`, as `openssl dgst -sha256 -hmac gh_secret` makes it.
    const SIGNATURE: &str = "sha256=62364c2ef46dd2a8b86c814f57fa9f17529232592253802248e14a163bc861b9";

    struct World {
        platform: FakePlatform,
        extension: TestExtension,
    }

    impl World {
        async fn new() -> Self {
            let platform = FakePlatform::builder().clock(Clock::fixed(1_700_000_000)).start().unwrap();
            platform.add_issue(json!({ "key": "CORE-42", "title": "No login", "status": "review" }));
            let builder = setup(
                platform.extension(Extension::builder()).telemetry(|telemetry| telemetry.enabled(false)),
            )
            .await
            .unwrap();
            Self { extension: TestExtension::new(builder).unwrap(), platform }
        }

        async fn deliver(&self, delivery: DeliveryBuilder, scopes: &[&str]) -> Attempt {
            let token = self.platform.runtime_token(scopes.iter().copied());
            self.platform.deliver(&self.extension, delivery.runtime_token(token)).await
        }
    }

    fn github(signature: &str) -> DeliveryBuilder {
        let payload = json!({
            "id": "evt_1",
            "event": "external.webhook.github",
            "action": "github",
            "external_webhook": {
                "body": PULL_REQUEST,
                "headers": { "X-Hub-Signature-256": signature },
                "content_type": "application/json",
                "method": "POST",
            },
            "received_at": "2023-11-14T22:13:20Z",
            "secrets": { "GITHUB_WEBHOOK_SECRET": "gh_secret" },
        });
        testing::delivery("external.webhook.github", "v1", &payload)
    }

    fn body(attempt: &Attempt) -> Value {
        attempt.response.as_ref().expect("a response").json()
    }

    #[tokio::test]
    async fn a_merged_pull_request_closes_its_issue() {
        let world = World::new().await;
        let attempt = world.deliver(github(SIGNATURE), &["issues:write"]).await;
        assert_eq!((attempt.status, body(&attempt)), (Some(200), json!({ "issue": "CORE-42" })));
        let comments = world.platform.comments("CORE-42");
        assert_eq!(comments[0]["body"], "ada closed https://github.example/acme/core/pull/7");
        // The calls were made with what the delivery may do, and no more.
        let calls = world.platform.calls_to("POST", "/api/v1/ext/issues/CORE-42/comments");
        assert!(calls[0].headers().get("x-kiket-runtime-token").is_some());
        assert_eq!(calls[0].headers().get("authorization"), None);
    }

    #[tokio::test]
    async fn what_github_did_not_sign_changes_nothing() {
        let world = World::new().await;
        let forged = github("sha256=0000000000000000000000000000000000000000000000000000000000000000");
        assert_eq!(world.deliver(forged, &["issues:write"]).await.status, Some(422));
        assert!(world.platform.comments("CORE-42").is_empty());
    }

    #[tokio::test]
    async fn a_delivery_that_may_only_read_is_refused() {
        let world = World::new().await;
        let attempt = world.deliver(github(SIGNATURE), &["issues:read"]).await;
        assert_eq!(
            (attempt.status, &body(&attempt)["missing_scopes"]),
            (Some(403), &json!(["issues:write"]))
        );
    }

    #[tokio::test]
    async fn a_blocked_issue_is_not_done() {
        let world = World::new().await;
        for (label, to, status) in
            [("blocked", "done", "deny"), ("blocked", "review", "allow"), ("", "done", "allow")]
        {
            let issue = Issue::new(42).title("No login").labels([label]);
            let event = BeforeTransition::new(issue, Transition::new("open", to)).id(format!("{label}{to}"));
            let attempt = world.deliver(testing::delivery_of(&event, "v1"), &["*"]).await;
            assert_eq!(body(&attempt)["status"], status, "{label} {to}");
        }
    }

    #[test]
    fn a_key_stands_at_the_beginning_of_a_title() {
        for (title, key) in [
            ("CORE-42 Mend", Some("CORE-42")),
            ("Mend CORE-42", None),
            ("co-42", None),
            ("CORE-x", None),
            ("", None),
        ] {
            assert_eq!(issue_key(title), key, "{title}");
        }
    }
}
