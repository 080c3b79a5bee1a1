struct Handlers;

#[kiket::webhook("issue.created", version = "v1")]
impl Handlers {
    async fn on_issue_created() {}
}

fn main() {}
