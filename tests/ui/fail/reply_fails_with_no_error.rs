use kiket::prelude::*;

struct NotAnError;

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created() -> Result<Reply, NotAnError> {
    Err(NotAnError)
}

fn main() {}
