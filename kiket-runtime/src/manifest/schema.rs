//! Reads a manifest of any form into one [`Manifest`].

use std::{borrow::Cow, collections::HashSet, path::Path};

use super::{
    Form, Manifest, callback, events,
    form::Written,
    misspelt,
    node::{Map, Mark, Node},
    report::{Report, quoted},
    secrecy::Secrets,
    settings,
    source::Source,
    yaml::{self, Document, NotYaml, Oddity},
};
use crate::error::{Problem, ProblemId};

/// Reads a manifest, or returns every problem.
pub(super) fn read(text: &str, file: &Path) -> Result<Manifest, Vec<Problem>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut source = Source::new(file, text);
    let document = match yaml::read(text) {
        Ok(document) => document,
        Err(NotYaml { what, mend, at }) => {
            source.hide_suspicious_lines();
            return Err(vec![Problem::new(ProblemId::ManifestSyntax, what).at(source.place(at)).mend(mend)]);
        }
    };
    let Some(root) = document.root.as_map() else {
        return Err(vec![no_mapping(&document.root, &source)]);
    };
    let secrets = Secrets::of(&document.root);
    source.hide(&secrets);
    manifest(root, &document, &secrets, &source)
}

/// The lines of a text that may hold a secret, from 1: where it is no YAML, by their words.
#[cfg(feature = "internals")]
pub fn secret_lines(text: &str) -> Vec<u32> {
    let text = text.trim_start_matches('\u{feff}');
    let mut source = Source::new(Path::new(""), text);
    match yaml::read(text) {
        Ok(document) => source.hide(&Secrets::of(&document.root)),
        Err(_) => source.hide_suspicious_lines(),
    }
    source.hidden.into_iter().collect()
}

fn no_mapping(root: &Node, source: &Source<'_>) -> Problem {
    let what = if root.is_nothing() {
        "the manifest is empty".to_owned()
    } else {
        format!("a manifest is a mapping of keys to values, found {}", root.describe())
    };
    // Without its line: the file may hold nothing but a secret.
    let place = source.place(Mark::default());
    Problem::new(ProblemId::ManifestShape, what)
        .at(place)
        .mend("start with `id: com.example.my-extension` and `version: 1.0.0`")
}

fn manifest(
    root: &Map,
    document: &Document,
    secrets: &Secrets<'_>,
    source: &Source<'_>,
) -> Result<Manifest, Vec<Problem>> {
    let mut report = Report::new(source);
    report_oddities(&document.oddities, &mut report);
    misspelt::warn(root, misspelt::TOP, &mut report);
    let written = Written::new(root, &mut report);
    let (events, endpoints) = events::read(&written, &mut report);
    let callback = callback::read(&written, &mut report);
    let manifest = Manifest {
        path: source.file().to_owned(),
        form: written.form,
        id: id(&written, &mut report),
        name: identity_text(&written, "name", &mut report),
        version: identity_text(&written, "version", &mut report),
        api_version: identity_text(&written, "api_version", &mut report),
        delivery_secret: callback.secret,
        callback_url: callback.url,
        callback_timeout: callback.timeout,
        settings: settings::read(&written, &mut report),
        events,
        endpoints,
        permissions: permissions(&written),
        raw: document.root.to_json(&|node| secrets.contains(node)),
        warnings: Vec::new(),
    };
    report.finish().map(|warnings| Manifest { warnings, ..manifest })
}

fn report_oddities(oddities: &[Oddity], report: &mut Report<'_>) {
    for oddity in oddities {
        match oddity {
            Oddity::DuplicateKey { key, first, again } => report.warning(
                ProblemId::DuplicateKey,
                *again,
                format!("{} is written twice, and this one counts", quoted(key)),
                format!("remove one of them; the other is on line {}", first.line),
            ),
            Oddity::KeyIsNoText { at } => report.problem(
                ProblemId::ManifestShape,
                *at,
                "a key is text, found a list or a mapping",
                "quote a text that starts with `{` or `[`, like \"{{ NAME }}\"",
            ),
        }
    }
}

