use kiket::{Event, EventName};

struct IssueCreated;

impl Event for IssueCreated {
    const NAME: EventName = EventName::from_static("issue created");
}

#[kiket::webhook(IssueCreated, version = "v1")]
async fn on_issue_created() {}

fn main() {}
