#[kiket::webhook("issue.created", version = "v1")]
struct OnIssueCreated;

fn stays(_: OnIssueCreated) {}

fn main() {}
