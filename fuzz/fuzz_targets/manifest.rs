//! Whatever the text: nothing panics, every problem has a place inside the file, and no secret is printed.
//!
//! The first byte chooses how a secret is written between the two texts that U+241E (␞) parts.

#![no_main]

use std::{fs, path::Path};

use kiket_runtime::{error::Problem, manifest::Manifest};
use libfuzzer_sys::{Corpus, fuzz_target};

const FILE: &str = "extension.yaml";
const CANARY: &str = "cAn4rY";
const NUMBER: &str = "7391824650";

/// Ways to write a secret: at the start of a line, so that it is a key of the outermost mapping or nothing at all.
const SECRETS: [&str; 16] = [
    "delivery_secret: cAn4rY",
    "delivery_secret: 7391824650",
    "delivery_secret: 'x ${cAn4rY'",
    "delivery_secret: [cAn4rY, {a: b}]",
    "delivery_secret: \"cAn4rY\\q\"",
    "delivery_secret: !!int cAn4rY",
    "delivery_secret: |\n  cAn4rY",
    "delivery_secret:\ncAn4rY",
    "delivery_secret:\n- 'cAn4rY'",
    "delivery_secret: [\n\ncAn4rY\n]",
    "? delivery_secret\n: cAn4rY",
    "callback:\n  url: a\n  secret: ' cAn4rY'",
    "callback:\n  secret:\n    !!bool cAn4rY",
    "settings:\n  - {key: A, secret: true, type: integer, default: cAn4rY}",
    "settings:\n  - default: 7391824650\n    name: A\n    type: password",
    "configuration:\n  bot_token:\n    secret: yes\n    default: cAn4rY",
];

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((choice, bytes)) = input.split_first() else { return Corpus::Reject };
    let Ok(text) = str::from_utf8(bytes) else {
        not_text(bytes);
        return Corpus::Keep;
    };
    let holds = |secret: &str| text.to_ascii_lowercase().contains(&secret.to_ascii_lowercase());
    if holds(CANARY) || holds(NUMBER) {
        return Corpus::Reject;
    }
    check(text);

    let (before, after) = text.split_once('␞').unwrap_or((text, ""));
    let secret = SECRETS[usize::from(*choice) % SECRETS.len()];
    // What is open at the end of the first text (a quote, a bracket) would take the secret in, and make it a part of
    // something that may be printed; so nothing comes that could close it.
    let after = if is_whole(before) { after } else { "" };
    let planted = format!("{before}\n{secret}\n{after}");
    for printed in check(&planted) {
        assert!(!printed.contains(CANARY) && !printed.contains(NUMBER), "{planted}\n---\n{printed}");
    }
    Corpus::Keep
});

/// Whether `text` is YAML by itself, if not a manifest.
fn is_whole(text: &str) -> bool {
    let broken = ["the file is not YAML", "a manifest is one YAML", "the document is larger", "an alias "];
    let read = Manifest::parse(text, Path::new(FILE));
    read.err().is_none_or(|problems| !broken.iter().any(|what| problems[0].what.starts_with(what)))
}

/// Everything that is printed of the manifest that `text` is.
fn check(text: &str) -> Vec<String> {
    let read = Manifest::parse(text, Path::new(FILE));
    let problems = match &read {
        Ok(manifest) => &manifest.warnings,
        Err(problems) => {
            assert!(!problems.is_empty());
            problems
        }
    };
    for problem in problems {
        check_place(problem, text);
    }
    let mut printed: Vec<_> = problems.iter().map(|problem| format!("{problem}\n{problem:?}")).collect();
    if let Ok(manifest) = &read {
        printed.push(format!("{manifest:?}"));
        printed.push(manifest.raw.to_string());
        for setting in &manifest.settings {
            assert!(!setting.secret || setting.default.is_none());
            assert!(setting.secret_default.is_none() || setting.secret);
        }
        for event in &manifest.events {
            assert_eq!(event.name.as_str().parse().as_ref(), Ok(&event.name));
            let _ = manifest.event_timeout(event.name.as_str());
        }
        let references = [manifest.delivery_secret.as_ref(), manifest.callback_url.as_ref()];
        for reference in references.into_iter().flatten() {
            // It says where it points to, and never what is there.
            let named: Vec<_> = reference.names().collect();
            let _ = reference.resolve(&|name| named.contains(&name).then(|| name.to_owned()));
        }
        let _ = (manifest.custom_data(), &manifest.permissions, manifest.callback_timeout);
    }
    printed
}

/// Lines and columns count from 1, columns in characters; one past the end is where something is missing.
fn check_place(problem: &Problem, text: &str) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let place = problem.place.as_ref().unwrap_or_else(|| panic!("{problem}"));
    assert_eq!(place.file, Path::new(FILE));
    if place.line == 0 {
        assert_eq!((place.column, &place.excerpt), (0, &None), "{problem}");
        return;
    }
    let unix = text.replace("\r\n", "\n").replace('\r', "\n");
    let line = unix.split('\n').nth(place.line as usize - 1);
    let line = line.unwrap_or_else(|| panic!("behind the last line: {problem}"));
    assert!(place.column as usize <= line.chars().count() + 1, "behind the end of the line: {problem}");
    assert!(problem.help.as_deref().is_some_and(|mend| !mend.is_empty()));
    if let Some(excerpt) = &place.excerpt {
        assert!(!excerpt.contains('\n'));
        assert!(excerpt.chars().count() <= 160);
    }
}

/// What is not UTF-8 only comes from files.
fn not_text(bytes: &[u8]) {
    let path = std::env::temp_dir().join(format!("kiket-fuzz-manifest-{}", std::process::id()));
    fs::write(&path, bytes).unwrap();
    let problems = Manifest::load(&path).unwrap_err();
    let _ = fs::remove_file(&path);
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    let place = problem.place.as_ref().unwrap();
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    assert!(place.line as usize <= lines && place.column as usize <= bytes.len() + 1, "{problem}");
    assert_eq!(place.excerpt, None);
}
