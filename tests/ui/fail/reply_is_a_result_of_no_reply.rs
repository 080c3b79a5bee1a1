#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created() -> kiket::Result<Vec<u8>> {
    Ok(Vec::new())
}

fn main() {}
