//! The words: which ones no text of the repository has, which names are retired, and what comments may cite.

use std::fs;

use crate::{code, files, root, sources};

fn rust_sources() -> Vec<(String, String)> {
    files("", &[".rs"])
}

/// Words that name no actor, or stand for a mechanism that the field calls otherwise; CONTRIBUTING.md has the glossary.
const REFUSED: [&str; 7] = ["whoever", "nobody", "somebody", "nought", "told", "mailbox", "postman"];

/// Identifiers that gave way to the field's words.
#[rustfmt::skip]
const RETIRED: [&str; 29] = [
    "Admission", "Admitted", "Answering", "Begun", "Binding", "Gate", "InvalidEventName", "InvalidEventVersion",
    "InvalidLeaseToken", "Lack", "Mailbox", "Occasion", "Ownership", "Pace", "Postman", "Premises",
    "StoredAnswer", "Subject", "Teller", "TestAnswer", "Told", "Trouble", "Turn", "UnknownAuthentication", "Unverified",
    "UnusableSecret", "keep_answers", "plumbing", "turns_away",
];

/// The words of a text, with the number of their line.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    (1..).zip(text.lines()).flat_map(move |(number, line)| {
        line.split(move |letter| !is_part(letter)).map(move |word| (number, word))
    })
}

#[test]
fn texts_have_none_of_the_refused_words() {
    let mut found = Vec::new();
    for (file, text) in files("", &[".rs", ".md", ".toml", ".yaml", ".stderr"]) {
        // The list itself, and the glossary that explains it.
        if file == "tests/tidy/words.rs" || file == "CONTRIBUTING.md" {
            continue;
        }
        for (line, word) in words(&text) {
            // Also as a part of a name, like `what_it_was_told`.
            let mut parts = word.split('_');
            if parts.any(|part| REFUSED.iter().any(|refused| part.eq_ignore_ascii_case(refused))) {
                found.push(format!("{file}:{line}: {word}"));
            }
        }
    }
    assert!(found.is_empty(), "say who acts, with the field's word:\n{}", found.join("\n"));
}

#[test]
fn retired_names_do_not_come_back() {
    let mut found = Vec::new();
    for (file, text) in rust_sources() {
        if file != "tests/tidy/words.rs" {
            let retired = words(&text).filter(|(_, word)| RETIRED.contains(word));
            found.extend(retired.map(|(line, word)| format!("{file}:{line}: {word}")));
        }
    }
    assert!(found.is_empty(), "these names have successors, see CONTRIBUTING.md:\n{}", found.join("\n"));
}

#[test]
fn pages_borrow_texts_that_escapes_do_not_break() {
    let mut borrowing = 0;
    for (file, text) in files("", &[".md"]) {
        // A block begins behind every second fence.
        for block in text.split("```").skip(1).step_by(2).filter(|block| block.contains("'_>>")) {
            borrowing += 1;
            assert!(
                block.contains("Cow<") && block.contains("#[serde(borrow)]") && !block.contains("&'a str"),
                "{file}: a `&str` does not decode from a text with an escape: show `Cow<'_, str>` in{block}"
            );
        }
    }
    assert!(borrowing > 0, "no page shows a payload that borrows");
}

#[test]
fn names_of_tests_are_short_sentences() {
    const LONGEST: usize = 60;
    let mut found = Vec::new();
    for (file, text) in rust_sources() {
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let function = line.split_once("fn ").filter(|_| is_test && !line.starts_with("//"));
            if let Some((_, rest)) = function {
                let name = rest.split(['(', '<']).next().unwrap_or(rest);
                if name.len() > LONGEST {
                    found.push(format!("{file}: {name} has {}", name.len()));
                }
                is_test = false;
            }
        }
    }
    assert!(found.is_empty(), "at most {LONGEST} characters:\n{}", found.join("\n"));
}

