use std::time::Duration;

use kiket::{
    Decision, Delivery, Extension, Handler, Payload, Reply,
    auth::Authentication,
    handler::HandlerFuture,
    middleware::{HandlerOutcome, Middleware, Next},
};

async fn audit(delivery: &Delivery, next: Next<'_>) -> HandlerOutcome {
    let outcome = next.run().await;
    println!("{}: {}", delivery.event(), outcome.is_ok());
    outcome
}

struct Limit {
    name: String,
}

impl Middleware for Limit {
    fn handle<'d>(&'d self, delivery: &'d Delivery, next: Next<'d>) -> HandlerFuture<'d> {
        Box::pin(async move {
            println!("{} {}", self.name, delivery.event());
            next.run().await
        })
    }
}

async fn handler(payload: Payload) -> Reply {
    Reply::json(payload.0)
}

/// The event is no guard, and a decision is a reply all the same.
async fn decides() -> Decision {
    Decision::allow()
}

#[test]
fn the_builder_takes_middleware_and_options() {
    let extension = Extension::builder()
        .without_collected()
        .without_manifest()
        .webhook_secret("sh_123")
        .client(|client| client.base_url("https://kiket.dev"))
        .authentication(Authentication::Both)
        .middleware(audit)
        .middleware(async |_: &Delivery, next: Next<'_>| next.run().await)
        .middleware(Limit { name: "limit".to_owned() })
        .handler(
            Handler::new("a.b", "v1", handler)
                .timeout(Duration::from_secs(5))
                .scopes(["issues:read"])
                .dedupe(false)
                .middleware(audit),
        )
        .on("issue.created", "v1", decides)
        .build()
        .unwrap();
    assert_eq!(extension.events(), ["a.b", "issue.created"]);
    assert_eq!(extension.report().handlers[0].timeout, Duration::from_secs(5));
}
