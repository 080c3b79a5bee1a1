//! Mends a manifest: each change is made in the text, and kept only if it means what it should.

use std::{collections::BTreeSet, path::Path};

use kiket_runtime::manifest::Manifest;
use serde_json::{Value, json};

use super::{
    report::{Fix, Problem},
    yaml::{self, Edited},
};

/// A manifest that was mended.
pub(super) struct Mended {
    pub(super) text: String,
    pub(super) done: Vec<Fix>,
    /// The changes that were not made, and why.
    pub(super) refused: Vec<(Fix, String)>,
}

/// Makes the changes that mend `problems`: first those that shift no lines, the last one first.
pub(super) fn mend(text: &str, path: &Path, problems: &[Problem]) -> Mended {
    let mut fixes: Vec<_> = problems
        .iter()
        .filter_map(|problem| {
            let place = problem.place.as_ref().map(|place| (place.line, place.column));
            Some((problem.fix.clone()?, place.unwrap_or_default()))
        })
        .collect();
    let adds = |fix: &Fix| matches!(fix, Fix::AddHook { .. } | Fix::AddSetting { .. });
    fixes.sort_by_key(|(fix, place)| {
        (adds(fix), if adds(fix) { (0, 0) } else { (usize::MAX - place.0, usize::MAX - place.1) })
    });
    let mut mended = Mended { text: text.to_owned(), done: Vec::new(), refused: Vec::new() };
    for (fix, place) in fixes {
        match one(&mended.text, path, &fix, place) {
            Ok(text) => {
                mended.text = text;
                mended.done.push(fix);
            }
            Err(why) => mended.refused.push((fix, why)),
        }
    }
    mended
}

fn one(text: &str, path: &Path, fix: &Fix, place: (usize, usize)) -> Edited {
    let changed = match fix {
        Fix::AddHook { event } => yaml::add_hook(text, event)?,
        Fix::AddSetting { key, secret, required } => yaml::add_setting(text, key, *secret, *required)?,
        Fix::RenameKey { from, to } => yaml::replace(text, place, from, to)?,
        Fix::RenameHook { from, to } => rename_hook(text, path, from, to)?,
    };
    verify(text, &changed, path, fix)?;
    Ok(changed)
}

/// Renames a hook, in each of the lists that have it.
fn rename_hook(text: &str, path: &Path, from: &str, to: &str) -> Edited {
    let is_named_by_extensions = from.starts_with("external.webhook.");
    if !is_named_by_extensions && kiket_testing::fixture(from).is_some() {
        return Err(format!("`{from}` is an event of Kiket: is the handler of `{to}` misspelt?"));
    }
    let mut text = text.to_owned();
    // Each round renames one; a manifest of a megabyte has no more.
    for _ in 0..10_000 {
        let manifest = read(&text, path)?;
        let Some(hook) = manifest.events.iter().find(|event| event.name.as_str() == from) else { break };
        let place = (hook.place.line as usize, hook.place.column as usize);
        text = yaml::replace(&text, place, from, to)?;
    }
    Ok(text)
}

fn read(text: &str, path: &Path) -> Result<Manifest, String> {
    Manifest::parse(text, path).map_err(|problems| {
        let first = problems.first().map(|problem| problem.what.clone());
        format!("the manifest would not be read: {}", first.unwrap_or_default())
    })
}

/// A difference between two documents.
#[derive(Debug)]
enum Difference {
    Value(Value, Value),
    Added(Option<String>, Value),
    Removed(Option<String>, Value),
}

