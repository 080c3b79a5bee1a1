//! Real input that is not part of this repository, where it lies beside it.

use std::{io::Write as _, path::PathBuf};

/// The folder `name` of the corpus; without it, the test says that it is skipped.
pub(crate) fn corpus(name: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("KIKET_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let directory = shared.join("corpus").join(name);
    if directory.is_dir() {
        return Some(directory);
    }
    skipped(&format!("no real {name} in {}; set KIKET_SHARED to check them", directory.display()));
    None
}

/// Tells what is not tested, also where the test passes: the harness swallows what `eprintln!` says.
pub(crate) fn skipped(why: &str) {
    let _ = std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes());
}

/// The files of a folder, in their order.
pub(crate) fn files(directory: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}
