//! The files of a new project, from templates.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kiket_testing::fixture;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::json;
use toml_edit::DocumentMut;

use super::{
    code::{self, Handled},
    name::Name,
};
use crate::exit::{Error, Result};

/// The paths of the files below the folder, with their contents.
pub(super) fn all(
    name: &Name,
    handled: &[Handled],
    manifest: Option<Vec<u8>>,
    is_compared: bool,
    folder: &Path,
) -> Result<Vec<(String, Vec<u8>)>> {
    let hooks: Vec<_> = handled.iter().map(|handled| format!("  - {}", handled.event)).collect();
    let clone = clone();
    let values = [
        ("name", name.package.clone()),
        ("title", name.title.clone()),
        ("event", handled[0].event.to_string()),
        ("imports", code::imports(handled)),
        ("handlers", code::handlers(handled, is_compared)),
        ("tests", code::tests(handled)),
        ("hooks", hooks.join("\n")),
        ("workspace", own_workspace(folder)),
        ("unpublished", if clone.is_some() { UNPUBLISHED } else { "" }.to_owned()),
        ("kiket", dependency(clone.as_deref(), &[])),
        ("testing", dependency(clone.as_deref(), &["testing"])),
        ("secret", secret()?),
    ];
    let fill = |template: &str| filled(template, &values).into_bytes();
    let manifest = manifest.unwrap_or_else(|| fill(include_str!("../../templates/manifest.yaml.in")));
    let mut files: Vec<(String, Vec<u8>)> = [
        ("Cargo.toml", fill(include_str!("../../templates/Cargo.toml.in"))),
        ("src/main.rs", fill(include_str!("../../templates/main.rs.in"))),
        (".kiket/manifest.yaml", manifest),
        (".cargo/config.toml", fill(include_str!("../../templates/config.toml.in"))),
        (".gitignore", fill(include_str!("../../templates/gitignore.in"))),
        (".dockerignore", fill(include_str!("../../templates/dockerignore.in"))),
        ("Dockerfile", fill(include_str!("../../templates/Dockerfile.in"))),
        ("compose.yaml", fill(include_str!("../../templates/compose.yaml.in"))),
        (".github/workflows/ci.yml", fill(include_str!("../../templates/ci.yml.in"))),
        ("README.md", fill(include_str!("../../templates/README.md.in"))),
    ]
    .map(|(path, text)| (path.to_owned(), text))
    .into();
    for Handled { event, .. } in handled {
        let mut body = fixture(event.as_str()).unwrap_or_else(|| json!({ "event": event.as_str() }));
        body["id"] = "evt_1".into();
        let path = format!("deliveries/{event}.json");
        if !files.iter().any(|(file, _)| *file == path) {
            files.push((path, format!("{body:#}\n").into_bytes()));
        }
    }
    // The versions that kiket is tested with; cargo drops those that are not needed.
    let locked = clone.and_then(|clone| fs::read(clone.join("Cargo.lock")).ok());
    files.extend(locked.map(|text| ("Cargo.lock".to_owned(), text)));
    Ok(files)
}

/// A template with its `{{names}}` replaced. No value is looked into again.
pub(super) fn filled(template: &str, values: &[(&str, String)]) -> String {
    let mut parts = template.split("{{");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap_or((part, ""));
        let value = values.iter().find(|(known, _)| *known == name);
        text += value.map_or_else(|| unreachable!("the template names `{name}`"), |(_, value)| value);
        text += rest;
    }
    text
}

/// The clone of kiket that this tool was built in, if it is still there: until kiket is on crates.io, projects use it.
fn clone() -> Option<PathBuf> {
    let clone = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let package = fs::read_to_string(clone.join("Cargo.toml")).ok()?;
    package.contains("\nname = \"kiket\"\n").then(|| clone.to_owned())
}

/// What `Cargo.toml` says about a dependency that is a path.
const UNPUBLISHED: &str = r#"# A clone on this machine, until kiket is on crates.io. Docker and CI need a repository instead, here and below, like
#   kiket = { git = "https://github.com/kiket-dev/kiket-rust-sdk", rev = "…" }
"#;

/// The dependency on kiket, as `Cargo.toml` has it.
fn dependency(clone: Option<&Path>, features: &[&str]) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let place = match clone {
        Some(clone) => format!("path = {}", quoted(&clone.to_string_lossy())),
        None => format!("version = {}", quoted(env!("CARGO_PKG_VERSION"))),
    };
    let features: Vec<_> = features.iter().map(|feature| quoted(feature)).collect();
    if features.is_empty() {
        format!("{{ {place} }}")
    } else {
        format!("{{ {place}, features = [{}] }}", features.join(", "))
    }
}

/// Inside of another workspace the project is one of its own, for cargo refuses a package that no workspace names.
fn own_workspace(folder: &Path) -> String {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let above = folder.ancestors().skip(1).map(|above| above.join("Cargo.toml"));
    let is_workspace = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.parse::<DocumentMut>().is_ok_and(|document| document.contains_key("workspace"))
    };
    match above.into_iter().find(is_workspace) {
        Some(_) => "\n# A workspace of its own: remove this line where that above has it among its `members`.\n[workspace]\n".to_owned(),
        None => String::new(),
    }
}

/// A secret for the development on this machine: 128 random bits.
fn secret() -> Result<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::input("the system gives no random numbers"))?;
    Ok(format!("local_{}", base16ct::lower::encode_string(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_in_once() {
        let values = [("a", "{{b}}".to_owned()), ("b", "c".to_owned())];
        assert_eq!(filled("x {{a}} y {{b}}{{b}} { }", &values), "x {{b}} y cc { }");
        assert_eq!(filled("", &values), "");
    }

    #[test]
    fn kiket_is_used_from_the_clone_or_by_version() {
        assert_eq!(dependency(Some(Path::new("/a \"b\"")), &[]), r#"{ path = "/a \"b\"" }"#);
        let version = format!(r#"{{ version = "{}", features = ["testing"] }}"#, env!("CARGO_PKG_VERSION"));
        assert_eq!(dependency(None, &["testing"]), version);
        assert!(clone().is_some());
    }

    #[test]
    fn a_workspace_is_found_however_it_is_written() {
        for (text, is_workspace) in [
            ("[workspace]\nmembers = []\n", true),
            ("[workspace] # all of them\n", true),
            ("  [ workspace ]\n", true),
            ("[workspace.package]\nedition = \"2024\"\n", true),
            ("workspace = { members = [] }\n", true),
            ("workspace.resolver = \"3\"\n", true),
            ("[package]\nname = \"a\"\ndescription = \"\"\"\n[workspace]\n\"\"\"\n", false),
            ("[package]\n", false),
            ("[workspace", false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("Cargo.toml"), text).unwrap();
            let own = own_workspace(&folder.path().join("a/b"));
            assert_eq!(own.ends_with("\n[workspace]\n"), is_workspace, "{text}");
        }
    }

    #[test]
    fn secrets_are_drawn_anew() {
        let (one, two) = (secret().unwrap(), secret().unwrap());
        assert!(one != two && one.len() == 38, "{one}");
    }
}
