#[kiket::webhook()]
async fn attribute_with_empty_parentheses() {}

#[kiket::webhook]
async fn attribute_without_arguments() {}

#[kiket::webhook("issue.created",, version = "v1")]
async fn comma_without_argument() {}

#[kiket::webhook("issue.created", version = "v1", crate = "kiket")]
async fn crate_is_a_string() {}

#[kiket::webhook("issue.created", version = "v1", declared = true)]
async fn declared_with_a_value() {}

#[kiket::webhook("issue.created", version = "v1", dedupe = "no")]
async fn dedupe_is_a_string() {}

#[kiket::webhook("issue.created", version = "v1", timeout = "5s", version = "v2")]
async fn key_given_twice() {}

#[kiket::webhook("issue.created", version = "v1", retries = 3)]
async fn key_unknown() {}

#[kiket::webhook("issue.created", version = "v1", scopes = "issues:read")]
async fn scopes_are_a_string() {}

#[kiket::webhook("issue.created", version = "v1", scopes = ["issues:read", ISSUES_WRITE])]
async fn scopes_hold_a_path() {}

const ISSUES_WRITE: &str = "issues:write";

#[kiket::webhook("issue.created", version = "v1", timeout = 5)]
async fn timeout_is_a_number() {}

async fn audit(_: &kiket::Delivery, next: kiket::middleware::Next<'_>) -> kiket::middleware::HandlerOutcome {
    next.run().await
}

#[kiket::webhook("issue.created", version = "v1", middleware = audit)]
async fn middleware_is_no_list() {}

#[kiket::webhook("issue.created", version = "v1", attempts = 3, dedupe = false)]
async fn at_once() {}

#[kiket::webhook("issue.created", version = "v2", later, dedupe = false, on_dead = "block")]
async fn twice() {}

fn main() {}
