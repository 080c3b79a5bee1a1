//! Finds the file of the manifest and reads its text.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use crate::error::{Place, Problem};

/// The names of the manifest, in order: the first that exists is read (wire contract, manifest-files).
const NAMES: [&str; 6] = [
    "extension.yaml",
    "manifest.yaml",
    "extension.yml",
    "manifest.yml",
    ".kiket/manifest.yaml",
    "kiket-extension.yaml",
];

/// The largest file in bytes; the largest real manifest is a hundredth of it.
const LARGEST: usize = 1024 * 1024;

/// The first of the names above that exists in `directory`, of any file type: a directory or a broken link of that name is
/// reported, not skipped.
pub(super) fn search(directory: &Path) -> Option<PathBuf> {
    use io::ErrorKind::{NotADirectory, NotFound};
    let absent = |error: io::Error| matches!(error.kind(), NotFound | NotADirectory);
    let mut paths = NAMES.iter().map(|name| directory.join(name));
    paths.find(|path| !fs::symlink_metadata(path).is_err_and(absent))
}

/// The text of the file at `path`.
pub(super) fn read(path: &Path) -> Result<String, Problem> {
    let bytes = bytes(path)?;
    String::from_utf8(bytes)
        .map_err(|error| not_utf8(path, error.as_bytes(), error.utf8_error().valid_up_to()))
}

fn bytes(path: &Path) -> Result<Vec<u8>, Problem> {
    let unreadable = |error: io::Error| {
        Problem::new(format!("the manifest cannot be read: {error}"))
            .at(whole(path))
            .mend("check that the path is right and that the file may be read")
    };
    if fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Err(Problem::new("a manifest is a file, found a directory")
            .at(whole(path))
            .mend("name the file in it, like `extension.yaml`"));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(LARGEST).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() > LARGEST {
        return Err(Problem::new("a manifest is at most 1 MiB, and this file is larger")
            .at(whole(path))
            .mend("move large texts out of it, or name the right file"));
    }
    Ok(bytes)
}

fn not_utf8(path: &Path, bytes: &[u8], valid: usize) -> Problem {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Problem::new("a manifest is UTF-8, found UTF-16")
            .at(whole(path))
            .mend("save the file as UTF-8");
    }
    let before = String::from_utf8_lossy(bytes.get(..valid).unwrap_or_default());
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Problem::new("a manifest is UTF-8, and these bytes are not")
        .at(Place { line: number(line), column: number(column), ..whole(path) })
        .mend("save the file as UTF-8")
}

fn whole(path: &Path) -> Place {
    Place { file: path.to_owned(), line: 0, column: 0, excerpt: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join(".kiket")).unwrap();
        for file in files {
            fs::write(directory.path().join(file), "id: x").unwrap();
        }
        directory
    }

    #[test]
    fn the_first_name_that_exists_wins() {
        for first in 0..NAMES.len() {
            let directory = directory(&NAMES[first..]);
            assert_eq!(search(directory.path()), Some(directory.path().join(NAMES[first])));
        }
        assert_eq!(search(directory(&["other.yaml"]).path()), None);
        assert_eq!(search(Path::new("no such directory")), None);
    }

    #[test]
    fn a_directory_with_the_name_of_a_manifest_is_found_and_refused() {
        let directory = directory(&["manifest.yaml"]);
        fs::create_dir(directory.path().join("extension.yaml")).unwrap();
        let found = search(directory.path()).unwrap();
        assert_eq!(read(&found).unwrap_err().what(), "a manifest is a file, found a directory");
    }

    #[test]
    fn a_dangling_link_is_found_and_refused() {
        let directory = directory(&["manifest.yaml"]);
        let link = directory.path().join("extension.yaml");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("nowhere", &link).unwrap();
            assert_eq!(search(directory.path()), Some(link.clone()));
        }
        let problem = read(&link).unwrap_err();
        assert!(problem.what().starts_with("the manifest cannot be read: "), "{problem}");
        assert_eq!(problem.place().unwrap().file, link);
    }

    #[test]
    fn the_size_is_bounded() {
        let directory = directory(&[]);
        let path = directory.path().join("large.yaml");
        fs::write(&path, " ".repeat(LARGEST)).unwrap();
        assert_eq!(read(&path).unwrap().len(), LARGEST);
        fs::write(&path, " ".repeat(LARGEST + 1)).unwrap();
        assert_eq!(read(&path).unwrap_err().what(), "a manifest is at most 1 MiB, and this file is larger");
    }

    #[test]
    fn other_encodings_are_refused_with_their_place() {
        #[track_caller]
        fn check(bytes: &[u8], what: &str, line: u32, column: u32) {
            let directory = directory(&[]);
            let path = directory.path().join("x.yaml");
            fs::write(&path, bytes).unwrap();
            let problem = read(&path).unwrap_err();
            let place = problem.place().unwrap();
            assert_eq!((problem.what(), place.line, place.column), (what, line, column));
            assert_eq!(place.excerpt, None);
        }
        check(b"id: x\nname: \xe9t\xe9\n", "a manifest is UTF-8, and these bytes are not", 2, 7);
        check(
            "ähm: ä".as_bytes().split_last().unwrap().1,
            "a manifest is UTF-8, and these bytes are not",
            1,
            6,
        );
        check(b"\xff\xfei\0d\0", "a manifest is UTF-8, found UTF-16", 0, 0);
    }
}
