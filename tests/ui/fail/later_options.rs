#[kiket::webhook("issue.created", version = "v1", later, attempts = 0)]
async fn never() {}

#[kiket::webhook("issue.created", version = "v2", later, backoff = "1h..10s")]
async fn backwards() {}

#[kiket::webhook("issue.created", version = "v3", later, lane = "issue..id", on_dead = "wait")]
async fn nowhere() {}

fn main() {}
