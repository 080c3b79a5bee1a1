#[kiket::webhook("issue.created", version = "v1", later, attempts = 3, backoff = "10s..1h")]
async fn on_issue_created() {}

#[kiket::schedule("0 7 * * *", zone = "Europe/Berlin")]
async fn remind() {}

fn main() {}
