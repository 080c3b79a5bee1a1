use kiket::{Delivery, middleware::HandlerOutcome};

async fn without_next(_: &Delivery) -> HandlerOutcome {
    Ok(kiket::Reply::ok())
}

#[kiket::webhook("issue.created", version = "v1", middleware = [without_next, "audit"])]
async fn on_issue_created() {}

fn main() {}