/// Whether the change means what it should, and nothing else.
fn verify(before: &str, after: &str, path: &Path, fix: &Fix) -> Result<(), String> {
    let (old, new) = (read(before, path)?, read(after, path)?);
    let mut found = Vec::new();
    differences(&old.raw, &new.raw, &mut found);
    let other = || "the change would mean something else".to_owned();
    let is_meant = match fix {
        Fix::AddHook { event } => {
            let item = |value: &Value| *value == json!(event) || *value == json!({ "event": event });
            let list = |value: &Value| value.as_array().is_some_and(|list| list.len() == 1 && item(&list[0]));
            let is_added = match &found[..] {
                [Difference::Added(None, added)] => item(added),
                [Difference::Added(Some(key), added)] => key == "hooks" && list(added),
                [Difference::Value(Value::Null, added)] => list(added),
                _ => false,
            };
            let is_new = !names(&old).contains(&full(event));
            is_new && is_added && names(&new) == names(&old).into_iter().chain([full(event)]).collect()
        }
        Fix::AddSetting { key, secret, required } => {
            let is_it = |setting: &&kiket_runtime::manifest::Setting| setting.key == *key;
            let added = new.settings.iter().find(is_it);
            let keys = |manifest: &Manifest| -> BTreeSet<String> {
                manifest.settings.iter().map(|setting| setting.key.clone()).collect()
            };
            matches!(&found[..], [Difference::Added(..) | Difference::Value(Value::Null, _)])
                && added.is_some_and(|added| added.secret == *secret && added.required == *required)
                && !keys(&old).contains(key)
                && keys(&new) == keys(&old).into_iter().chain([key.clone()]).collect()
        }
        Fix::RenameHook { from, to } => {
            let is_it = |difference: &Difference| matches!(difference, Difference::Value(old, new) if *old == json!(from) && *new == json!(to));
            let renamed = |name: String| if name == *from { full(to) } else { name };
            !found.is_empty()
                && found.iter().all(is_it)
                && names(&new) == names(&old).into_iter().map(renamed).collect()
        }
        Fix::RenameKey { from, to } => {
            // Where a setting becomes a secret, its default is not shown any more.
            found.retain(|difference| !matches!(difference, Difference::Value(_, Value::Null)));
            match &found[..] {
                [Difference::Removed(Some(old), was), Difference::Added(Some(new), is)]
                | [Difference::Added(Some(new), is), Difference::Removed(Some(old), was)] => {
                    old == from && new == to && (was == is || is.is_null())
                }
                _ => false,
            }
        }
    };
    if is_meant { Ok(()) } else { Err(other()) }
}

/// The events that a manifest declares.
fn names(manifest: &Manifest) -> BTreeSet<String> {
    manifest.events.iter().map(|event| event.name.to_string()).collect()
}

/// The name under which a manifest declares an event.
fn full(event: &str) -> String {
    let hooks = format!("hooks: [\"{event}\"]");
    let manifest = Manifest::parse(&hooks, Path::new("extension.yaml"));
    manifest.ok().and_then(|manifest| names(&manifest).pop_first()).unwrap_or_else(|| event.to_owned())
}

