#[kiket::webhook(version = "v1")]
async fn on_issue_created() {}

fn main() {}
