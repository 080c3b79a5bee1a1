//! The walls of the house, as tests: who may name what. ARCHITECTURE.md says why.

mod graph;
mod links;
mod recipes;
#[cfg(unix)]
mod release;
mod words;

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use self::graph::{Graph, circles, graph};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` whose name ends in one of `extensions`, with its path from the root and its text.
fn files(folder: &str, extensions: &[&str]) -> Vec<(String, String)> {
    fn collect(folder: &Path, extensions: &[&str], files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = entry.file_name().and_then(OsStr::to_str).unwrap_or_default();
            if entry.is_dir() {
                // What builds and fuzzers leave behind is not ours.
                if !["target", ".git", "corpus", "artifacts"].contains(&name) {
                    collect(&entry, extensions, files);
                }
            } else if extensions.iter().any(|extension| name.ends_with(extension)) {
                files.push(entry);
            }
        }
    }

    let mut files = Vec::new();
    if root().join(folder).is_dir() {
        collect(&root().join(folder), extensions, &mut files);
    }
    files.sort();
    let from_root = |file: &PathBuf| file.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
    files.iter().map(|file| (from_root(file), fs::read_to_string(file).unwrap())).collect()
}

/// Every Rust source below `folder`.
fn sources(folder: &str) -> Vec<(String, String)> {
    let files = files(folder, &[".rs"]);
    assert!(!files.is_empty(), "no sources below {folder}");
    files
}

/// Whether a file has nothing but tests.
fn is_test(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/")
}

/// The code of a file: without comments, docs and the tests at its foot.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| line.split(" // ").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// The sources of the test kit.
const KIT: &str = "kiket-testing/src";

/// Only files of the runtime whose path starts with one of `rooms`, and of the test kit with its whole path there, may have
/// `word` in their code.
#[track_caller]
fn check(word: &str, rooms: &[&str]) {
    let mut seen = false;
    let mut trespassers = Vec::new();
    for (file, text) in sources("kiket-runtime/src").into_iter().chain(sources(KIT)) {
        if !code(&text).contains(word) || is_test(&file) {
            continue;
        }
        seen = true;
        let room = file.strip_prefix("kiket-runtime/src/").unwrap_or(&file);
        if !rooms.iter().any(|allowed| room.starts_with(allowed)) {
            trespassers.push(file);
        }
    }
    assert!(seen, "no file names `{word}`: is this rule about anything?");
    assert!(trespassers.is_empty(), "`{word}` belongs to {rooms:?}, not to {trespassers:?}");
}

/// The modules of the runtime from bottom to top: each imports only from those before it.
const ORDER: [&str; 23] = [
    "types",
    "error",
    "metrics",
    "manifest",
    "config",
    "client",
    "model",
    "api",
    "store",
    "auth",
    "delivery",
    "handler",
    "events",
    "messages",
    "dedupe",
    "inbox",
    "telemetry",
    "pipeline",
    "worker",
    "http",
    "extension",
    "lib",
    "private",
];

fn graph_of(crate_sources: &str) -> Graph {
    let below = |file: String| file[crate_sources.len() + 1..].to_owned();
    let sources: Vec<_> =
        sources(crate_sources).into_iter().map(|(file, text)| (below(file), text)).collect();
    graph(&sources)
}

/// Where a module stands in the order.
#[track_caller]
fn position(file: &str) -> usize {
    let module = file.split('/').next().unwrap_or(file).trim_end_matches(".rs");
    let position = ORDER.iter().position(|name| *name == module);
    position.unwrap_or_else(|| panic!("`{module}` has no place in the order of modules: give it one"))
}

#[test]
fn imports_point_down() {
    let mut upwards = Vec::new();
    for (from, edges) in &graph_of("kiket-runtime/src") {
        for (to, path) in edges {
            if position(to) > position(from) {
                upwards.push(format!("{from} names `{path}` of {to}"));
            }
        }
    }
    assert!(upwards.is_empty(), "against the order {ORDER:?}:\n{}", upwards.join("\n"));
}

#[test]
fn no_files_import_each_other() {
    let mut found = Vec::new();
    for sources in ["src", "cargo-kiket/src", "kiket-macros/src", "kiket-runtime/src", KIT] {
        let graph = graph_of(sources);
        for circle in circles(&graph) {
            for from in &circle {
                let inside = graph[*from].iter().filter(|(to, _)| circle.contains(to.as_str()));
                found.extend(inside.map(|(to, path)| format!("{sources}: {from} names `{path}` of {to}")));
            }
        }
    }
    assert!(found.is_empty(), "files import each other:\n{}", found.join("\n"));
}

#[test]
fn only_http_and_its_test_doubles_know_the_web_framework() {
    check(
        "actix_web",
        &["http/", "private/internals.rs", "kiket-testing/src/extension.rs", "kiket-testing/src/platform/"],
    );
    // What it is made of: only where connections are made.
    check("actix_http", &["http/connection.rs", "http/listener.rs", "http/server.rs"]);
    check("actix_service", &["http/connection.rs", "http/listener.rs"]);
    check("actix_server::", &["http/listener.rs"]);
    check("socket2", &["http/listener.rs"]);
}

#[test]
fn only_the_manifest_and_seeds_of_tests_know_yaml() {
    // A seed is read into types of its own: it has one form, where a manifest has three and needs the tree.
    check("serde_yaml", &["manifest/", "kiket-testing/src/platform/seed.rs"]);
}

#[test]
fn each_database_is_known_by_its_store() {
    check("use redis", &["dedupe/redis/"]);
    check("use rusqlite", &["inbox/sqlite/"]);
    check("tokio_postgres", &["dedupe/postgres/", "inbox/postgres/", "pipeline/transaction/"]);
}

#[test]
fn one_file_knows_the_cryptography_of_tokens() {
    check("ring::signature", &["auth/token/jwks.rs"]);
}

#[test]
fn only_the_configuration_reads_the_environment() {
    // And a test of captures, which may write them.
    check("env::var", &["config/", "kiket-testing/src/capture/replay.rs"]);
}

#[test]
fn only_the_clock_knows_the_time_of_day() {
    // A line of the log has the time at which it is written, as with every subscriber, whatever the clock of an extension says.
    check("SystemTime::now", &["types/clock.rs", "telemetry/json.rs"]);
}

#[test]
fn values_start_no_threads() {
    check(
        "thread::Builder",
        &[
            "client/thread.rs",
            "inbox/sqlite/thread.rs",
            "pipeline/watch.rs",
            "telemetry/",
            "worker/mod.rs",
            "kiket-testing/src/platform/server.rs",
        ],
    );
}

#[test]
fn only_the_start_reads_the_global_list_of_handlers() {
    // And the test kit, to take a module for a program.
    check("inventory::iter::<Registration>", &["extension/registration.rs", "private/internals.rs"]);
}

#[test]
fn only_these_files_use_the_file_system() {
    check(
        "fs::",
        &[
            "http/signals.rs",
            "inbox/sqlite/disk.rs",
            "inbox/sqlite/open.rs",
            "manifest/load.rs",
            "telemetry/output.rs",
            "kiket-testing/src/capture/file.rs",
            "kiket-testing/src/capture/replay.rs",
            "kiket-testing/src/platform/seed.rs",
        ],
    );
}

#[test]
fn nothing_a_request_can_reach_may_panic() {
    // What runs before the first delivery may.
    let before = ["extension/assemble.rs", "private/mod.rs", "telemetry/logging.rs", "extension/builder.rs"];
    for (file, text) in sources("kiket-runtime/src") {
        let room = file.strip_prefix("kiket-runtime/src/").unwrap();
        if before.iter().any(|allowed| room.starts_with(allowed)) || file.ends_with("/tests.rs") {
            continue;
        }
        // Grammars panic where the compiler evaluates them, and keys are made at the start.
        let evaluated_before =
            ["types/event.rs", "types/later.rs", "types/schedule.rs", "types/timeout.rs", "auth/hmac.rs"]
                .contains(&room);
        let words = [".unwrap()", ".expect(", "todo!", "unimplemented!", "panic!(", "unreachable!("];
        for word in words
            .into_iter()
            .filter(|word| !(evaluated_before && ["panic!(", "unreachable!("].contains(word)))
        {
            assert!(!code(&text).contains(word), "{file} has `{word}`");
        }
    }
}

#[test]
fn the_test_kit_panics_with_a_sentence() {
    for (file, text) in sources(KIT).into_iter().filter(|(file, _)| !is_test(file)) {
        for word in [".unwrap()", ".unwrap_err()", "todo!", "unimplemented!", "unreachable!()", "panic!()"] {
            assert!(!code(&text).contains(word), "{file} has `{word}`");
        }
    }
}

#[test]
fn only_one_module_of_the_runtime_is_open_to_the_test_kit() {
    for (file, text) in sources(KIT) {
        assert!(!code(&text).contains("kiket_runtime::private"), "{file}");
    }
    let manifest = fs::read_to_string(root().join("kiket-runtime/Cargo.toml")).unwrap();
    let production = manifest.split("[dev-dependencies]").next().unwrap_or_default();
    assert!(!production.contains("kiket-testing"), "production builds would compile the test kit");
}

#[test]
fn only_models_and_events_of_the_runtime_name_its_macros() {
    for (file, text) in sources("kiket-macros/src") {
        assert!(!code(&text).contains("kiket_runtime"), "{file}");
    }
    // Models and payloads derive what those of users derive; nothing else of the runtime is made by macros.
    check("kiket_macros", &["events/", "model/"]);
}

/// What users copy runs where standard output may be closed, or a reader may be gone: a print would panic there.
#[test]
fn examples_log_and_do_not_print() {
    let mut found = Vec::new();
    let texts = ["docs", "examples", "kiket-runtime/src", "kiket-testing/src", "src"];
    for (file, text) in texts.into_iter().flat_map(|folder| files(folder, &[".md", ".rs"])) {
        let mut is_main = false;
        let begins_tests =
            |line: &&str| !file.starts_with("docs/") && line.starts_with("#[") && line.contains("test");
        for (number, line) in (1..).zip(text.lines().take_while(|line| !begins_tests(line))) {
            // `main` is for the one who starts the program. A block of code has its own.
            is_main = !line.contains("```") && (is_main || line.contains("fn main()"));
            if !is_main && (line.contains("print!(") || line.contains("println!(")) && !is_test(&file) {
                found.push(format!("{file}:{number}"));
            }
        }
    }
    assert!(found.is_empty(), "use `tracing::info!` or `warn!`: {found:?}");
}

