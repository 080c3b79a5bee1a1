#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created() -> Vec<u8> {
    Vec::new()
}

fn main() {}