fn id(written: &Written<'_>, report: &mut Report<'_>) -> Option<String> {
    let keys: &[&str] = match written.form {
        Form::Flat => &["id"],
        Form::Canonical => &["id", "key"],
        Form::Adapter => &["key", "id"],
    };
    let inner = written
        .identity
        .as_ref()
        .and_then(|identity| Some((identity, keys.iter().find_map(|key| identity.map.entry(key))?)));
    let id = inner.and_then(|(section, entry)| section.text(entry, report));
    if written.form == Form::Adapter {
        check_key(written, id.as_deref(), report);
    }
    let top = written.sections.last().filter(|_| written.form != Form::Flat);
    let Some((top, entry)) = top.and_then(|top| Some((top, top.map.entry("id")?))) else { return id };
    let outer = top.text(entry, report);
    if let (Some(id), Some(outer), Some((_, inner))) = (&id, &outer, inner)
        && id != outer
    {
        let what = format!("the extension has two ids, {} and {}", quoted(id), quoted(outer));
        report.problem(
            ProblemId::Contradiction,
            entry.spot(),
            what,
            format!("keep the one on line {}", inner.mark.line),
        );
    }
    id.or(outer)
}

/// An adapter manifest has a key, of characters that Kiket puts into URLs (wire contract, manifest-adapter-key).
fn check_key(written: &Written<'_>, id: Option<&str>, report: &mut Report<'_>) {
    const KEY: &str = "write 1 to 160 lower-case letters, digits and `-`, like `key: my-adapter`";
    let entry = written.identity.as_ref().and_then(|metadata| metadata.map.entry("key"));
    let fits = |id: &str| {
        id.len() <= 160 && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let mark = |key| written.sections.last().and_then(|top| top.map.get(key)?.as_written());
    let is_certain = mark("apiVersion").is_some() && mark("kind").is_some();
    match (entry, id) {
        (None, _) if !is_certain => {}
        (None, _) => {
            report.problem(ProblemId::AdapterKey, written.marked_at, "`metadata.key` is missing", KEY);
        }
        (Some(entry), Some(id)) if !fits(id) => {
            report.problem(
                ProblemId::AdapterKey,
                entry.spot(),
                format!("`metadata.key` is no key, found {}", quoted(id)),
                KEY,
            );
        }
        (Some(_), _) => {}
    }
}

fn identity_text(written: &Written<'_>, key: &str, report: &mut Report<'_>) -> Option<String> {
    let section = written.identity.as_ref()?;
    section.text(section.map.entry(key)?, report)
}

/// The permissions that are text, each once. Other shapes are ignored.
fn permissions(written: &Written<'_>) -> Vec<String> {
    let mut known = HashSet::new();
    let lists = written.sections.iter().filter_map(|section| section.map.get("permissions")?.as_list());
    let permissions = lists.flatten().filter_map(Node::as_written);
    permissions.filter(|permission| known.insert(permission.clone())).map(Cow::into_owned).collect()
}

#[cfg(test)]
mod tests {
    use crate::manifest::{
        Form,
        tests::{manifest, problems},
    };

    #[test]
    fn the_keys_decide_the_form() {
        #[track_caller]
        fn check(text: &str, form: Form, id: Option<&str>, name: Option<&str>, version: Option<&str>) {
            let manifest = manifest(text);
            assert_eq!(
                (
                    manifest.form,
                    manifest.id.as_deref(),
                    manifest.name.as_deref(),
                    manifest.version.as_deref()
                ),
                (form, id, name, version),
                "{text}"
            );
        }
        check("id: a\nversion: 1.0\n", Form::Flat, Some("a"), None, Some("1.0"));
        check("name: a\nversion: 0.1.0\nvendor: b\n", Form::Flat, None, Some("a"), Some("0.1.0"));
        check("\u{feff}id: 007\nversion: 2\n", Form::Flat, Some("007"), None, Some("2"));
        check("extension: { id: a, version: 1.10 }", Form::Canonical, Some("a"), None, Some("1.10"));
        check(
            "manifest_version: 2\nextension: { key: a, name: b }",
            Form::Canonical,
            Some("a"),
            Some("b"),
            None,
        );
        check("id: a\nextension: { id: a }", Form::Canonical, Some("a"), None, None);
        check("id: a\nextension: { name: b }", Form::Canonical, Some("a"), Some("b"), None);
        check(
            "apiVersion: kiket.dev/v1\nkind: Extension\nmetadata: { key: a, name: b, version: 1.0.0 }\nspec: {}",
            Form::Adapter,
            Some("a"),
            Some("b"),
            Some("1.0.0"),
        );
    }

    #[test]
    fn contradictions_and_blanks_are_refused() {
        #[track_caller]
        fn check(text: &str, expected: &[&str]) {
            assert_eq!(problems(text), expected, "{text}");
        }
        check("kind: Extension", &["1:1 `apiVersion` and `kind` come together, found only `kind`"]);
        check(
            "apiVersion: kiket.dev/v1\nid: a",
            &["1:1 `apiVersion` and `kind` come together, found only `apiVersion`"],
        );
        check(
            "apiVersion: v1\nkind: [Extension]",
            &["1:13 `apiVersion` is `kiket.dev/v1`, found `v1`", "2:1 `kind` is `Extension`, found a list"],
        );
        check(
            "apiVersion: kiket.dev/v1\nkind: Extension\nextension: {}",
            &[
                "3:1 a manifest with `apiVersion` and `kind` keeps everything under `metadata` and `spec`, found `extension`",
            ],
        );
        let adapter = |metadata: &str| format!("apiVersion: kiket.dev/v1\nkind: Extension\n{metadata}");
        let missing = |at: &str| format!("{at} `metadata.key` is missing");
        check(&adapter(""), &[&missing("1:1")]);
        check(&adapter("metadata: { name: a }"), &[&missing("3:1")]);
        check(&adapter("metadata: { id: a }"), &[&missing("3:1")]);
        check(&adapter("metadata:"), &[&missing("3:1")]);
        for key in ["Foo Bar", "a.b", "a_b", &"a".repeat(161)] {
            let found = problems(&adapter(&format!("metadata: {{ key: {key} }}")));
            assert!(
                matches!(&found[..], [only] if only.starts_with("3:18 `metadata.key` is no key")),
                "{found:?}"
            );
        }
        for key in ["0-9", &"a".repeat(160)] {
            manifest(&adapter(&format!("metadata: {{ key: {key} }}")));
        }
        check("id: a\nextension: { id: b }", &["1:5 the extension has two ids, `b` and `a`"]);
        check("extension:", &["1:1 `extension` is a mapping, found nothing"]);
        check("extension: http", &["1:12 `extension` is a mapping, found text"]);
        check("id: ''", &["1:5 `id` is blank"]);
        check("id:", &["1:1 `id` is blank"]);
        check("extension: { id: '  ' }", &["1:18 `extension.id` is blank"]);
        check("id: ' a'", &["1:5 `id` has white space at an end"]);
        check(
            "id: [a]\nversion: {}",
            &["1:1 `id` is text, found a list", "2:1 `version` is text, found a mapping"],
        );
        check("- a", &["0:0 a manifest is a mapping of keys to values, found a list"]);
        check("a", &["0:0 a manifest is a mapping of keys to values, found text"]);
        check("true", &["0:0 a manifest is a mapping of keys to values, found `true`"]);
        for empty in ["", "\n\n", "# nothing\n", "null", "~", "---\n", "\u{feff}"] {
            check(empty, &["0:0 the manifest is empty"]);
        }
        check("url: {{ BASE }}", &["1:7 a key is text, found a list or a mapping"]);
    }

    #[test]
    fn duplicate_keys_warn_and_the_last_one_counts() {
        let manifest = manifest(
            "extension:\n  id: a\n  custom_data: { modules: [a] }\n  id: b\n  custom_data: { permissions: [c] }\n",
        );
        assert_eq!(manifest.id.as_deref(), Some("b"));
        assert_eq!(manifest.custom_data(), Some(&serde_json::json!({ "permissions": ["c"] })));
        let warnings: Vec<_> = manifest
            .warnings
            .iter()
            .map(|warning| (warning.what.as_str(), warning.place.as_ref().unwrap().line))
            .collect();
        assert_eq!(
            warnings,
            [
                ("`id` is written twice, and this one counts", 4),
                ("`custom_data` is written twice, and this one counts", 5)
            ]
        );
    }

    #[test]
    fn permissions_that_are_text_are_read_and_others_left_alone() {
        let manifest = manifest(
            "permissions: [read:issues, { scope: issues }]\nextension: { permissions: [write:issues, read:issues] }",
        );
        assert_eq!(manifest.permissions, ["write:issues", "read:issues"]);
    }

    #[test]
    fn unknown_keys_are_kept() {
        let manifest = manifest("id: a\nx: { y: [1, \"2\", true, ~, 1.5] }\n1: z\n");
        assert_eq!(manifest.raw["x"], serde_json::json!({ "y": [1, "2", true, null, 1.5] }));
        assert_eq!(manifest.raw["1"], "z");
    }
}