#[test]
fn rust_blocks_of_pages_are_compiled() {
    let doctests =
        ["src/lib.rs", "kiket-otel/src/lib.rs"].map(|file| fs::read_to_string(root().join(file)).unwrap());
    let mut found = Vec::new();
    for (file, text) in files("docs", &[".md"]) {
        let is_page = doctests.iter().any(|crates| crates.contains(&format!("../{file}")));
        let blocks: Vec<_> = text.lines().filter(|line| line.trim_start().starts_with("```rust")).collect();
        if !blocks.is_empty() && !is_page || blocks.iter().any(|block| block.contains("ignore")) {
            found.push(file);
        }
    }
    assert!(found.is_empty(), "include the page in `pages` of src/lib.rs, without `ignore`: {found:?}");
}

/// What CONTRIBUTING.md quotes of the crates is compiled there.
#[test]
fn quotations_of_the_code_are_the_code() {
    let guide = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let code: Vec<_> = files("", &[".rs"]).iter().map(|(_, text)| words(text)).collect();
    let quotations: Vec<_> =
        guide.split("```rust,ignore").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!quotations.is_empty());
    for quotation in quotations {
        assert!(code.iter().any(|code| code.contains(&words(quotation))), "no file has this: {quotation}");
    }
}

/// A field and a member of `extra` may have one name: `with_extra!` writes that once.
#[test]
fn unknown_fields_are_written_by_one_macro() {
    for (file, text) in sources("kiket-runtime/src").into_iter().filter(|(file, _)| !is_test(file)) {
        let code = code(&text);
        let derives = code.match_indices("#[serde(flatten").filter_map(|(at, _)| {
            let from = code[..at].rfind("#[derive(")?;
            code[from..].lines().next()
        });
        let writes = derives
            .filter(|derives| derives.contains("Serialize)") || derives.contains("Serialize,"))
            .count();
        // Of actions, only `kind` is a field, which is never among the others.
        let known = ["messages/actions.rs", "types/unknown.rs"].iter().any(|known| file.ends_with(known));
        assert!(writes == 0 || known, "{file}: make the struct by `with_extra!`");
    }
}

