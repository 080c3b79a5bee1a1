#[kiket::webhook(events::ISSUE_CREATED, version = "v1")]
async fn on_issue_created() {}

mod events {
    pub const ISSUE_CREATED: &str = "issue.created";
}

fn main() {}
