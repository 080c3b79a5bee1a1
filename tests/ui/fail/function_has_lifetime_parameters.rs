use kiket::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Issue<'a> {
    #[allow(dead_code)]
    title: &'a str,
}

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created<'a>(_issue: Payload<Issue<'a>>) {}

fn main() {}
