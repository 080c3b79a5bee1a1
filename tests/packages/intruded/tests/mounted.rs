//! The test of `kiket::manifest_test!`, for programs with a `main` of their own.

use std::{
    fs,
    process::{Command, Output},
};

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created() {}

kiket::manifest_test!(crate = kiket, crates = [foreign]);

#[test]
fn it_passes_where_it_cannot_tell() {
    #[track_caller]
    fn check(manifest: &str, passes: bool, expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("extension.yaml"), manifest).unwrap();
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.current_dir(&folder).args(["--exact", "the_manifest_fits_the_handlers"]);
        let Output { status, stdout, stderr } = program.output().unwrap();
        let text = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
        assert!(status.success() == passes && text.contains(expected), "{text}");
    }
    check("hooks: [issue.created, account.export]", true, "1 passed");
    check("hooks: [issue.created, account.export, of.builder]", true, "may add handlers");
    check("hooks: [issue.created]", false, "`account.export` is handled by `foreign::export_account`");
}
