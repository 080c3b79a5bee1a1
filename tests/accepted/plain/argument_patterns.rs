use kiket::prelude::*;
use serde::Deserialize;
use serde_json::json;

use crate::now;

#[derive(Deserialize)]
struct Issue {
    title: String,
    labels: (u8, u8),
}

#[kiket::webhook("issue.created", version = "v1")]
async fn destructured(
    Payload(Issue { title, labels: (first, ..) }): Payload<Issue>,
    _: Payload,
) -> Json<String> {
    Json(format!("{title} {first}"))
}

#[kiket::webhook("issue.updated", version = "v1")]
async fn changed(mut issue: Payload<Issue>, #[allow(unused_variables)] json: Payload) -> Json<String> {
    issue.0.title.push('!');
    Json(issue.0.title)
}

#[test]
fn arguments_are_taken_apart() {
    let issue = || Payload(Issue { title: "T".to_owned(), labels: (1, 2) });
    assert_eq!(now::now(destructured(issue(), Payload(json!({})))).0, "T 1");
    assert_eq!(now::now(changed(issue(), Payload(json!({})))).0, "T!");
}
