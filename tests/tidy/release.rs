//! What `scripts/release` does to a small workspace, and that the workflows call what there is.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::{files, root};

/// A workspace in which `first` needs `second`, `second` is a program, too, and `third` is not published.
struct Workspace(TempDir);

impl Workspace {
    fn new() -> Self {
        let workspace = Self(tempfile::tempdir().unwrap());
        workspace.write(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"first\", \"second\", \"third\"]\n",
        );
        workspace.write("README.md", "```toml\nfirst = \"0.2\"\n```\n");
        workspace.write(
            "CHANGELOG.md",
            "# Changelog\n\n## 0.2.0 - 2026-11-25\n\n- It works.\n\n## 0.1.0\n\n- Started.\n",
        );
        workspace.write(".gitignore", "/target\n/calls\n/bin\nCargo.lock\n");
        let of = |name: &str, rest: &str| {
            workspace.write(&format!("{name}/src/lib.rs"), "");
            let package =
                format!("[package]\nname = \"{name}\"\nversion = \"0.2.0\"\nedition = \"2024\"\n{rest}");
            workspace.write(&format!("{name}/Cargo.toml"), &package);
        };
        let about = "description = \"A part\"\nlicense = \"MIT\"\nrepository = \"https://kiket.dev\"\n";
        of(
            "first",
            &format!("{about}[dependencies]\nsecond = {{ path = \"../second\", version = \"=0.2.0\" }}\n"),
        );
        of("second", about);
        of("third", "publish = false\n");
        workspace.write("second/src/main.rs", "fn main() {}\n");
        fs::create_dir(workspace.0.path().join("scripts")).unwrap();
        fs::copy(root().join("scripts/release"), workspace.0.path().join("scripts/release")).unwrap();
        workspace.git(&["init", "-q"]);
        workspace.commit();
        workspace.git(&["tag", "v0.2.0"]);
        workspace
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn git(&self, arguments: &[&str]) {
        let author = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let git = Command::new("git").current_dir(&self.0).args(author).args(arguments).output().unwrap();
        assert!(git.status.success(), "{git:?}");
    }

    fn commit(&self) {
        self.git(&["add", "."]);
        self.git(&["commit", "-qm", "a"]);
    }

    fn release(&self, arguments: &[&str]) -> (bool, String) {
        let mut release = Command::new(self.0.path().join("scripts/release"));
        release.args(arguments).env("CARGO_TARGET_DIR", self.0.path().join("target"));
        // The programs that the test gives go first.
        let path = std::env::var("PATH").unwrap_or_default();
        release.env("PATH", format!("{}:{path}", self.0.path().join("bin").display()));
        let Output { status, stdout, stderr } = release.output().expect("scripts/release needs python3");
        let texts = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (status.success(), texts.concat())
    }

    /// Replaces the registry: `second` is published, and what is called is written to a file.
    fn with_a_registry(&self) {
        let cargo = format!(
            "#!/bin/sh\ncase $1 in\nmetadata) exec {} \"$@\" ;;\ninfo) [ \"$3\" = second@0.2.0 ] ;;\n*) echo \"$@\" >> {} ;;\nesac\n",
            env!("CARGO"),
            self.0.path().join("calls").display()
        );
        self.write("bin/cargo", &cargo);
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.0.path().join("bin/cargo"), executable).unwrap();
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.0.path().join("calls")).unwrap_or_default()
    }
}

#[test]
fn a_dry_run_packages_what_would_be_published_in_order() {
    let (ready, shown) = Workspace::new().release(&["--dry-run"]);
    assert!(ready, "{shown}");
    for line in ["version    0.2.0", "publish    second, first", "attach     second", "ready "] {
        assert!(shown.contains(line), "no `{line}` in\n{shown}");
    }
    assert!(!shown.contains("missing") && !shown.contains("third"), "{shown}");
}

#[test]
fn all_that_is_missing_is_shown_at_once_and_ends_a_release() {
    let workspace = Workspace::new();
    let second = fs::read_to_string(workspace.0.path().join("second/Cargo.toml")).unwrap();
    workspace
        .write("second/Cargo.toml", &second.replace("0.2.0", "0.3.0").replace("license", "keywords = []\n#"));
    workspace.write(
        "CHANGELOG.md",
        "# Changelog\n\n## Unreleased\n\n- It works.\n\n## 0.2.0-beta\n\n- Started.\n",
    );
    workspace.write("README.md", "first = \"0.1\"\n");
    workspace
        .write("docs/a.md", "`first = \"0.2\"`, and `second = { features = [\"a\"], version = \"0.1\" }`\n");
    workspace.git(&["tag", "-d", "v0.2.0"]);
    workspace.with_a_registry();
    let (ready, shown) = workspace.release(&[]);
    let missing: Vec<_> = shown.lines().filter_map(|line| line.strip_prefix("missing    ")).collect();
    let expected = [
        "`second` has the version 0.3.0, and `first` has 0.2.0",
        "`second` has no `license`",
        "`first` needs `second` in =0.2.0, expected =0.3.0",
        "CHANGELOG.md has no section `## 0.2.0` with its date; `## Unreleased` has 1 lines",
        "README.md has `first = \"0.1\"`",
        "docs/a.md has `second = \"0.1\"`",
        "4 files are not committed",
        "the commit has no tag `v0.2.0`",
    ];
    assert_eq!(missing, expected, "{shown}");
    assert_eq!((ready, workspace.calls().as_str()), (false, ""), "{shown}");
}

#[test]
fn a_release_goes_on_after_what_is_published() {
    let workspace = Workspace::new();
    workspace.with_a_registry();
    let (ready, shown) = workspace.release(&[]);
    assert!(ready && shown.contains("second@0.2.0 is published"), "{shown}");
    assert_eq!(workspace.calls(), "publish --locked --package first\n");
}

#[test]
fn the_notes_of_a_release_are_its_section_of_the_changelog() {
    let workspace = Workspace::new();
    assert_eq!(workspace.release(&["--notes"]), (true, "- It works.\n".to_owned()));
    assert_eq!(workspace.release(&["--binaries"]), (true, "second\n".to_owned()));
}

#[test]
fn workflows_call_scripts_that_there_are() {
    let workflows = files(".github/workflows", &[".yml"]);
    let called = workflows.iter().flat_map(|(_, text)| text.split_whitespace());
    let called: Vec<_> = called
        .map(|word| word.trim_matches(|end: char| !end.is_ascii_alphanumeric() && end != '.'))
        .filter(|word| word.starts_with("scripts/") || word.starts_with(".ci/"))
        .collect();
    assert!(called.contains(&".ci/run") && called.contains(&"scripts/release"), "{called:?}");
    for script in called {
        let found = fs::metadata(root().join(Path::new(script)));
        let mode = found.unwrap_or_else(|error| panic!("{script}: {error}")).permissions().mode();
        assert_ne!(mode & 0o100, 0, "{script} is not executable");
    }
}
