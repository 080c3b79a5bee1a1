#![allow(async_fn_in_trait)]

trait Handlers {
    #[kiket::webhook("issue.created", version = "v1")]
    async fn on_issue_created();
}

fn main() {}
