//! The test that `kiket::main!` generates: it compares the manifest in the folder where it runs.

use std::{
    fs,
    process::{Command, Output},
};

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created() {}

#[kiket::webhook("issue.closed", version = "v1")]
async fn on_issue_closed() {}

kiket::main!();

/// Runs the generated test of this program in a folder with that manifest, or with none.
fn run(manifest: Option<&str>) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    if let Some(manifest) = manifest {
        fs::write(folder.path().join("extension.yaml"), manifest).unwrap();
    }
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.current_dir(&folder).args(["--exact", "the_manifest_fits_the_handlers"]);
    let Output { status, stdout, stderr } = program.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(text.contains("running 1 test"), "{text}");
    (status.success(), text)
}

#[test]
fn a_misspelt_hook_fails_with_the_text_of_the_start() {
    let (passed, text) = run(Some("id: a\nhooks:\n  - issue.created\n  - issue.closd\n"));
    assert!(!passed, "{text}");
    for expected in [
        "`issue.closed` is handled by `generated::on_issue_closed`, and `extension.yaml` does not declare it",
        "`issue.closd` is declared and has no handler\n  --> extension.yaml:4:5\n   |\n 4 |   - issue.closd\n   |     ^\n   = \
         help: did you mean `issue.closed`?",
    ] {
        assert!(text.contains(expected), "{expected}\nis not in\n{text}");
    }
}

#[test]
fn a_manifest_that_is_no_yaml_fails() {
    let (passed, text) = run(Some("hooks: [issue.created, issue.closed\n"));
    assert!(!passed && text.contains("--> extension.yaml:"), "{text}");
}

#[test]
fn a_manifest_that_fits_passes() {
    let (passed, text) = run(Some("hooks: [issue.created, issue.closed]"));
    assert!(passed && !text.contains("not compared"), "{text}");
}

#[test]
fn without_a_manifest_it_passes_and_says_so() {
    let (passed, text) = run(None);
    assert!(
        passed && text.contains("the manifest is not compared with all handlers: there is no manifest"),
        "{text}"
    );
}
