use kiket::prelude::*;

#[kiket::webhook("issue.created", version = "v1", later)]
async fn replies() -> Reply {
    Reply::ok()
}

#[kiket::webhook("issue.created", version = "v2", later)]
async fn decides() -> kiket::Result<Decision> {
    Ok(Decision::allow())
}

fn main() {}
