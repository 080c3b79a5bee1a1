#[kiket::webhook(42, version = "v1")]
async fn event_is_a_number() {}

#[kiket::webhook(version = "v1")]
async fn event_missing() {}

#[kiket::webhook(version = "v1", "issue.created")]
async fn event_not_first() {}

#[kiket::webhook(kiket::events::IssueCreated, version = "v1", declared)]
async fn event_type_declared() {}

fn main() {}