fn differences(old: &Value, new: &Value, found: &mut Vec<Difference>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in old {
                match new.get(key) {
                    Some(new) => differences(value, new, found),
                    None => found.push(Difference::Removed(Some(key.clone()), value.clone())),
                }
            }
            let added = new.iter().filter(|(key, _)| !old.contains_key(*key));
            found.extend(added.map(|(key, value)| Difference::Added(Some(key.clone()), value.clone())));
        }
        (Value::Array(old), Value::Array(new)) => {
            old.iter().zip(new).for_each(|(old, new)| differences(old, new, found));
            found.extend(new.iter().skip(old.len()).map(|value| Difference::Added(None, value.clone())));
            found.extend(old.iter().skip(new.len()).map(|value| Difference::Removed(None, value.clone())));
        }
        (old, new) if old == new => {}
        (old, new) => found.push(Difference::Value(old.clone(), new.clone())),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _, path::PathBuf};

    use super::*;

    const FILE: &str = "extension.yaml";

    fn hook(event: &str) -> Fix {
        Fix::AddHook { event: event.to_owned() }
    }

    fn secret(key: &str) -> Fix {
        Fix::AddSetting { key: key.to_owned(), secret: true, required: true }
    }

    #[track_caller]
    fn check(fix: &Fix, before: &str, after: &str) {
        for (old, new) in [("\n", "\n"), ("\n", "\r\n")] {
            let (before, after) = (before.replace(old, new), after.replace(old, new));
            assert_eq!(one(&before, Path::new(FILE), fix, (0, 0)).as_deref(), Ok(&*after), "{before}");
        }
    }

    #[test]
    fn a_hook_is_added_as_its_neighbours_are_written() {
        let add = hook("a.b");
        check(
            &add,
            "hooks:\n  - x # last\n\n# end\nid: a\n",
            "hooks:\n  - x # last\n  - a.b\n\n# end\nid: a\n",
        );
        check(&add, "id: a\nhooks:\n- 'x'", "id: a\nhooks:\n- 'x'\n- 'a.b'");
        check(
            &add,
            "hooks:\n  - event: x\n    timeout: 5s\n  - event: y\n    retries: # none\n",
            "hooks:\n  - event: x\n    timeout: 5s\n  - event: y\n    retries: # none\n  - event: a.b\n",
        );
        check(&add, "hooks: [x, \"y\"] # two\n", "hooks: [x, \"y\", \"a.b\"] # two\n");
        check(&add, "hooks: [{ event: x }]\n", "hooks: [{ event: x }, { event: a.b }]\n");
        check(&add, "hooks: [\n  x,\n  y,\n]\n", "hooks: [\n  x,\n  y, a.b,\n]\n");
        check(&add, "hooks: [ ]\nevents: []\n", "hooks: [a.b ]\nevents: []\n");
        check(&add, "hooks:\nid: a\n", "hooks:\n  - a.b\nid: a\n");
        check(&add, "hooks: # none yet\nid: a\n", "hooks: # none yet\n  - a.b\nid: a\n");
        check(&add, "hooks: ~ # none\nid: a\n", "hooks: [a.b] # none\nid: a\n");
        check(
            &add,
            "id: a\nsetup:\n  - test: { action: x.y }\n",
            "id: a\nsetup:\n  - test: { action: x.y }\nhooks:\n  - a.b\n",
        );
        check(
            &add,
            "extension:\n    id: a\n    # the events\n    hooks:\n    - x\n    name: b\n",
            "extension:\n    id: a\n    # the events\n    hooks:\n    - x\n    - a.b\n    name: b\n",
        );
        check(
            &add,
            "extension: { id: a, commands: [{ id: x }] }\n",
            "extension: { id: a, commands: [{ id: x }], hooks: [a.b] }\n",
        );
        check(&add, "id: a\nactivationEvents:\n  - x\n", "id: a\nactivationEvents:\n  - x\n  - a.b\n");
        check(&add, "\u{feff}hooks:\n  - x\n", "\u{feff}hooks:\n  - x\n  - a.b\n");
    }

    #[test]
    fn a_setting_is_added_where_the_others_are() {
        let add = secret("TOKEN");
        check(
            &add,
            "settings:\n  - key: A\n    default: 1 # one\nid: a\n",
            "settings:\n  - key: A\n    default: 1 # one\n  - key: TOKEN\n    secret: true\n    required: true\nid: a\n",
        );
        check(
            &add,
            "settings: [{ key: A }]\n",
            "settings: [{ key: A }, { key: TOKEN, secret: true, required: true }]\n",
        );
        check(
            &add,
            "id: a\nversion: 1.0.0\n",
            "id: a\nversion: 1.0.0\nsettings:\n  - key: TOKEN\n    secret: true\n    required: true\n",
        );
        check(
            &add,
            "extension:\n  configuration:\n    A:\n      type: string\n  hooks: [x]\n",
            "extension:\n  configuration:\n    A:\n      type: string\n    TOKEN:\n      secret: true\n      required: true\n  hooks: [x]\n",
        );
        check(
            &add,
            "extension: {}\nconfiguration: { A: { type: string } }\n",
            "extension: {}\nconfiguration: { A: { type: string }, TOKEN: { secret: true, required: true } }\n",
        );
    }

    #[test]
    fn what_would_mean_something_else_is_refused() {
        #[track_caller]
        fn check(fix: &Fix, text: &str) {
            let refused = one(text, Path::new(FILE), fix, (1, 1));
            assert!(refused.is_err(), "{text}: {refused:?}");
        }
        check(&hook("a.b"), "base: &list [x]\nhooks: *list\n");
        check(&hook("a.b"), "hooks: &list [x]\nactivationEvents: *list\nmore: *list\n");
        check(&hook("a b"), "hooks: [x]\n");
        check(&hook("a.b"), "hooks: [x\n");
        check(&secret("A"), "settings: [{ key: A }]\n");
        check(&secret("a: b"), "settings: [{ key: A }]\n");
        check(&Fix::RenameKey { from: "versoin".into(), to: "id".into() }, "versoin: 1\nid: a\n");
        check(&Fix::RenameKey { from: "x".into(), to: "version".into() }, "versoin: 1\n");
        check(
            &Fix::RenameHook { from: "issue.created".into(), to: "issue.create".into() },
            "hooks: [issue.created]\n",
        );
    }

    #[test]
    fn a_hook_is_renamed_in_each_list() {
        let rename = Fix::RenameHook { from: "issue.creatd".into(), to: "issue.created".into() };
        check(
            &rename,
            "name: issue.creatd\nhooks:\n  - { event: 'issue.creatd', version: v1 }\n  - { event: issue.creatd, version: v2 }\nactivationEvents: [issue.creatd]\n",
            "name: issue.creatd\nhooks:\n  - { event: 'issue.created', version: v1 }\n  - { event: issue.created, version: v2 }\nactivationEvents: [issue.created]\n",
        );
    }

    /// The real manifests, where they lie beside the repository; without them the test says that it is skipped.
    fn manifests() -> Vec<(PathBuf, String)> {
        let shared = std::env::var_os("KIKET_SHARED")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
        let folder = shared.join("corpus/manifests");
        let Ok(entries) = fs::read_dir(&folder) else {
            let why = format!(
                "SKIPPED: no real manifests in {}; set KIKET_SHARED to check them\n",
                folder.display()
            );
            let _ = std::io::stderr().write_all(why.as_bytes());
            return Vec::new();
        };
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let valid = |path: &PathBuf| !path.file_name().unwrap().to_string_lossy().starts_with("invalid-");
        files
            .into_iter()
            .filter(valid)
            .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
            .collect()
    }

    #[test]
    fn real_manifests_print_back_byte_for_byte() {
        for (path, text) in manifests() {
            let file: yaml_edit::YamlFile =
                text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(file.to_string(), text, "{}", path.display());
        }
    }

    /// What is added stands in lines of its own or inside one line: without it, each byte is as it was.
    #[test]
    fn real_manifests_are_mended_once_and_stay_themselves() {
        for (path, text) in manifests() {
            let mut mended = text.clone();
            for fix in [hook("kiket.test.added"), secret("KIKET_TEST_ADDED")] {
                let more = one(&mended, &path, &fix, (0, 0));
                let more = more.unwrap_or_else(|why| panic!("{}: {fix}: {why}", path.display()));
                let same = mended.bytes().zip(more.bytes()).take_while(|(old, new)| old == new).count();
                let rest =
                    mended.bytes().rev().zip(more.bytes().rev()).take_while(|(old, new)| old == new).count();
                assert!(same + rest >= mended.len(), "{}: more than an insertion", path.display());
                assert!(one(&more, &path, &fix, (0, 0)).is_err(), "{}: {fix} twice", path.display());
                mended = more;
            }
            let Some(event) =
                Manifest::parse(&text, &path).unwrap().events.iter().find(|event| !event.action).cloned()
            else {
                continue;
            };
            let misspelt = text.replace(event.name.as_str(), "kiket.test.misspelt");
            let rename = Fix::RenameHook { from: "kiket.test.misspelt".into(), to: event.name.to_string() };
            if misspelt.matches("kiket.test.misspelt").count() == 1 {
                assert_eq!(
                    one(&misspelt, &path, &rename, (0, 0)).as_deref(),
                    Ok(&*text),
                    "{}",
                    path.display()
                );
            }
        }
    }
}
