//! The settings that a manifest declares, with their defaults.

use std::{borrow::Cow, collections::HashMap};

use serde_json::Value;

use super::{
    callback::read_reference,
    form::Written,
    kind::{fits, is_secret_kind, is_text_kind},
    misspelt,
    node::{Content, Entry, Map, Mark, Node},
    reference::Reference,
    report::{Report, found, quoted},
    secrecy::is_marked_secret,
};
use crate::error::{Place, ProblemId};

/// A setting that the manifest declares.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Setting {
    /// The key: `key` or `name` in a list, the key in `configuration`.
    pub key: String,
    /// The `type` as it is written, like `integer`; any word is accepted.
    pub kind: Option<String>,
    /// Whether its value is a secret: `secret: true`, `type: secret` or `type: password`, or a field of a
    /// `secrets` step in `setup`.
    pub secret: bool,
    /// Whether the setting must have a value.
    pub required: bool,
    /// The default, in the type that YAML gives it: `3` is a number, `"3"` is text. The default of a setting with the type
    /// `string` or `text` is text, as it is written. Always `None` for a secret, whose default is
    /// [`secret_default`](Self::secret_default).
    pub default: Option<Value>,
    /// The default with the texts of its numbers and booleans, if kiket would print them otherwise: `1.10` and `1.1` are one
    /// number and two texts.
    pub(crate) written: Option<Value>,
    /// The default of a secret. It may refer to environment variables.
    pub secret_default: Option<Reference>,
    /// The place of the declaration.
    pub place: Place,
}

/// The key as it is in the names of variables: in upper case, with every run of other characters than letters and digits as
/// one `_`, and none at the ends (wire contract, secret-variables).
pub(crate) fn variable_key(key: &str) -> String {
    let words = key.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_uppercase).collect::<Vec<_>>().join("_")
}

/// Reads all settings, each once:
///
/// ```text
/// settings:                     configuration:                setup:
///   - key: RETRIES                RETRIES:                      - configure:
///     default: 3                    type: integer                   fields:
///                                   default: "3"                      - key: RETRIES
///
/// secrets:                      configuration:
///   - key: API_TOKEN              secrets: [{ key: API_TOKEN, required: true }]
///     required: true              settings: [{ key: RETRIES, default: 3 }]
/// ```
///
/// Where both `settings` and `configuration` declare a setting, they must agree. `setup` only asks a user for values: it
/// declares the settings that are declared nowhere else.
pub(super) fn read(written: &Written<'_>, report: &mut Report<'_>) -> Vec<Setting> {
    let mut settings = Collected::default();
    for keys in [&["settings", "configuration"][..], &["secrets"]] {
        for (section, key) in
            written.sections.iter().flat_map(|section| keys.iter().map(move |key| (section, *key)))
        {
            let Some(entry) = section.map.entry(key) else { continue };
            for declaration in declarations(&section.name(key), entry, report) {
                let secret = declaration.secret || key == "secrets";
                settings.declare(&Declaration { secret, ..declaration }, report);
            }
        }
    }
    for section in &written.sections {
        for (step, fields) in section.map.get("setup").into_iter().flat_map(steps) {
            for field in listed(fields, report) {
                settings.ask(&Declaration { secret: step == "secrets", ..field }, report);
            }
        }
    }
    settings.check_variables(report);
    settings.in_order.into_iter().map(|(setting, _)| setting).collect()
}

/// The settings so far, with their defaults as they are written.
#[derive(Default)]
struct Collected {
    in_order: Vec<(Setting, Value)>,
    positions: HashMap<String, usize>,
}

impl Collected {
    fn declare(&mut self, declaration: &Declaration<'_>, report: &mut Report<'_>) {
        if declaration.secret {
            return self.need(declaration, report);
        }
        let (setting, default) = declaration.read(report);
        let Some((first, first_default)) = self.known(&setting.key) else {
            return self.add(setting, default);
        };
        let same = first.kind == setting.kind
            && first.secret == setting.secret
            && first.required == setting.required
            && *first_default == default;
        if !same {
            let what = format!("the setting {} is declared twice, differently", quoted(&setting.key));
            let mend = format!("keep one of them; the other is on line {}", first.place.line);
            report.problem(ProblemId::Contradiction, declaration.at, what, mend);
        }
    }

