//! `check`, `handlers` and `explain`, with an extension that is built already: a program in place of cargo says where it is.
#![cfg(unix)]

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a manifest, with the code of the extension, and with a program in place of cargo.
struct Project(TempDir);

impl Project {
    fn new(manifest: &str) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        project.write("extension.yaml", manifest);
        let code = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/crm.rs")).unwrap();
        project.write("cargo-kiket/examples/crm.rs", &code);
        let built = json!({ "manifest_path": project.path("Cargo.toml"), "executable": extension() });
        project.write("cargo", &format!("#!/bin/sh\necho '{built}'\n"));
        fs::set_permissions(project.path("cargo"), fs::Permissions::from_mode(0o755)).unwrap();
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn manifest(&self) -> String {
        fs::read_to_string(self.path("extension.yaml")).unwrap()
    }

    fn tool(&self, arguments: &[&str]) -> Output {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_cargo-kiket"));
        tool.args(arguments).current_dir(self.0.path()).env_clear().env("CARGO", self.path("cargo"));
        tool.output().unwrap()
    }

    /// What a command prints, and its status.
    #[track_caller]
    fn prints(&self, arguments: &[&str], status: i32) -> String {
        let output = self.tool(arguments);
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The example `crm`, which is built with the tests.
fn extension() -> PathBuf {
    let program = env::current_exe().unwrap();
    let extension = program.ancestors().nth(2).unwrap().join("examples/crm");
    assert!(
        extension.is_file(),
        "`cargo test` builds it; `--test check` alone needs `cargo build --example crm` before"
    );
    extension
}

const RIGHT: &str = "id: com.example.crm\nhooks:\n  - issue.created\n  - issue.closed\n  - crm.sync\nsettings:\n  - key: CRM_TOKEN\n    secret: true\n";

const WRONG: &str = "\
# The extension of the CRM.
id: com.example.crm
versoin: '1.0.0' # quoted
hooks:
  - issue.created
  - \"issue.closd\" # renamed in 2024
settings:
  - key: REGION
    default: eu
";

#[test]
fn what_fits_is_said_in_one_line() {
    let project = Project::new(RIGHT);
    assert_eq!(project.prints(&["check"], 0), "extension.yaml and the handlers fit together\n");
    assert_eq!(
        project.prints(&["check", "--format", "json"], 0),
        "{\"format\":1,\"manifest\":\"extension.yaml\",\"problems\":[],\"setup\":false}\n"
    );
}

#[test]
fn the_manifest_is_mended_and_stays_itself() {
    let project = Project::new(WRONG);
    let diff = project.prints(&["check", "--fix", "--diff"], 1);
    assert_eq!(project.manifest(), WRONG, "`--diff` writes nothing");
    for line in [
        "-versoin: '1.0.0' # quoted",
        "+version: '1.0.0' # quoted",
        "+  - \"crm.sync\"",
        " # The extension of the CRM.",
    ] {
        assert!(diff.lines().any(|found| found == line), "{line} is not in\n{diff}");
    }
    let text = project.prints(&["check", "--fix"], 0);
    assert_eq!(text, "extension.yaml and the handlers fit together\n");
    let expected = "\
# The extension of the CRM.
id: com.example.crm
version: '1.0.0' # quoted
hooks:
  - issue.created
  - \"issue.closed\" # renamed in 2024
  - \"crm.sync\"
settings:
  - key: REGION
    default: eu
  - key: CRM_TOKEN
    secret: true
    required: true
";
    assert_eq!(project.manifest(), expected);
    project.prints(&["check", "--fix"], 0);
    assert_eq!(project.manifest(), expected, "a second run changes nothing");
    assert_eq!(project.prints(&["check", "--fix", "--diff"], 0), "");
}

#[test]
fn json_says_what_was_mended() {
    let project = Project::new(WRONG);
    let planned = project.prints(&["--json", "check", "--fix", "--diff"], 1);
    let planned: Value = serde_json::from_str(&planned).unwrap();
    assert_eq!((&planned["fixed"], &planned["not_fixed"]), (&json!([]), &json!([])));
    assert_eq!(planned["diff"], project.prints(&["check", "--fix", "--diff"], 1));
    assert_eq!(project.manifest(), WRONG, "`--diff` writes nothing");
    let value: Value = serde_json::from_str(&project.prints(&["--json", "check", "--fix"], 0)).unwrap();
    assert!(value.get("diff").is_none(), "{value}");
    let kinds: Vec<_> = value["fixed"].as_array().unwrap().iter().map(|fix| fix["kind"].clone()).collect();
    assert_eq!(kinds, ["rename_hook", "rename_key", "add_hook", "add_setting"]);
    assert_eq!((&value["not_fixed"], &value["problems"]), (&json!([]), &json!([])));
}

/// The rules of SARIF 2.1.0 that code scanning needs, by hand: required members, their types, and references that resolve.
#[test]
fn sarif_has_what_code_scanning_reads() {
    let project = Project::new(WRONG);
    let log: Value = serde_json::from_str(&project.prints(&["check", "--format", "sarif"], 1)).unwrap();
    assert_eq!((log["version"].as_str(), log["$schema"].as_str().is_some()), (Some("2.1.0"), true));
    let [run] = log["runs"].as_array().unwrap().as_slice() else { panic!("{log:#}") };
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "cargo-kiket");
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        assert!(rule["id"].as_str().unwrap().starts_with("KIKET-E"));
        assert!(rule["shortDescription"]["text"].as_str().unwrap().ends_with('.'));
        assert!(rule["helpUri"].as_str().unwrap().contains("docs/problems.md#kiket-e"));
    }
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 5, "{log:#}");
    for result in results {
        assert!(["error", "warning", "note", "none"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        for location in result["locations"].as_array().unwrap() {
            let physical = &location["physicalLocation"];
            let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
            assert!(["extension.yaml", "cargo-kiket/examples/crm.rs"].contains(&uri), "{uri}");
            let region = &physical["region"];
            assert!(region["startLine"].as_u64().unwrap() > 0);
            assert!(region.get("startColumn").is_none_or(|column| column.as_u64().unwrap() > 0));
        }
    }
}

#[test]
fn nothing_of_a_secret_is_printed() {
    let manifest = "delivery_secret: ' canary'\nsettings: [{ key: A, secert: canary, secret: true, default: your-canary }]\n\
                    hooks: [{ event: issue.closd, secret: canary }, issue.created, crm.sync]\n";
    let misspelt = "delivery_secert: canary\nhooks: [issue.closed, issue.created, crm.sync]\n\
                    settings: [{ key: CRM_TOKEN, secert: true, default: canary }]\n";
    for project in [manifest, misspelt].map(Project::new) {
        for arguments in [
            &["check"][..],
            &["check", "--format", "json"],
            &["check", "--format", "sarif"],
            &["handlers"],
            &["check", "--fix", "--diff"],
            &["check", "--fix", "--diff", "--format", "json"],
        ] {
            let output = project.tool(arguments);
            let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            assert!(!text.contains("canary"), "{text}");
        }
    }
}

#[test]
fn a_manifest_that_does_not_parse_is_left_alone() {
    let project = Project::new("hooks: [issue.created\n");
    let text = project.prints(&["check", "--fix"], 1);
    assert!(text.contains("error[KIKET-E0103]"), "{text}");
    assert_eq!(project.manifest(), "hooks: [issue.created\n");
    let none = Project::new("");
    fs::remove_file(none.path("extension.yaml")).unwrap();
    assert_eq!(none.prints(&["check"], 0), "there is no manifest: nothing is compared\n");
    assert_eq!(none.tool(&["check", "--fix"]).status.code(), Some(65));
}

#[test]
fn the_handlers_are_a_table() {
    let project = Project::new(RIGHT);
    let expected = "\
event          version  function               place                           timeout  scopes  runs
crm.sync       v1       crm::on_sync           cargo-kiket/examples/crm.rs:22  10s      -       at once
issue.closed   v1       crm::on_issue_closed   cargo-kiket/examples/crm.rs:19  10s      -       at once
issue.created  v1       crm::on_issue_created  cargo-kiket/examples/crm.rs:8   5s       -       at once
";
    assert_eq!(project.prints(&["handlers"], 0), expected);
    let value: Value = serde_json::from_str(&project.prints(&["handlers", "--json"], 0)).unwrap();
    assert_eq!(value["handlers"][1]["function"], "crm::on_issue_closed");
}

#[test]
fn each_id_is_explained() {
    let project = Project::new(RIGHT);
    let page = project.prints(&["explain", "kiket-e0302"], 0);
    assert!(page.starts_with("KIKET-E0302\n\nThe manifest declares an event that has no handler."), "{page}");
    let all = project.prints(&["explain"], 0);
    assert!(all.lines().count() > 60 && all.lines().all(|line| line.starts_with("KIKET-E")), "{all}");
    for id in all.lines().map(|line| line.split_once(' ').unwrap().0) {
        assert!(project.prints(&["explain", id], 0).contains("**Fix**"));
    }
    assert_eq!(project.tool(&["explain", "KIKET-E9999"]).status.code(), Some(64));
}

/// The text blocks of the docs are what the tool prints.
#[test]
fn the_docs_show_what_is_printed() {
    let docs =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/developer-tool.md")).unwrap();
    let project = Project::new(WRONG);
    for (arguments, status) in [
        (&["check"][..], 1),
        (&["check", "--fix", "--diff"], 1),
        (&["handlers"], 0),
        (&["explain", "KIKET-E0302"], 0),
    ] {
        let printed = project.prints(arguments, status).replace("cargo-kiket/examples/crm.rs", "src/main.rs");
        let fence = if printed.contains("```") { "````" } else { "```" };
        let arguments = arguments.join(" ");
        let block = format!("{fence}console\n$ cargo kiket {arguments}\n{}\n{fence}", printed.trim_end());
        assert!(docs.contains(&block), "docs/developer-tool.md lacks\n{block}");
    }
}

#[test]
fn a_capture_with_a_known_secret_fails_the_check() {
    let project = Project::new(RIGHT);
    let capture = |note: &str| {
        let recording = kiket_testing::Recording::new(
            "issue.created",
            "v1",
            json!({ "note": note }).to_string().as_bytes(),
        );
        recording.capture().save(project.path("captures/created.json")).unwrap();
        let mut tool = Command::new(env!("CARGO_BIN_EXE_cargo-kiket"));
        tool.args(["check", "--format", "json"]).current_dir(project.0.path()).env_clear();
        tool.env("CARGO", project.path("cargo")).env("SLACK_TOKEN", "canary-1234").output().unwrap()
    };
    let clean = capture("<redacted:SLACK_TOKEN>");
    assert_eq!(clean.status.code(), Some(0), "{clean:?}");
    let leaking = capture("has Y2FuYXJ5LTEyMzQ= inside"); // base64
    assert_eq!(leaking.status.code(), Some(1), "{leaking:?}");
    let report: Value = serde_json::from_slice(&leaking.stdout).unwrap();
    let problem = &report["problems"][0];
    assert_eq!(
        (&problem["id"], &problem["place"]["file"]),
        (&json!("KIKET-E0601"), &json!("captures/created.json"))
    );
    assert_eq!(problem["what"], "the capture has the value of `SLACK_TOKEN` at `/body/note`");
    assert!(!String::from_utf8_lossy(&leaking.stdout).contains("canary"));
}
