#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created()
where
    String: Clone,
{
}

fn main() {}
