//! Scopes are carried and not enforced yet, so a handler that requires some must not start.
//!
//! In a program of its own: this handler would keep all others from starting.

use kiket::prelude::*;

#[kiket::webhook("issue.created", version = "v1", scopes = ["issues.read"])]
async fn on_issue_created() {}

#[test]
fn a_handler_that_requires_scopes_is_refused_by_name() {
    let error = Extension::builder().without_manifest().webhook_secret("sh_123").build().unwrap_err();
    let [problem] = error.problems() else { panic!("{error}") };
    assert!(problem.what().starts_with("`scopes::on_issue_created` requires scopes"), "{problem}");
    let place = problem.place().unwrap();
    assert!(place.file.ends_with("tests/scopes.rs") && place.line == 7, "{place}");
}
