use kiket::prelude::*;

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created<const N: usize>(_numbers: Payload<[u8; N]>) {}

fn main() {}