    /// A secret of a list, which may be declared as a secret setting, too.
    fn need(&mut self, secret: &Declaration<'_>, report: &mut Report<'_>) {
        let Some((known, _)) = self.positions.get(&secret.key).and_then(|at| self.in_order.get_mut(*at))
        else {
            return self.ask(secret, report);
        };
        if known.secret {
            known.required |= secret.flag("required", report).unwrap_or(false);
        } else {
            let what = format!("the setting {} is declared twice, once as a secret", quoted(&secret.key));
            let mend = format!("add `secret: true` to the declaration on line {}", known.place.line);
            report.problem(ProblemId::Contradiction, secret.at, what, mend);
        }
    }

    fn ask(&mut self, field: &Declaration<'_>, report: &mut Report<'_>) {
        if self.known(&field.key).is_none() {
            let (setting, default) = field.read(report);
            self.add(setting, default);
        }
    }

    /// Two settings must not be read from one variable.
    fn check_variables(&self, report: &mut Report<'_>) {
        let mut known: HashMap<String, &Setting> = HashMap::new();
        for (setting, _) in &self.in_order {
            let variable = variable_key(&setting.key);
            if let Some(other) = known.get(&variable).filter(|_| !variable.is_empty()) {
                let (one, two) = (quoted(&setting.key), quoted(&other.key));
                let what =
                    format!("the settings {one} and {two} have one variable, `KIKET_SETTING_{variable}`");
                let at = Mark { line: setting.place.line, column: setting.place.column };
                let mend = format!("rename one of them; the other is on line {}", other.place.line);
                report.problem(ProblemId::SharedVariable, at, what, mend);
            }
            known.insert(variable, setting);
        }
    }

    fn known(&self, key: &str) -> Option<&(Setting, Value)> {
        self.positions.get(key).and_then(|at| self.in_order.get(*at))
    }

    fn add(&mut self, setting: Setting, default: Value) {
        self.positions.insert(setting.key.clone(), self.in_order.len());
        self.in_order.push((setting, default));
    }
}

/// A setting as it is written.
struct Declaration<'a> {
    key: String,
    at: Mark,
    /// The attributes; absent for a bare name.
    map: Option<&'a Map>,
    /// Whether its place makes it a secret.
    secret: bool,
}

/// The keys of a `configuration` that hold lists of settings, instead of naming one.
const LISTS: [&str; 3] = ["fields", "settings", "secrets"];

/// The declarations under `settings` or `configuration`; each may have the shape of the other.
fn declarations<'a>(name: &str, entry: &'a Entry, report: &mut Report<'_>) -> Vec<Declaration<'a>> {
    match &entry.value.content {
        Content::Nothing => Vec::new(),
        Content::List(items) => listed(items, report),
        Content::Map(map) => {
            let mut all = named(map, report);
            for list in LISTS {
                let listed = map.get(list).and_then(Node::as_list).map(|items| listed(items, report));
                let secret = list == "secrets";
                all.extend(listed.into_iter().flatten().map(|item| Declaration { secret, ..item }));
            }
            all
        }
        _ => {
            let what = format!("{name} is a list or a mapping, found {}", entry.value.describe());
            report.wrong(entry, what, "write each setting as `- key: NAME` on a line below");
            Vec::new()
        }
    }
}

/// Settings as items of a list, with their name in `key` or `name`.
fn listed<'a>(items: &'a [Node], report: &mut Report<'_>) -> Vec<Declaration<'a>> {
    let declaration = |item: &'a Node| {
        let map = item.as_map();
        let key = match map {
            Some(map) => map.get("key").or_else(|| map.get("name")).and_then(Node::as_written),
            None => item.as_written(),
        };
        let key = key.filter(|key| !key.trim().is_empty());
        if key.is_none() {
            report.problem(
                ProblemId::SettingName,
                item.mark,
                "a setting has a `key`, found none",
                "add `key: NAME`",
            );
        }
        Some(Declaration { key: key?.into_owned(), at: item.mark, map, secret: false })
    };
    items.iter().filter_map(declaration).collect()
}

