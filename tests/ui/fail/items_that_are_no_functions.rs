#[kiket::webhook("issue.created", version = "v1")]
const ON_ISSUE_CREATED: u8 = 1;

#[kiket::webhook("issue.created", version = "v1")]
struct OnIssueCreated;

fn stays(_: OnIssueCreated) {}

struct ItemIsAnImpl;

#[kiket::webhook("issue.created", version = "v1")]
impl ItemIsAnImpl {
    async fn item_is_an_impl() {}
}

fn main() {}
