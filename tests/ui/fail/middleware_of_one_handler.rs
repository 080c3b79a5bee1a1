use kiket::{
    Delivery,
    handler::HandlerFuture,
    middleware::{HandlerOutcome, Middleware, Next},
};

async fn without_next(_: &Delivery) -> HandlerOutcome {
    Ok(kiket::Reply::ok())
}

struct Limit(String);

impl Limit {
    fn new(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl Middleware for Limit {
    fn handle<'d>(&'d self, _: &'d Delivery, next: Next<'d>) -> HandlerFuture<'d> {
        next.run()
    }
}

#[kiket::webhook("issue.created", version = "v1", middleware = [without_next, "audit"])]
async fn on_issue_created() {}

#[kiket::webhook("issue.updated", version = "v1", middleware = [Limit::new("a")])]
async fn on_issue_updated() {}

fn main() {}
