#[kiket::webhook("issue.created", version = "v1", attempts = 3, dedupe = false)]
async fn at_once() {}

#[kiket::webhook("issue.created", version = "v2", later, dedupe = false, on_dead = "block")]
async fn twice() {}

fn main() {}