/// Settings as entries of a mapping.
fn named<'a>(map: &'a Map, report: &mut Report<'_>) -> Vec<Declaration<'a>> {
    let declaration = |entry: &'a Entry| {
        let map = entry.value.as_map();
        if entry.key.trim().is_empty() {
            let what = "a setting has a name, found a blank one";
            report.problem(ProblemId::SettingName, entry.mark, what, "write its name before the colon");
        } else if map.is_some() || entry.value.is_nothing() {
            return Some(Declaration { key: entry.key.clone(), at: entry.mark, map, secret: false });
        } else {
            let name = quoted(&entry.key);
            let what = format!("the setting {name} is a mapping, found {}", entry.value.describe());
            report.wrong(entry, what, "write `default: …` with its value on a line below");
        }
        None
    };
    let is_list = |entry: &Entry| LISTS.contains(&&*entry.key) && entry.value.as_list().is_some();
    map.0.iter().filter(|entry| !entry.shadowed && !is_list(entry)).filter_map(declaration).collect()
}

/// The steps of a `setup` that ask for values: `- secrets: { fields: […] }`.
fn steps(setup: &Node) -> impl Iterator<Item = (&str, &[Node])> {
    let steps = setup.as_list().unwrap_or_default().iter().filter_map(Node::as_map).flat_map(Map::iter);
    steps.filter_map(|(step, content)| Some((step, content.as_map()?.get("fields")?.as_list()?)))
}

