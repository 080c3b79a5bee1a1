//! `kiket check` of a program with a `setup`, which is not run.

use std::{
    fs,
    process::{Command, Output},
};

use serde_json::{Value, json};

fn run(program: &mut Command, manifest: Option<&str>) -> Output {
    let folder = tempfile::tempdir().unwrap();
    if let Some(manifest) = manifest {
        fs::write(folder.path().join("extension.yaml"), manifest).unwrap();
    }
    program.current_dir(&folder).env_clear().output().unwrap()
}

const HOOKS: &str = "hooks: [issue.created, comment.created, work.slow, work.held, work.endless, work.blocking, \
                     work.broken";

#[test]
fn what_the_setup_may_add_is_undecided() {
    #[track_caller]
    fn check(manifest: Option<&str>, status: i32, expected: &[(&str, &str)]) {
        let mut program = Command::new(env!("CARGO_BIN_EXE_split"));
        let output = run(program.args(["kiket", "check", "--json"]), manifest);
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["setup"], true);
        let problems = value["problems"].as_array().unwrap();
        let found: Vec<_> =
            problems.iter().map(|problem| json!([problem["severity"], problem["id"]])).collect();
        let expected: Vec<_> = expected.iter().map(|(severity, id)| json!([severity, id])).collect();
        assert_eq!((found, output.status.code()), (expected, Some(status)), "{value:#}");
    }
    check(Some(&format!("{HOOKS}]")), 0, &[]);
    check(
        Some(&format!("{HOOKS}, of.setup, {{ event: work.slow, version: v2 }}]")),
        2,
        &[("unknown", "KIKET-E0302"), ("unknown", "KIKET-E0303")],
    );
    check(Some("hooks: [issue.created]"), 1, &[("error", "KIKET-E0301"); 6]);
    check(None, 2, &[]);
}
