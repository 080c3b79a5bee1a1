//! A scalar of a manifest that is read as text is what the file says, whatever YAML takes it for: with and without a type, in
//! every form, plain, quoted and through an alias.

#![no_main]

use std::{collections::BTreeMap, path::Path};

use kiket_runtime::{Settings, internals::settings_of, manifest::Manifest};
use libfuzzer_sys::{Corpus, fuzz_target};

/// Where a default stands; `@` is the scalar.
const FORMS: [&str; 6] = [
    "settings:\n  - key: A\n    type: string\n    default: @\n  - key: B\n    default: @\n",
    "settings:\n  - { key: A, type: text, default: @ }\n  - { key: B, default: @ }\n",
    "extension:\n  configuration:\n    A: { type: string, default: @ }\n    B:\n      default: @\n",
    "configuration:\n  settings:\n    - { key: A, type: string, default: @ }\n    - { key: B, default: @ }\n",
    "x: &x @\nsettings:\n  - { key: A, type: string, default: *x }\n  - { key: B, default: *x }\n",
    "settings:\n  - { key: A, secret: true, default: @ }\n  - { key: B, type: password, default: @ }\n",
];

/// Where it is an item of a list, or a value of a mapping.
const WITHIN: [&str; 2] = [
    "settings:\n  - key: A\n    default: [@]\n  - { key: B, default: { b: @ } }\n",
    "configuration:\n  A:\n    default:\n      - @\n  B:\n    default:\n      b: @\n",
];

fuzz_target!(|text: &str| -> Corpus {
    if text.trim() != text || text.is_empty() || text.len() > 200 || text.contains(['\u{feff}', '$']) {
        return Corpus::Reject;
    }
    if text.starts_with("env:") || text.starts_with("env.") {
        return Corpus::Reject;
    }
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-_.".contains(&byte));
    if plain && text != "-" && !["~", "null", "Null", "NULL"].contains(&text) {
        FORMS.iter().for_each(|form| check(form, text, text));
        WITHIN.iter().for_each(|form| check_within(form, text, text));
    }
    if text.chars().all(|c| c == ' ' || c.is_alphanumeric() || c.is_ascii_punctuation()) {
        let quoted = format!("'{}'", text.replace('\'', "''"));
        FORMS.iter().for_each(|form| check(form, &quoted, text));
        WITHIN.iter().for_each(|form| check_within(form, &quoted, text));
    }
    Corpus::Keep
});

#[track_caller]
fn check(form: &str, written: &str, text: &str) {
    let (file, settings) = read(form, written);
    for key in ["A", "B"] {
        assert_eq!(settings.get::<String>(key).as_deref(), Ok(text), "{key} of\n{file}");
    }
}

#[track_caller]
fn check_within(form: &str, written: &str, text: &str) {
    let (file, settings) = read(form, written);
    assert_eq!(settings.get::<Vec<String>>("A"), Ok(vec![text.to_owned()]), "A of\n{file}");
    let members = BTreeMap::from([("b".to_owned(), text.to_owned())]);
    assert_eq!(settings.get::<BTreeMap<String, String>>("B"), Ok(members), "B of\n{file}");
}

#[track_caller]
fn read(form: &str, written: &str) -> (String, Settings) {
    let file = form.replace('@', written);
    let manifest = Manifest::parse(&file, Path::new("extension.yaml"))
        .unwrap_or_else(|problems| panic!("{file}\n---\n{}", problems[0]));
    let settings = settings_of(&manifest).expect("settings");
    (file, settings)
}
