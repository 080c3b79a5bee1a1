#[kiket::webhook("issue.created", version = "v1")]
const ON_ISSUE_CREATED: u8 = 1;

fn main() {}
