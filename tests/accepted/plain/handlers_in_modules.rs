use kiket::prelude::*;
use serde::Deserialize;

use crate::{now, registered};

#[derive(Deserialize)]
struct Issue {
    title: String,
}

mod issues {
    use super::Issue;
    use kiket::{Json, Payload};

    #[kiket::webhook("issue.created", version = "v1")]
    pub(super) async fn created(issue: Payload<Issue>) -> Json<usize> {
        Json(issue.title.len())
    }

    pub(crate) mod labels {
        #[kiket::webhook("issue.labeled", version = "v1")]
        pub(in crate::plain::handlers_in_modules::issues) async fn created(
            issue: kiket::Payload<super::super::Issue>,
        ) -> kiket::Json<usize> {
            super::created(issue).await
        }

        #[kiket::webhook("issue.unlabeled", version = "v1")]
        async fn private(_: kiket::Payload<crate::plain::handlers_in_modules::Issue>) {}
    }

    #[kiket::webhook("issue.relabeled", version = "v1")]
    pub async fn relabeled(issue: Payload<Issue>) -> Json<usize> {
        labels::created(issue).await
    }
}

#[test]
fn handlers_are_found_in_modules_and_bodies() {
    #[kiket::webhook("issue.deleted", version = "v1")]
    async fn in_a_body(issue: Payload<Issue>) -> Json<usize> {
        issues::relabeled(issue).await
    }

    assert_eq!(now::now(in_a_body(Payload(Issue { title: "T".to_owned() }))).0, 1);
    assert_eq!(
        registered::registered(module_path!(), |builder| builder),
        [
            "issue.created v1 issues::created",
            "issue.deleted v1 in_a_body",
            "issue.labeled v1 issues::labels::created",
            "issue.relabeled v1 issues::relabeled",
            "issue.unlabeled v1 issues::labels::private"
        ]
    );
}
