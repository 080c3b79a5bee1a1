use kiket::prelude::*;
use serde::Deserialize;
use serde_json::json;

use crate::now;

#[derive(Deserialize)]
struct Issue {
    title: String,
}

macro_rules! handler {
    ($name:ident, $event:literal, $version:expr, [$($scope:tt),*], $payload:ty, $reply:ty) => {
        #[kiket::webhook($event, version = $version, scopes = [$($scope),*])]
        async fn $name(payload: Payload<$payload>, __delivery: Payload) -> $reply {
            let _ = __delivery;
            Json(payload.title.len())
        }
    };
    ($event:tt) => {
        #[kiket::webhook($event, version = "v1")]
        async fn named_by_the_macro(__a0: Payload<Issue>) -> Json<usize> {
            Json(__a0.title.len())
        }
    };
}

handler!(on_issue_created, "issue.created", "v1", ["issues:read", "issues:write"], Issue, Json<usize>);
handler!("issue.updated");

#[test]
fn macros_write_handlers() {
    let issue = || Payload(Issue { title: "T".to_owned() });
    assert_eq!(now::now(on_issue_created(issue(), Payload(json!({})))).0, 1);
    assert_eq!(now::now(named_by_the_macro(issue())).0, 1);
}
