//! The name of a package, made from that of its folder.

use std::path::{Path, PathBuf};

use crate::exit::{Error, Result};

/// The name of a package.
#[derive(Debug)]
pub(super) struct Name {
    /// As `Cargo.toml` has it.
    pub(super) package: String,
    /// As people read it.
    pub(super) title: String,
    /// What was changed, if the folder's name is none of a package.
    pub(super) mended: Option<String>,
}

/// Names that a package cannot have, or that its dependencies, the compiler or Windows have already.
#[rustfmt::skip]
const TAKEN: [&str; 72] = [
    "abstract", "alloc", "as", "async", "aux", "await", "become", "box", "break", "build", "con", "const", "continue",
    "core", "crate", "deps", "do", "dyn", "else", "enum", "examples", "extern", "false", "final", "fn", "for", "gen",
    "if", "impl", "in", "incremental", "kiket", "let", "loop", "macro", "match", "mod", "move", "mut", "nul",
    "override", "priv", "prn", "proc-macro", "proc_macro", "pub", "ref", "return", "self", "serde", "serde_json",
    "static", "std", "struct", "super", "test", "tests", "tokio", "trait", "true", "try", "type", "typeof", "union",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "_",
];

/// The longest name that crates.io takes.
const LONGEST: usize = 64;

/// The folder of a project and the name of its package.
pub(super) fn of(path: &Path) -> Result<(PathBuf, Name)> {
    let given = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let Some(given) = given else {
        // `.` and `..` are folders, and have names.
        let folder = path.canonicalize().ok().filter(|folder| folder.file_name().is_some());
        let folder = folder.ok_or_else(|| {
            Error::input(format!("`{}` has no name", path.display())).help("name a folder, like `hello`")
        })?;
        return of(&folder);
    };
    let package = package(&given);
    let folder = path.with_file_name(&package);
    let mended = (package != given)
        .then(|| format!("`{given}` cannot be the name of a package, so it is `{package}`"));
    Ok((folder, Name { title: title(&package), package, mended }))
}

fn package(given: &str) -> String {
    let mut name = String::new();
    let mut letters = given.chars().flat_map(char::to_lowercase).peekable();
    while let Some(letter) = letters.next() {
        if letter.is_ascii_alphanumeric() || letter == '_' {
            name.push(letter);
        } else if !name.is_empty() && !name.ends_with('-') && letters.peek().is_some() {
            name.push('-');
        }
    }
    name.truncate(LONGEST - "extension-".len());
    let name = name.trim_matches('-');
    match name.as_bytes().first() {
        None => "extension".to_owned(),
        Some(first) if !first.is_ascii_alphabetic() => format!("extension-{}", name.trim_start_matches('_')),
        Some(_) if TAKEN.contains(&name) => format!("{name}-extension"),
        Some(_) => name.to_owned(),
    }
}

fn title(package: &str) -> String {
    let words = package.split(['-', '_']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_a_name_of_a_package() {
        #[track_caller]
        fn check(given: &str, expected: &str) {
            let (folder, name) = of(Path::new(given)).unwrap();
            assert_eq!(name.package, expected, "{given}");
            assert!(folder.ends_with(expected), "{folder:?}");
            assert_eq!(name.mended.is_none(), given.rsplit('/').next() == Some(expected), "{given}");
        }
        check("hello", "hello");
        check("a/b/hello-world_2", "hello-world_2");
        check("My Extension!", "my-extension");
        check("Größe", "gr-e");
        check("é", "extension");
        check("2fast", "extension-2fast");
        check("_x", "extension-x");
        check("async", "async-extension");
        check("kiket", "kiket-extension");
        check("Test", "test-extension");
        check("--a--b--", "a-b");
        check("\"; rm -rf ~ #{}", "rm-rf");
        check(&"x".repeat(300), &"x".repeat(54));
    }

    #[test]
    fn a_title_is_made_of_words() {
        assert_eq!(title("my-first_extension"), "My first extension");
        assert_eq!(title("a"), "A");
    }

    #[test]
    fn a_folder_without_a_name_has_that_of_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("project").join("src");
        std::fs::create_dir_all(&inside).unwrap();
        assert_eq!(of(&inside.join("..")).unwrap().1.package, "project");
        assert!(of(Path::new("/")).is_err());
    }
}
