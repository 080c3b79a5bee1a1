#[kiket::webhook(42, version = "v1")]
async fn on_issue_created() {}

fn main() {}
