//! `new`: what it makes, what it refuses, and whether a newcomer gets from nothing to a replayed delivery.

use std::{
    collections::BTreeSet,
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

const TOOL: &str = env!("CARGO_BIN_EXE_cargo-kiket");

fn new(folder: &Path, arguments: &[&str]) -> Output {
    let mut tool = Command::new(TOOL);
    tool.arg("new").args(arguments).current_dir(folder).env("NO_COLOR", "1").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What was made below a folder, by its path.
fn made(folder: &Path, arguments: &[&str]) -> (PathBuf, Value) {
    let output = new(folder, &[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{output:?}");
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    (folder.join(made["folder"].as_str().unwrap()), made)
}

#[test]
fn a_project_has_everything_that_a_team_needs() {
    #[track_caller]
    fn check(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(text.lines().any(|found| found.trim() == *line), "no line `{line}` in\n{text}");
        }
    }
    let here = tempfile::tempdir().unwrap();
    let (project, made) = made(here.path(), &["hello"]);
    assert_eq!((&made["name"], &made["events"]), (&"hello".into(), &serde_json::json!(["issue.created"])));
    let read = |file: &str| fs::read_to_string(project.join(file)).unwrap();
    for file in made["files"].as_array().unwrap() {
        assert!(!read(file.as_str().unwrap()).contains("{{"), "{file}");
    }
    check(&read("src/main.rs"), &["kiket::main!();", "async fn on_issue_created_is_handled() {"]);
    check(&read(".kiket/manifest.yaml"), &["model_version: \"1.0\"", "delivery: http", "- issue.created"]);
    check(
        &read("Dockerfile"),
        &["USER 10001", "ENV HOST=0.0.0.0 PORT=8000", "STOPSIGNAL SIGTERM", "CMD [\"./extension\"]"],
    );
    assert!(read("Dockerfile").contains("ca-certificates") && read("Dockerfile").contains("HEALTHCHECK"));
    check(
        &read("compose.yaml"),
        &["FEATURES: postgres", "stop_grace_period: 30s # longer than the 25 s of a graceful shutdown"],
    );
    assert!(read("Cargo.toml").contains("# A clone on this machine, until kiket is on crates.io."));
    check(&read(".github/workflows/ci.yml"), &["- run: cargo test"]);
    check(&read(".gitignore"), &["/target", "/.cargo/config.toml"]);
    check(&read(".dockerignore"), &["target", ".cargo"]);
    let secret = read(".cargo/config.toml");
    assert!(secret.contains("KIKET_WEBHOOK_SECRET = \"local_"), "{secret}");
    let (other, _) = self::made(here.path(), &["other"]);
    assert_ne!(fs::read_to_string(other.join(".cargo/config.toml")).unwrap(), secret);
}

#[test]
fn a_name_that_no_package_has_is_mended_and_said() {
    let here = tempfile::tempdir().unwrap();
    let output = new(here.path(), &["My Extension"]);
    let said = text(&output.stderr);
    assert!(
        output.status.success() && said.contains("`My Extension`") && said.contains("`my-extension`"),
        "{said}"
    );
    let package = fs::read_to_string(here.path().join("my-extension/Cargo.toml")).unwrap();
    assert!(package.contains("name = \"my-extension\""), "{package}");
    let (_, made) = made(here.path(), &["fn"]);
    assert_eq!(made["notes"].as_array().unwrap().len(), 1, "{made}");
}

#[test]
fn a_folder_with_something_in_it_stays_as_it_is() {
    let here = tempfile::tempdir().unwrap();
    fs::create_dir(here.path().join("used")).unwrap();
    fs::write(here.path().join("used/file"), "mine").unwrap();
    fs::write(here.path().join("file"), "mine").unwrap();
    for name in ["used", "file"] {
        let refused = new(here.path(), &[name]);
        assert_eq!(refused.status.code(), Some(65), "{refused:?}");
        assert!(text(&refused.stderr).contains(&format!("`{name}`")), "{refused:?}");
    }
    assert_eq!(fs::read_dir(here.path().join("used")).unwrap().count(), 1);
    fs::create_dir(here.path().join("empty")).unwrap();
    assert!(new(here.path(), &["empty"]).status.success());
    let wrong = new(here.path(), &["other", "--event", "no event"]);
    assert_eq!(wrong.status.code(), Some(64), "{wrong:?}");
    assert!(!here.path().join("other").exists());
}

#[test]
fn a_manifest_is_taken_over_as_it_is() {
    let here = tempfile::tempdir().unwrap();
    let manifest = "# Ours.\r\nid: \"a\"   # kept\r\nhooks: [before_transition, { event: own.event, version: v2 }, { event: own.event, version: v3 }]\r\n";
    fs::write(here.path().join("old.yaml"), manifest).unwrap();
    let (project, made) = made(here.path(), &["port", "--manifest", "old.yaml"]);
    assert_eq!(fs::read_to_string(project.join(".kiket/manifest.yaml")).unwrap(), manifest);
    assert_eq!(made["events"], serde_json::json!(["workflow.before_transition", "own.event", "own.event"]));
    let code = fs::read_to_string(project.join("src/main.rs")).unwrap();
    for part in
        ["\"own.event\", version = \"v2\"", "\"own.event\", version = \"v3\"", "Payload<BeforeTransition>"]
    {
        assert!(code.contains(part), "{code}");
    }
    let files: BTreeSet<_> = made["files"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(files.contains("deliveries/own.event.json"), "{files:?}");

    fs::write(here.path().join("wrong.yaml"), "id: [a]\n").unwrap();
    let refused = new(here.path(), &["wrong", "--manifest", "wrong.yaml"]);
    assert_eq!(refused.status.code(), Some(65));
    assert!(text(&refused.stderr).contains("wrong.yaml:1:1"), "{refused:?}");
    assert!(!here.path().join("wrong").exists());

    fs::write(here.path().join("none.yaml"), "id: a\n").unwrap();
    let (_, made) = self::made(here.path(), &["none", "--manifest", "none.yaml"]);
    assert!(made["notes"][0].as_str().unwrap().contains("declares no events"), "{made}");
}

/// The workspace's target directory, so that nothing is built twice.
fn target() -> PathBuf {
    Path::new(TOOL).parent().and_then(Path::parent).unwrap().to_owned()
}

/// A command in which the tool is a command of cargo, and nothing is fetched.
fn offline(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(
        Path::new(TOOL).parent().map(Path::to_owned).into_iter().chain(env::split_paths(&path)),
    );
    command.env("PATH", path.unwrap()).env("CARGO_TARGET_DIR", target()).env("CARGO_NET_OFFLINE", "true");
    // As the workspace builds dependencies.
    command.env("CARGO_PROFILE_DEV_DEBUG", "0");
    // What cargo gives to this test is not for the cargo below.
    for (name, _) in env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            command.env_remove(name);
        }
    }
    command
}

#[test]
fn a_newcomer_gets_from_nothing_to_a_replayed_delivery() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let script = root.join("scripts/newcomer");
    let output = offline(script.to_str().unwrap()).output().unwrap();
    // How long it took is shown where the test passes, too.
    let taken = text(&output.stdout).lines().last().unwrap_or_default().to_owned();
    let _ = std::io::stderr().write_all(format!("newcomer: {taken}\n").as_bytes());
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("from nothing to a replayed delivery in"));
}

