#[kiket::webhook(42, version = "v1")]
async fn event_is_a_number() {}

#[kiket::webhook(version = "v1")]
async fn event_missing() {}

#[kiket::webhook(version = "v1", "issue.created")]
async fn event_not_first() {}

#[kiket::webhook(kiket::events::IssueCreated, version = "v1", declared)]
async fn event_type_declared() {}

struct Sent<A, B>(A, B);

#[kiket::webhook(Sent<u8, u16>, version = "v1")]
async fn event_type_with_a_comma() {}

fn main() {}
