//! The real manifests, read where they lie: each means what its author meant, or says why it does not.

use std::{io::Write as _, path::PathBuf};

use kiket::{
    manifest::Form::{self, Adapter, Canonical, Flat},
    manifest::Manifest,
};

/// What a manifest must be read as.
struct Expected {
    file: &'static str,
    form: Form,
    id: Option<&'static str>,
    version: Option<&'static str>,
    settings: usize,
    events: usize,
    /// The variable that the delivery secret is in; `literal` when it stands there itself.
    secret: Option<&'static str>,
    /// The lines with a key that was there before.
    duplicates: &'static [u32],
}

const EMAIL: &str = "dev.kiket.ext.email";
const GITHUB: &str = "dev.kiket.ext.github";
const SLACK: &str = "dev.kiket.ext.slack";
const TEAMS: &str = "dev.kiket.ext.teams";
const V1: Option<&str> = Some("1.0.0");
const SECRET: Option<&str> = Some("KIKET_WEBHOOK_SECRET");

#[rustfmt::skip]
const CORPUS: [Expected; 30] = [
    row("cliscaffold1-webhook_guard", Canonical, Some("com.demo"), V1, 3, 2, None),
    row("cliscaffold2-webhook", Adapter, Some("my-webhook-adapter"), Some("0.1.0"), 0, 0, None),
    row("doc-make-ai-readme", Canonical, Some("com.kiket.ext.make-ai"), V1, 4, 0, SECRET),
    row("doc-mdx-minimum", Flat, None, Some("0.1.0"), 0, 1, None),
    row("doc-pages-custom-data", Canonical, Some("com.example.crm"), None, 0, 0, None),
    row("doc-pages-first-extension", Canonical, Some("com.example.slack-notifier"), V1, 1, 1, SECRET),
    row("doc-pages-manifest-version-2", Canonical, Some("my-sync"), V1, 1, 1, None),
    row("doc-pages-setup-wizard", Canonical, Some("dev.mycompany.slack-notifier"), V1, 2, 0, None),
    row("doc-sdk-readme-flat", Flat, Some("com.example.marketing"), V1, 3, 0, Some("literal")),
    row("kiket-ext-email-17932ee", Canonical, Some(EMAIL), V1, 14, 11, SECRET),
    row("kiket-ext-email-19c40d6", Canonical, Some(EMAIL), V1, 14, 11, SECRET),
    row("kiket-ext-email-43f1dc5", Canonical, Some(EMAIL), V1, 14, 9, SECRET),
    row("kiket-ext-email-c1d1b48", Canonical, Some(EMAIL), V1, 10, 9, SECRET),
    row("kiket-ext-github-13432c3", Flat, Some(GITHUB), V1, 8, 8, None),
    Expected {
        duplicates: &[252],
        ..row("kiket-ext-github-2115b2e", Canonical, Some(GITHUB), V1, 8, 9, Some("GITHUB_WEBHOOK_SECRET"))
    },
    row("kiket-ext-github-ce945d0", Adapter, Some("kiket-ext-github"), V1, 0, 0, None),
    row("kiket-ext-google-calendar-a5a5b9d", Canonical, Some("dev.kiket.ext.google-calendar"), V1, 5, 5, SECRET),
    row("kiket-ext-google-oauth-49ec594", Canonical, Some("dev.kiket.ext.google-oauth"), V1, 2, 6, SECRET),
    row("kiket-ext-slack-45ed282", Canonical, Some("slack-notifications"), V1, 5, 10, SECRET),
    row("kiket-ext-slack-8e36b14", Canonical, Some(SLACK), V1, 9, 12, SECRET),
    row("kiket-ext-slack-add957c", Canonical, Some(SLACK), V1, 9, 10, SECRET),
    row("kiket-ext-slack-b99aaed", Canonical, Some(SLACK), V1, 9, 12, SECRET),
    row("kiket-ext-slack-f9ae35c", Adapter, Some("kiket-ext-slack"), V1, 0, 0, None),
    row("kiket-ext-teams-102b0e8", Canonical, Some(TEAMS), V1, 9, 11, SECRET),
    row("kiket-ext-teams-57e3998", Canonical, Some(TEAMS), V1, 6, 11, SECRET),
    row("kiket-ext-teams-5a76e47", Canonical, Some(TEAMS), V1, 9, 11, SECRET),
    row("kiket-ext-twilio-4328674", Canonical, Some("twilio-notifications"), V1, 6, 6, SECRET),
    row("kiket-ext-twilio-8c73707", Canonical, Some("dev.kiket.ext.twilio"), V1, 12, 9, SECRET),
    row("kiket-ext-twilio-c181a61", Canonical, Some("com.kiket.ext.twilio"), V1, 6, 3, SECRET),
    row("kiket-ext-webhook-a8f959e", Adapter, Some("kiket-ext-webhook"), V1, 0, 0, None),
];

