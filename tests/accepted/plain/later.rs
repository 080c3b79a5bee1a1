//! Handlers whose deliveries are acknowledged first.

use kiket::{events::IssueCreated, handler::Later, prelude::*};

#[kiket::webhook(IssueCreated, version = "v1", later)]
async fn with_the_defaults() {}

#[kiket::webhook(
    IssueCreated,
    version = "v2",
    later,
    timeout = "5m",
    attempts = 100,
    backoff = "1ms..24h",
    lane = "issue.id",
    on_dead = "block"
)]
async fn with_every_key(event: Payload<IssueCreated>, context: Context) -> kiket::Result<()> {
    let _ = (event, context);
    Ok(())
}

#[kiket::webhook("issue.updated", attempts = 1, lane = "id", later, version = "v1")]
async fn with_another_error() -> Result<(), std::io::Error> {
    Ok(())
}

const KEPT: Later = Later::new();

#[test]
fn they_are_registered_with_their_options() {
    let registered = crate::registered::registered(module_path!(), |builder| {
        let kept = kiket::Handler::new("issue.moved", "v1", async || ()).later(KEPT);
        builder
            .id("com.example.later")
            .inbox(|inbox| inbox.url("sqlite::memory:").without_secrets())
            .handler(kept)
    });
    assert_eq!(
        registered,
        [
            "issue.created v1 with_the_defaults",
            "issue.created v2 with_every_key",
            "issue.moved v1 they_are_registered_with_their_options::{{closure}}::{{closure}}",
            "issue.updated v1 with_another_error",
        ]
    );
}
