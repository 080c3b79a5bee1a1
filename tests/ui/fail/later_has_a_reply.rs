use kiket::prelude::*;

#[kiket::webhook("issue.created", version = "v1", later)]
async fn replies() -> Reply {
    Reply::ok()
}

#[kiket::webhook("issue.created", version = "v2", later)]
async fn decides() -> kiket::Result<Decision> {
    Ok(Decision::allow())
}

#[kiket::webhook("issue.created", version = "v3", later)]
async fn acts() -> kiket::actions::Actions {
    kiket::actions::Actions::new()
}

fn main() {}