/// Wire contract, unknown-fields.
#[test]
fn unknown_fields_are_read_without_secrets() {
    let mut found = Vec::new();
    for (file, text) in sources("kiket-runtime/src").into_iter().filter(|(file, _)| !is_test(file)) {
        let code = code(&text);
        for (at, _) in code.match_indices("#[serde(flatten)]") {
            let derives = code[..at].rfind("#[derive(").map_or("", |from| &code[from..at]);
            let reads = derives.lines().next().is_some_and(|line| line.contains("Deserialize"));
            // What is read as another type is checked there; of the page of a list nothing is kept.
            if reads && !derives.contains("serde(try_from") && !file.ends_with("client/page.rs") {
                found.push(format!("{file}:{}", code[..at].lines().count()));
            }
        }
    }
    assert!(found.is_empty(), "add `deserialize_with = \"unknown_fields\"`, or `unknown_members`: {found:?}");
}

#[test]
fn files_stay_of_a_size_to_read() {
    let long = |folder, limit| {
        sources(folder)
            .into_iter()
            .filter(move |(file, text)| code(text).lines().count() > limit && !file.ends_with("/tests.rs"))
    };
    let limits =
        [("cargo-kiket/src", 420), ("kiket-macros/src", 160), ("kiket-runtime/src", 420), (KIT, 420)];
    let files = limits.into_iter().flat_map(|(folder, limit)| long(folder, limit));
    let files: Vec<_> = files.map(|(file, _)| file).collect();
    assert!(files.is_empty(), "too long for one purpose: {files:?}");
}

/// Their `Cargo.toml` has `test = false`, for a test program without tests is built and linked all the same.
#[test]
fn packages_of_tests_have_no_unit_tests() {
    let sources = sources("tests/packages").into_iter();
    let mut unrun = sources.filter(|(file, text)| file.contains("/src/") && text.contains("test]\n"));
    assert_eq!(
        unrun.next(),
        None,
        "cargo does not run these: move them into the `tests` folder of the package"
    );
}
