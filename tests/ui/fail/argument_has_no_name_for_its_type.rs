use kiket::prelude::*;
use serde::de::DeserializeOwned;

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(_payload: Payload<impl DeserializeOwned>) {}

fn main() {}
