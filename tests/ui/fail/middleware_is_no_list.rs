async fn audit(_: &kiket::Delivery, next: kiket::middleware::Next<'_>) -> kiket::middleware::HandlerOutcome {
    next.run().await
}

#[kiket::webhook("issue.created", version = "v1", middleware = audit)]
async fn on_issue_created() {}

fn main() {}