impl Declaration<'_> {
    /// The setting, and its default as it is written.
    fn read(&self, report: &mut Report<'_>) -> (Setting, Value) {
        if let Some(map) = self.map {
            misspelt::warn(map, misspelt::SETTING, report);
        }
        let kind = self.kind(report);
        let marked = self.flag("secret", report);
        let secret = self.secret || marked.unwrap_or(true) || kind.as_deref().is_some_and(is_secret_kind);
        let required = self.flag("required", report).unwrap_or(false);
        let entry = self.map.and_then(|map| map.entry("default")).filter(|entry| !entry.value.is_nothing());
        let text = entry.and_then(|entry| entry.value.as_written()).map(Cow::into_owned);
        let default = match (&text, kind.as_deref().is_some_and(is_text_kind)) {
            (Some(text), true) => Value::String(text.clone()),
            _ => entry.map_or(Value::Null, |entry| entry.value.to_json(&|_| false)),
        };
        let secret_default = entry.filter(|_| secret).and_then(|entry| self.secret_default(entry, report));
        let points_elsewhere =
            secret_default.as_ref().is_some_and(|default| default.names().next().is_some());
        if let (Some(entry), Some(kind), false) = (entry, &kind, points_elsewhere) {
            self.check_default(entry, kind, secret || self.map.is_some_and(is_marked_secret), report);
        }
        let setting = Setting {
            key: self.key.clone(),
            kind,
            secret,
            required,
            default: entry.filter(|_| !secret).map(|_| default.clone()),
            written: entry.filter(|_| !secret && !default.is_string()).map(|entry| entry.value.to_texts()),
            secret_default,
            place: report.place(self.at),
        };
        (setting, default)
    }

    fn kind(&self, report: &mut Report<'_>) -> Option<String> {
        let entry = self.map?.entry("type").filter(|entry| !entry.value.is_nothing())?;
        let written = entry.value.as_written();
        if written.is_none() {
            let what =
                format!("the type of {} is a word, found {}", quoted(&self.key), entry.value.describe());
            report.wrong(entry, what, "write it like `type: string`");
        }
        written.map(Cow::into_owned)
    }

    /// Whether `key` is true; `None`, after a problem, if its value is not a boolean. The problem does not show the value,
    /// which may be the secret itself.
    fn flag(&self, key: &str, report: &mut Report<'_>) -> Option<bool> {
        let Some(entry) = self.map.and_then(|map| map.entry(key)) else {
            return Some(false);
        };
        match entry.value.as_written().map(|text| text.to_ascii_lowercase()).as_deref() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            None if entry.value.is_nothing() => Some(false),
            _ => {
                let name = quoted(&self.key);
                let found = entry.value.describe();
                let what = format!("`{key}` of {name} is `true` or `false`, found {found}");
                report.wrong(entry, what, format!("write `{key}: true` or `{key}: false`"));
                None
            }
        }
    }

    fn secret_default(&self, entry: &Entry, report: &mut Report<'_>) -> Option<Reference> {
        let name = quoted(&self.key);
        let Some(text) = entry.value.as_written() else {
            let what = format!("the default of the secret {name} is text, found {}", entry.value.describe());
            report.wrong(entry, what, "write it like `default: env:NAME`");
            return None;
        };
        if text.trim().is_empty() {
            return None;
        }
        read_reference(&format!("the default of {name}"), entry, &text, report)
    }

    fn check_default(&self, entry: &Entry, kind: &str, is_hidden: bool, report: &mut Report<'_>) {
        let Err(expected) = fits(&entry.value, kind) else { return };
        let found = if is_hidden { entry.value.describe().to_owned() } else { found(&entry.value) };
        let what = format!(
            "the default of {} does not fit its type {}: expected {expected}, found {found}",
            quoted(&self.key),
            quoted(kind)
        );
        report.problem(
            ProblemId::SettingDefault,
            entry.spot(),
            what,
            format!("write {expected}, or change the `type`"),
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::tests::{manifest, problems};

    #[test]
    fn settings_are_read_in_each_of_their_shapes() {
        #[track_caller]
        fn check(text: &str, expected: &[(&str, Option<Value>)]) {
            let manifest = manifest(text);
            let read: Vec<_> = manifest
                .settings
                .iter()
                .map(|setting| (setting.key.as_str(), setting.default.clone()))
                .collect();
            assert_eq!(read, expected, "{text}");
        }
        check(
            "settings: [{ key: A, default: 3 }, { name: B, default: \"3\" }]",
            &[("A", Some(json!(3))), ("B", Some(json!("3")))],
        );
        check("settings: [{ key: A, name: B }, C, 007]", &[("A", None), ("C", None), ("007", None)]);
        check(
            "settings: [{ key: A, default: false }, { key: B, default: 0 }, { key: C, default: yes }]",
            &[("A", Some(json!(false))), ("B", Some(json!(0))), ("C", Some(json!("yes")))],
        );
        check(
            "settings: [{ key: A, default: ~ }, { key: B, default: '' }]",
            &[("A", None), ("B", Some(json!("")))],
        );
        check("settings:", &[]);
        check(
            "extension: { configuration: { B: { default: { x: [1] } }, A: ~ } }",
            &[("B", Some(json!({ "x": [1] }))), ("A", None)],
        );
        check(
            "extension: {}\nconfiguration: { fields: [{ key: A, default: 1.5 }] }",
            &[("A", Some(json!(1.5)))],
        );
        check("extension: {}\nsettings: [{ key: A }]", &[("A", None)]);
        check(
            "settings: [{ key: A, default: 1 }]\nconfiguration: { A: { default: 1 } }",
            &[("A", Some(json!(1)))],
        );
        check("configuration: { A: { default: 1 }, A: { default: 2 } }", &[("A", Some(json!(2)))]);
    }

    #[test]
    fn lists_of_secrets_declare_secret_settings() {
        #[track_caller]
        fn check(text: &str, expected: &[(&str, bool, bool)]) {
            let manifest = manifest(text);
            let settings = manifest.settings.iter();
            let read: Vec<_> =
                settings.map(|setting| (setting.key.as_str(), setting.secret, setting.required)).collect();
            assert_eq!(read, expected, "{text}");
        }
        let two = "secrets: [{ key: A, required: false }, { name: B, required: true }, C]";
        let expected = [("A", true, false), ("B", true, true), ("C", true, false)];
        check(two, &expected);
        check(&format!("extension: {{ {two} }}"), &expected);
        check(&format!("extension: {{}}\n{two}"), &expected);
        check(
            &format!("apiVersion: kiket.dev/v1\nkind: Extension\nmetadata: {{ key: a }}\nspec: {{ {two} }}"),
            &expected,
        );
        check(&format!("configuration: {{ {two} }}"), &expected);
        check(
            "configuration: { secrets: [{ key: A }], settings: [{ key: B, default: eu }], fields: [C], D: { required: true } }",
            &[("D", false, true), ("C", false, false), ("B", false, false), ("A", true, false)],
        );
        check(
            "configuration: { secrets: { type: string }, settings: ~ }",
            &[("secrets", false, false), ("settings", false, false)],
        );
        check("secrets: { A: { required: true } }\nextension: { secrets: [A] }", &[("A", true, true)]);
        check(
            "secrets: [{ key: A, required: true }]\nsettings: [{ key: A, secret: true }]",
            &[("A", true, true)],
        );
        assert_eq!(
            problems("secrets: [A]\nsettings: [{ key: A, default: 1 }]"),
            ["1:11 the setting `A` is declared twice, once as a secret"]
        );
    }

    #[test]
    fn a_declared_text_is_what_the_file_says() {
        for kind in ["string", "text"] {
            for text in [
                "1.10",
                "2.50",
                "0x1F",
                "1_000",
                "1e3",
                "+15551234567",
                ".5",
                "12e03",
                "1e999",
                "123456789012345678901",
                "True",
                "true",
                "007",
            ] {
                let manifest = manifest(&format!("settings: [{{ key: A, type: {kind}, default: {text} }}]"));
                assert_eq!(manifest.settings[0].default, Some(json!(text)));
            }
        }
        // Without a type it is a number that has its text.
        for (text, value, written) in [
            ("1.10", json!(1.1), json!("1.10")),
            ("3", json!(3), json!("3")),
            ("True", json!(true), json!("True")),
            (
                "[1.10, a, [0x1F], { b: 1e3, c: True, d: }]",
                json!([1.1, "a", [31], { "b": 1000.0, "c": true, "d": null }]),
                json!(["1.10", "a", ["0x1F"], { "b": "1e3", "c": "True", "d": null }]),
            ),
        ] {
            let manifest = manifest(&format!("settings: [{{ key: A, default: {text} }}]"));
            let setting = &manifest.settings[0];
            assert_eq!((setting.default.as_ref(), setting.written.as_ref()), (Some(&value), Some(&written)));
        }
        assert!(manifest("settings: [{ key: A, secret: True, default: x }]").settings[0].secret);
    }

    #[test]
    fn two_settings_of_one_variable_are_a_problem() {
        assert_eq!(
            problems("settings: [{ key: api.key }, { key: API_KEY }, { key: ключ }, { key: имя }]"),
            ["1:30 the settings `API_KEY` and `api.key` have one variable, `KIKET_SETTING_API_KEY`"]
        );
    }

    #[test]
    fn a_setup_declares_only_what_nothing_else_declares() {
        let manifest = manifest(
            "extension:\n  configuration: { A: { type: string, default: x } }\n  setup:\n    - configure: { fields: [{ key: A, type: text, default: y }, { key: B, required: true }] }\n    - secrets: { fields: [{ key: C }], collect: [A] }\n    - info: { title: x }\n    - nothing\n",
        );
        let read: Vec<_> = manifest
            .settings
            .iter()
            .map(|setting| {
                (setting.key.as_str(), setting.default.is_some(), setting.required, setting.secret)
            })
            .collect();
        assert_eq!(read, [("A", true, false, false), ("B", false, true, false), ("C", false, false, true)]);
    }

    #[test]
    fn a_mark_or_a_type_makes_a_secret() {
        #[track_caller]
        fn check(attributes: &str, secret: bool, resolved: Option<&str>) {
            let manifest = manifest(&format!("settings: [{{ key: A, {attributes} }}]"));
            let setting = &manifest.settings[0];
            assert_eq!(setting.secret, secret, "{attributes}");
            let default = setting
                .secret_default
                .as_ref()
                .and_then(|default| default.resolve(&|name| Some(format!("<{name}>"))));
            assert_eq!(default.as_ref().map(crate::types::Secret::expose), resolved, "{attributes}");
            assert_eq!(setting.default.is_some(), !secret && attributes.contains("default"), "{attributes}");
        }
        check("secret: true", true, None);
        check("secret: 'true', default: x", true, Some("x"));
        check("secret: true, default: 12", true, Some("12"));
        check("secret: true, default: ''", true, None);
        check("secret: true, type: integer, default: 'env:N'", true, Some("<N>"));
        check("type: secret, default: '${N:-d}'", true, Some("<N>"));
        check("type: password", true, None);
        check("secret: false, default: 'env:N'", false, None);
        check("secret: ~, default: 1", false, None);
    }

    #[test]
    fn a_default_fits_its_type_quoted_or_not() {
        #[track_caller]
        fn check(kind: &str, fitting: &[&str], other: &[&str]) {
            for default in fitting {
                manifest(&format!("settings: [{{ key: A, type: {kind}, default: {default} }}]"));
            }
            for default in other {
                let problems =
                    problems(&format!("settings: [{{ key: A, type: {kind}, default: {default} }}]"));
                let expected = format!("the default of `A` does not fit its type `{kind}`: expected ");
                assert!(
                    matches!(&problems[..], [only] if only.contains(&expected)),
                    "{kind} {default} {problems:?}"
                );
            }
        }
        check(
            "integer",
            &["3", "\"3\"", "-1", "0x10", "18446744073709551615"],
            &["abc", "1.5", "true", "[]", "''", "yes"],
        );
        check("number", &["3", "1.5", "\"1.5\"", "1e3"], &["abc", ".inf", "true", "{}"]);
        check("boolean", &["true", "\"false\""], &["yes", "1", "\"True\"", "[]"]);
        check("string", &["abc", "3", "true", "''"], &["[]", "{}"]);
        check("object", &["{}", "'{\"a\": 1}'"], &["1", "true", "[]"]);
        check("list", &["[]", "'a,b'"], &["1", "{}"]);
        check("template", &["abc", "1", "[]", "{}"], &[]);
        check("select", &["abc", "1"], &[]);
    }

    #[test]
    fn mistakes_are_refused() {
        #[track_caller]
        fn check(text: &str, expected: &[&str]) {
            assert_eq!(problems(text), expected, "{text}");
        }
        check("settings: [{ default: 1 }]", &["1:12 a setting has a `key`, found none"]);
        check(
            "settings: [{ key: ' ' }, []]",
            &["1:12 a setting has a `key`, found none", "1:26 a setting has a `key`, found none"],
        );
        check("settings: 3", &["1:11 `settings` is a list or a mapping, found a number"]);
        check("configuration: { A: 3 }", &["1:21 the setting `A` is a mapping, found a number"]);
        check("configuration: { ' ': ~ }", &["1:18 a setting has a name, found a blank one"]);
        check(
            "settings: [{ key: A, secret: yes }]",
            &["1:30 `secret` of `A` is `true` or `false`, found text"],
        );
        check(
            "settings: [{ key: A, required: 1 }]",
            &["1:32 `required` of `A` is `true` or `false`, found a number"],
        );
        check("settings: [{ key: A, type: [a] }]", &["1:22 the type of `A` is a word, found a list"]);
        check(
            "settings: [{ key: A, secret: true, default: [a] }]",
            &["1:36 the default of the secret `A` is text, found a list"],
        );
        for difference in
            ["default: 2", "default: '1'", "default: 1, type: integer", "default: 1, required: true"]
        {
            let text = format!("settings:\n- {{ key: A, default: 1 }}\n- {{ key: A, {difference} }}");
            check(&text, &["3:3 the setting `A` is declared twice, differently"]);
        }
    }
}
