use kiket::prelude::*;
use serde::Deserialize;
use std::collections::HashMap;

use crate::registered;

#[derive(Deserialize)]
struct Issue {
    title: String,
}

struct Index;

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(
    issue: Payload<Issue>,
    json: Payload,
    context: kiket::Context,
    index: kiket::State<Index>,
    settings: kiket::Settings,
    headers: kiket::Headers,
    body: kiket::RawBody,
    fields: Payload<HashMap<String, serde_json::Value>>,
) -> Text {
    let _ = (&issue.title, &json.0, context, index, settings, headers, body, fields);
    Json(String::new())
}

type Text = Json<String>;

#[kiket::webhook("issue.deleted", version = "v1")]
async fn on_issue_deleted(context: Context, payload: Payload<Issue>) {
    let _ = (context, payload);
}

#[kiket::webhook("issue.updated", version = "v1")]
async fn on_issue_updated(payload: Payload<Issue>, context: Context) {
    let _ = (context, payload);
}

#[test]
fn eight_arguments_are_accepted() {
    assert_eq!(
        registered::registered(module_path!(), |builder| builder.state(Index)),
        [
            "issue.created v1 on_issue_created",
            "issue.deleted v1 on_issue_deleted",
            "issue.updated v1 on_issue_updated"
        ]
    );
}