const fn row(
    file: &'static str,
    form: Form,
    id: Option<&'static str>,
    version: Option<&'static str>,
    settings: usize,
    events: usize,
    secret: Option<&'static str>,
) -> Expected {
    Expected { file, form, id, version, settings, events, secret, duplicates: &[] }
}

#[test]
fn every_real_manifest_is_read_as_its_author_meant_it() {
    let Some(directory) = corpus() else { return };
    for expected in CORPUS {
        let path = directory.join(expected.file).with_extension("yaml");
        let manifest =
            Manifest::load(&path).unwrap_or_else(|problems| panic!("{}: {problems:#?}", expected.file));
        check(&manifest, &expected);
    }
}

#[track_caller]
fn check(manifest: &Manifest, expected: &Expected) {
    let file = expected.file;
    assert_eq!(manifest.form, expected.form, "{file}");
    assert_eq!(manifest.id.as_deref(), expected.id, "{file}");
    assert_eq!(manifest.version.as_deref(), expected.version, "{file}");
    assert_eq!(manifest.settings.len(), expected.settings, "{file}: {:?}", manifest.settings);
    assert_eq!(manifest.events.len(), expected.events, "{file}: {:?}", manifest.events);
    let secret = manifest.delivery_secret.as_ref().map(|secret| secret.names().next().unwrap_or("literal"));
    assert_eq!(secret, expected.secret, "{file}");
    let lines: Vec<u32> =
        manifest.warnings.iter().filter_map(|warning| Some(warning.place.as_ref()?.line)).collect();
    assert_eq!(lines, expected.duplicates, "{file}");
}

#[test]
fn no_manifest_is_forgotten_and_the_invalid_ones_are_refused() {
    let Some(directory) = corpus() else { return };
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("invalid-") {
            assert!(CORPUS.iter().any(|expected| expected.file == name), "{name} has no row");
            continue;
        }
        let problems = Manifest::load(&path).expect_err(&name);
        assert!(!problems.is_empty(), "{name}");
        for problem in problems {
            let place = problem.place.as_ref().expect("a place in the file");
            assert_eq!(place.file, path);
            assert!(problem.help.is_some(), "{problem}");
        }
    }
}

#[test]
fn a_manifest_without_an_api_version_is_an_error_that_names_it() {
    let Some(directory) = corpus() else { return };
    let problems = Manifest::load(&directory.join("invalid-cli2-missing-apiversion.yaml")).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].what, "`apiVersion` and `kind` come together, found only `kind`");
    assert_eq!(problems[0].help.as_deref(), Some("add `apiVersion: kiket.dev/v1`, or remove `kind`"));
}

/// Where the real manifests lie; they are not part of this repository.
fn corpus() -> Option<PathBuf> {
    let shared = std::env::var_os("KIKET_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let directory = shared.join("corpus/manifests");
    if directory.is_dir() {
        return Some(directory);
    }
    // Not `eprintln!`, which the test harness swallows when the test passes.
    let notice =
        format!("SKIPPED: no real manifests in {}; set KIKET_SHARED to check them\n", directory.display());
    let _ = std::io::stderr().write_all(notice.as_bytes());
    None
}
