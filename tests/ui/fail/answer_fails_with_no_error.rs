use kiket::prelude::*;

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created() -> Result<Reply, String> {
    Err("no".to_owned())
}

fn main() {}
