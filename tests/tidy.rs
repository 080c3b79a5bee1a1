//! The walls of the house, as tests: who may name what. ARCHITECTURE.md says why.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Every Rust source below `folder`, with its path from the root of the repository and its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                collect(&entry, files);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                files.push(entry);
            }
        }
    }

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join(folder), &mut files);
    assert!(!files.is_empty(), "no sources below {folder}");
    let from_root = |file: &PathBuf| file.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
    files.iter().map(|file| (from_root(file), fs::read_to_string(file).unwrap())).collect()
}

/// The code of a file: without comments, docs and the tests at its foot.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| line.split(" // ").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// Only files whose path starts with one of `rooms` may have `word` in their code.
#[track_caller]
fn check(word: &str, rooms: &[&str]) {
    let mut seen = false;
    let mut trespassers = Vec::new();
    for (file, text) in sources("kiket-runtime/src") {
        if !code(&text).contains(word) || file.ends_with("/tests.rs") {
            continue;
        }
        seen = true;
        let room = file.strip_prefix("kiket-runtime/src/").unwrap();
        if !rooms.iter().any(|allowed| room.starts_with(allowed)) {
            trespassers.push(file);
        }
    }
    assert!(seen, "nobody names `{word}`: is this rule about anything?");
    assert!(trespassers.is_empty(), "`{word}` belongs to {rooms:?}, not to {trespassers:?}");
}

#[test]
fn only_http_and_its_test_doubles_know_the_web_framework() {
    check("actix_web", &["http/", "testing/extension.rs", "testing/platform/"]);
    // What it is made of: only where connections are made.
    check("actix_http", &["http/connection.rs", "http/server.rs"]);
    check("actix_service", &["http/connection.rs", "http/server.rs"]);
    check("actix_server::", &["http/server.rs"]);
    check("socket2", &["http/server.rs"]);
}

#[test]
fn only_the_manifest_and_seeds_of_tests_know_yaml() {
    // A seed is read into types of its own: it has one form, where a manifest has three and needs the tree.
    check("serde_yaml", &["manifest/", "testing/platform/seed.rs"]);
}

#[test]
fn each_database_is_known_by_its_store() {
    check("use redis", &["dedupe/redis.rs"]);
    check("tokio_postgres", &["dedupe/postgres.rs"]);
}

#[test]
fn one_file_knows_the_cryptography_of_tokens() {
    check("ring::signature", &["auth/token/jwks.rs"]);
}

#[test]
fn only_the_configuration_reads_the_environment() {
    check("env::var", &["config/"]);
}

#[test]
fn only_the_clock_knows_the_time_of_day() {
    check("SystemTime::now", &["types/clock.rs"]);
}

#[test]
fn only_the_start_reads_the_global_list_of_handlers() {
    check("inventory::iter", &["extension/assemble.rs"]);
}

#[test]
fn only_the_manifest_and_seeds_of_tests_read_files() {
    check("fs::", &["manifest/load.rs", "testing/platform/seed.rs"]);
}

#[test]
fn nothing_a_request_can_reach_may_panic() {
    // What runs before the first delivery, and what tests call, may.
    let before =
        ["testing/", "extension/assemble.rs", "private.rs", "telemetry/logging.rs", "extension/builder.rs"];
    for (file, text) in sources("kiket-runtime/src") {
        let room = file.strip_prefix("kiket-runtime/src/").unwrap();
        if before.iter().any(|allowed| room.starts_with(allowed)) || file.ends_with("/tests.rs") {
            continue;
        }
        // Grammars panic where the compiler evaluates them, and keys are made at the start.
        let evaluated_before = ["types/event.rs", "types/timeout.rs", "auth/hmac.rs"].contains(&room);
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
fn only_models_and_events_of_the_runtime_name_its_macros() {
    for (file, text) in sources("kiket-macros/src") {
        assert!(!code(&text).contains("kiket_runtime"), "{file}");
    }
    // Models and payloads derive what those of users derive; nothing else of the runtime is made by macros.
    check("kiket_macros", &["events/", "model/"]);
}

#[test]
fn files_stay_of_a_size_to_read() {
    let long = |folder, limit| {
        sources(folder)
            .into_iter()
            .filter(move |(file, text)| code(text).lines().count() > limit && !file.ends_with("/tests.rs"))
    };
    let files: Vec<_> =
        long("kiket-macros/src", 120).chain(long("kiket-runtime/src", 420)).map(|(file, _)| file).collect();
    assert!(files.is_empty(), "too long for one purpose: {files:?}");
}

#[test]
fn every_file_is_on_the_map() {
    let map = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    for folder in ["kiket-runtime/src", "kiket-macros/src"] {
        for (file, _) in sources(folder) {
            let name = file.strip_prefix(folder).unwrap().trim_start_matches('/');
            assert!(map.contains(&format!("`{name}`")), "ARCHITECTURE.md does not say what `{name}` is for");
        }
    }
}