/// A comment cites the wire contract by an anchor, like "wire contract, signature-window".
#[test]
fn comments_cite_what_is_in_the_repository() {
    let contract = fs::read_to_string(root().join("docs/wire-contract.md")).unwrap();
    let mut found = Vec::new();
    for (file, text) in rust_sources() {
        if file == "tests/tidy/words.rs" {
            continue;
        }
        for (number, line) in (1..).zip(text.lines()) {
            let Some((_, comment)) = line.split_once("//") else { continue };
            let by_number = |word: &str| {
                comment.match_indices(word).any(|(at, _)| {
                    comment[at + word.len()..].trim_start().starts_with(|next: char| next.is_ascii_digit())
                })
            };
            if ["ontract", "ow", "ows"].into_iter().any(|word| by_number(&format!("{word} ")))
                && (comment.contains("ontract") || comment.contains("Row") || comment.contains(" row"))
            {
                found.push(format!("{file}:{number}: cites by number: {}", comment.trim()));
            }
            let mut cited = comment.split("ire contract, ").skip(1);
            let broken = cited.find_map(|rest| {
                let anchor =
                    rest.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-')).next()?;
                let stands =
                    ["\"", "'"].iter().any(|quote| contract.contains(&format!("id={quote}{anchor}{quote}")));
                (!stands).then_some(anchor)
            });
            if let Some(anchor) = broken {
                found.push(format!("{file}:{number}: docs/wire-contract.md has no anchor `{anchor}`"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_file_is_on_the_map_with_its_own_words() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut missing = Vec::new();
    for folder in
        ["cargo-kiket/src", "kiket-macros/src", "kiket-otel/src", "kiket-runtime/src", "kiket-testing/src"]
    {
        for (file, text) in sources(folder) {
            let name = file[folder.len()..].trim_start_matches('/');
            let purpose = text.lines().next().and_then(|line| line.strip_prefix("//! ")).unwrap_or_default();
            let purpose = purpose.trim_end_matches(['.', ':']);
            let row = format!("| `{name}` | {purpose} |");
            if purpose.is_empty() {
                missing.push(format!("{file} does not begin with a line `//! …`"));
            } else if !map.contains(&row) {
                missing.push(row);
            }
        }
    }
    assert!(missing.is_empty(), "ARCHITECTURE.md lacks:\n{}", missing.join("\n"));
}

/// What people of the field search for, in rustdoc's box: each is the name of something that `kiket` exports, or an alias of it.
#[rustfmt::skip]
const SEARCHED: [&str; 22] = [
    "extractor", "middleware", "state", "error handling", "retry", "graceful shutdown", "idempotency key", "deduplication",
    "rate limit", "backoff", "pagination", "health check", "JWT", "JWKS", "fake server", "replay", "dead letter", "queue",
    "OpenTelemetry", "exponential backoff", "FromRequest", "http client",
];

/// The texts in the aliases of a file.
fn aliases(text: &str) -> impl Iterator<Item = &str> {
    let attributes = text.split("#[doc(alias").skip(1).filter_map(|rest| rest.split(")]").next());
    attributes.flat_map(|attribute| attribute.split('"').skip(1).step_by(2))
}

#[test]
fn rustdoc_finds_the_words_of_the_field() {
    let facade = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    // The test kit is exported whole, and its aliases with it.
    let kit = sources("kiket-testing/src");
    let mut known: Vec<_> = aliases(&facade).chain(kit.iter().flat_map(|(_, text)| aliases(text))).collect();
    let facade = code(&facade);
    let exported = facade.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    known.extend(exported.flat_map(words).map(|(_, word)| word));
    known.extend(facade.split("pub mod ").skip(1).filter_map(|rest| rest.split(' ').next()));
    let unknown = |word: &&str| !known.iter().any(|known| known.eq_ignore_ascii_case(word));
    let lost: Vec<_> = SEARCHED.into_iter().filter(unknown).collect();
    assert!(lost.is_empty(), "write `#[doc(alias(…))]` where `src/lib.rs` exports what these mean: {lost:?}");
}

/// Of what `pub use` of another crate brings in, rustdoc has the aliases of that line, and none of those at the definition. Aliases
/// of methods it has, and those in a module that is exported whole.
#[test]
fn aliases_stand_where_names_are_exported() {
    let lost = |text: &str| text.lines().any(|line| line.starts_with("#[doc(alias"));
    let runtime = sources("kiket-runtime/src").into_iter().filter(|(_, text)| lost(text));
    let files: Vec<_> =
        runtime.map(|(file, _)| file).filter(|file| !file.ends_with("types/time.rs")).collect();
    assert!(files.is_empty(), "move these aliases to the `pub use` in `src/lib.rs`: {files:?}");
}

/// A macro cannot import from the runtime what both have to know.
#[test]
fn both_search_the_manifest_by_the_same_names() {
    let names = |file: &str| {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let list = text.split_once("const NAMES: [&str; 6] = [").unwrap().1.split_once("];").unwrap().0;
        list.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>()
    };
    let names = ["kiket-macros/src/webhook/declared.rs", "kiket-runtime/src/manifest/load.rs"].map(names);
    assert_eq!(names[0], names[1]);
    assert_eq!(names[0].len(), 7, "six names, each with a comma");
}

/// The code of files in lines: without docs, comments, blank lines and tests.
fn weight(folder: &str, counts: impl Fn(&str) -> bool) -> usize {
    let sources = sources(folder).into_iter();
    let counted = sources.filter(|(file, _)| !file.ends_with("tests.rs") && !file.contains("/tests/"));
    let counted = counted.filter(|(file, _)| counts(file));
    counted.map(|(_, text)| code(&text).lines().filter(|line| !line.trim().is_empty()).count()).sum()
}

/// The files that only the feature `inbox` compiles, and those of transactions, which only `postgres` compiles.
fn is_of_inbox(file: &str) -> bool {
    [
        "/inbox",
        "/worker/",
        "/transaction",
        "/listen.rs",
        "/schedule",
        "/later",
        "/deferred",
        "pipeline/accept.rs",
        "delivery/members.rs",
        "delivery/stored.rs",
    ]
    .iter()
    .any(|part| file.contains(part))
}

/// What production builds compile, and what tests do. A feature that needs more says so here, with its reason.
#[test]
fn the_crates_keep_their_weight() {
    // Of the runtime, 900 are metrics: what is counted, its text, and the listener. The room beyond 20,000 is for what the
    // developer tool asks of an extension, for traces, and for the ids of problems, of which there are 66. Of the test kit, 850
    // are fixtures, captures, and what the console asks of it. Where the rest meets the inbox it has 1,100: tokens that expire, configuration, the
    // start. Of the rest, 100 are for deliveries that would be lost or forged: at a process that only works, with a token that comes
    // again, at endpoints beside own routes, and where something panics outside of a handler. Of the inbox, 200 are for long backlogs: one count at a time, rows that run alone, and the log of SQLite.
    // 100 more, and 50 of the test kit, are for locks that others hold in PostgreSQL, ends that are being stored, and work that the inbox has under its id.
    // Of the rest, 100 more are for calls that no worker that blocks holds up: the thread of their connections, and a rate limit that
    // gives times in place of a lock, without a library; and for telemetry that its rate holds back. Of the rest, 200 more are for secrets
    // in what panics and fails outside of deliveries, before them and beside them, and for texts of strangers, which are cut. 80 more,
    // and 40 of the inbox, are what users see: kinds of errors, traits of texts, and structs that can get fields.
    for (folder, inbox, most) in [
        ("kiket-runtime/src", false, 22_500),
        ("kiket-runtime/src", true, 5_790),
        ("kiket-testing/src", false, 4_200),
        ("kiket-testing/src", true, 1_200),
    ] {
        let lines = weight(folder, |file| is_of_inbox(file) == inbox);
        let name = if inbox { "the inbox" } else { "the rest" };
        println!("{folder}, {name}: {lines} lines of code, {most} at most");
        assert!(lines <= most, "{folder}, {name}, has {lines} lines of code, more than {most}");
    }
}
