use kiket::prelude::*;

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(#[cfg(unix)] _context: Context) {}

fn main() {}
