use kiket::prelude::*;

struct Handlers;

impl Handlers {
    #[kiket::webhook("issue.created", version = "v1")]
    async fn on_issue_created(&self, _context: Context) {}
}

fn main() {}
