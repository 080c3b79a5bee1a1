use kiket::prelude::*;
use serde::Deserialize;
use std::borrow::Cow;

use crate::now;

#[derive(Deserialize)]
struct IssueRef<'a> {
    title: &'a str,
    #[serde(borrow)]
    body: Cow<'a, str>,
}

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(issue: Payload<IssueRef<'_>>, context: Context) -> Json<usize> {
    Json(on_issue_updated(issue, Payload("")).await.0 + context.event().as_str().len())
}

#[kiket::webhook("issue.updated", version = "v1")]
async fn on_issue_updated(issue: Payload<IssueRef<'_>>, text: Payload<&str>) -> Json<usize> {
    std::future::ready(()).await; // borrowed over a wait
    Json(issue.title.len() + issue.body.len() + text.len())
}

#[test]
fn a_payload_borrows_from_the_delivery() {
    let text = String::from("ab");
    let issue = Payload(IssueRef { title: &text, body: Cow::Borrowed(&text) });
    assert_eq!(now::now(on_issue_updated(issue, Payload(&text))).0, 6);
}
