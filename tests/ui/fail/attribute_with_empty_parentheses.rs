#[kiket::webhook()]
async fn on_issue_created() {}

fn main() {}
