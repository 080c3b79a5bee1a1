use crate::registered;

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created() {}

#[test]
fn a_handler_needs_no_arguments() {
    assert_eq!(
        registered::registered(module_path!(), |builder| builder),
        ["issue.created v1 on_issue_created"]
    );
}