/// Needs the dependencies that the newcomer's project needs, and nothing else.
#[test]
fn a_missing_feature_is_named_in_its_place() {
    const CODE: &str = "\
#[kiket::webhook(\"issue.created\", version = \"v1\", later, attempts = 3)]
async fn on_issue_created() {}

#[kiket::schedule(\"0 7 * * *\", zone = \"Europe/Berlin\")]
async fn remind() {}

kiket::main!();
";
    let here = tempfile::tempdir().unwrap();
    let (project, _) = made(here.path(), &["without-inbox"]);
    fs::write(project.join("src/main.rs"), CODE).unwrap();
    let built = offline("cargo").arg("build").current_dir(&project).output().unwrap();
    assert_eq!(built.status.code(), Some(101), "{built:?}");
    let said = text(&built.stderr);
    for part in [
        "turn the feature `inbox` of `kiket` on, like `cargo add kiket --features inbox`\n --> src/main.rs:1:51\n",
        " --> src/main.rs:4:10\n",
        "the item is gated behind the `inbox` feature",
    ] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    // The crates are built as an extension builds them, without the doors for tests.
    assert!(!said.contains("warning"), "{said}");
}

/// Each real manifest makes a project that builds, whose handlers match it, and that answers signed deliveries.
#[test]
fn real_manifests_make_projects_that_work() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let shared = env::var_os("KIKET_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let Ok(manifests) = fs::read_dir(shared.join("corpus/manifests")) else {
        // The harness swallows what `eprintln!` says where a test passes.
        let _ = std::io::stderr().write_all(b"SKIPPED: the real manifests are not beside this repository\n");
        return;
    };
    let mut count = 0;
    for manifest in manifests.map(|entry| entry.unwrap().path()) {
        let name = manifest.file_stem().unwrap().to_str().unwrap();
        if name.starts_with("invalid") {
            continue;
        }
        let here = tempfile::tempdir().unwrap();
        let (project, _) = made(here.path(), &["taken-over", "--manifest", manifest.to_str().unwrap()]);
        let tested = offline("cargo").args(["test", "--quiet"]).current_dir(&project).output().unwrap();
        assert!(tested.status.success(), "{name}: {}{}", text(&tested.stdout), text(&tested.stderr));
        count += 1;
    }
    println!("{count} real manifests");
    assert!(count > 20, "{count}");
}
