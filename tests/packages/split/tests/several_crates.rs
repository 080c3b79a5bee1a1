//! Which crates' handlers belong to an extension, when several have some.

use foreign as _;
use kiket::prelude::*;
use split as _;

#[track_caller]
fn check(choose: impl FnOnce(ExtensionBuilder) -> ExtensionBuilder, parts: &[&str]) {
    let builder = Extension::builder().without_manifest().webhook_secret("sh_123");
    let error = choose(builder).build().unwrap_err();
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(error.problems().len(), parts.len(), "{text}");
}

/// The state that the library requires and this program does not provide: its handlers were taken.
const TAKEN: &str =
    "no value for `State<split::comments::Count>`, required by `split::comments::on_comment_created`";

#[test]
fn unless_they_are_named_only_one_crate_may_have_handlers() {
    check(|builder| builder, &["several crates have handlers: `foreign`, `split`"]);
}

#[test]
fn every_crate_that_is_not_named_is_reported_with_its_functions() {
    check(
        |builder| builder.crates(["split"]),
        &[
            "the crate `foreign` has handlers and is not named as part of this extension: `foreign::export_account`",
        ],
    );
    check(
        |builder| builder.crates(["foreign"]),
        &["`split::comments::on_comment_created`, `split::issues::on_issue_created`"],
    );
    check(|builder| builder.crates(["neither"]), &["the crate `foreign`", "the crate `split`"]);
}

#[tokio::test]
async fn the_handlers_of_all_named_crates_are_taken() {
    check(|builder| builder.crates(["split", "foreign"]), &[TAKEN]);
    let builder =
        Extension::builder().without_manifest().webhook_secret("sh_123").crates(["foreign", "split"]);
    let extension = split::setup(builder).await.unwrap().build().unwrap();
    assert_eq!(extension.report().handlers.len(), 9);
    assert_eq!(extension.events()[0], "account.export");
}

#[tokio::test]
async fn a_named_crate_without_handlers_is_a_warning() {
    let builder = Extension::builder().without_manifest().webhook_secret("sh_123");
    let builder = builder.crates(["split", "foreign", "handlers-lib"]);
    let extension = split::setup(builder).await.unwrap().build().unwrap();
    let [warning] = extension.report().warnings.as_slice() else { panic!("{:?}", extension.report()) };
    assert_eq!(
        warning.what,
        "the crate `handlers-lib` is named as part of this extension and has no handlers"
    );
    assert!(warning.help.as_deref().unwrap().contains("`use handlers_lib as _;`"), "{warning}");
}

#[test]
fn none_are_taken_when_they_are_left_out() {
    let builder = Extension::builder().without_manifest().webhook_secret("sh_123").without_collected();
    let extension = builder.on("a", "v1", async || ()).build().unwrap();
    assert_eq!(extension.events(), ["a"]);
}
