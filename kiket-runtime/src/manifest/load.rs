//! Finds the file of the manifest and reads its text.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use crate::error::{Place, Problem, ProblemId};

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

/// The other files in `directory` that could have been read instead of `path`.
pub(super) fn beside(directory: &Path, path: &Path) -> Vec<PathBuf> {
    let read = fs::canonicalize(path).ok();
    let others =
        NAMES.iter().map(|name| directory.join(name)).filter(|other| other != path && other.exists());
    others.filter(|other| read.is_none() || fs::canonicalize(other).ok() != read).collect()
}

/// The text of the file at `path`.
pub(super) fn read(path: &Path) -> Result<String, Problem> {
    let bytes = read_regular(path, LARGEST).map_err(|why| {
        Problem::new(ProblemId::ManifestUnreadable, format!("the manifest {why}"))
            .at(whole(path))
            .mend("check that the path is right, like `extension.yaml`, and that the file may be read")
    })?;
    String::from_utf8(bytes)
        .map_err(|error| not_utf8(path, error.as_bytes(), error.utf8_error().valid_up_to()))
}

/// The bytes of a regular file, or why there are none. Nothing else is opened: a FIFO or a device can wait for ever.
pub(crate) fn read_regular(path: &Path, largest: usize) -> Result<Vec<u8>, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let kind = fs::metadata(path).map_err(unreadable)?.file_type();
    if !kind.is_file() {
        let found = if kind.is_dir() { "a directory" } else { "a pipe, a socket or a device" };
        return Err(format!("is no regular file, found {found}"));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(largest).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() > largest {
        return Err(format!("is larger than {} KiB", largest / 1024));
    }
    Ok(bytes)
}

fn not_utf8(path: &Path, bytes: &[u8], valid: usize) -> Problem {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Problem::new(ProblemId::ManifestEncoding, "a manifest is UTF-8, found UTF-16")
            .at(whole(path))
            .mend("save the file as UTF-8");
    }
    let before = String::from_utf8_lossy(bytes.get(..valid).unwrap_or_default());
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Problem::new(ProblemId::ManifestEncoding, "a manifest is UTF-8, and these bytes are not")
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
        assert_eq!(read(&found).unwrap_err().what, "the manifest is no regular file, found a directory");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let directory = directory(&[]);
        let (pipe, socket) = (directory.path().join("extension.yaml"), directory.path().join("s"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(search(directory.path()), Some(pipe.clone()));
        // A thread, for a pipe that is opened waits for a writer.
        let (results, reads) = std::sync::mpsc::channel();
        let reading = std::thread::spawn(move || {
            [pipe, socket, "/dev/zero".into()]
                .map(|path| results.send(read(&path).map_err(|error| error.what)))
        });
        for _ in 0..3 {
            let read = reads.recv_timeout(std::time::Duration::from_secs(60)).expect("it waits for a writer");
            assert_eq!(
                read.unwrap_err(),
                "the manifest is no regular file, found a pipe, a socket or a device"
            );
        }
        let _ = reading.join().unwrap();
    }

    #[test]
    fn the_other_manifests_are_found_beside_the_first() {
        let directory = directory(&[NAMES[1], NAMES[4], "other.yaml"]);
        let path = |name| directory.path().join(name);
        assert_eq!(beside(directory.path(), &path(NAMES[1])), [path(NAMES[4])]);
        assert_eq!(beside(directory.path(), &path(NAMES[4])), [path(NAMES[1])]);
        #[cfg(unix)]
        {
            // Another name of the same file hides nothing.
            std::os::unix::fs::symlink(path(NAMES[1]), path(NAMES[0])).unwrap();
            assert_eq!(beside(directory.path(), &path(NAMES[0])), [path(NAMES[4])]);
        }
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
        assert!(problem.what.starts_with("the manifest cannot be read: "), "{problem}");
        assert_eq!(problem.place.as_ref().unwrap().file, link);
    }

    #[test]
    fn the_size_is_bounded() {
        let directory = directory(&[]);
        let path = directory.path().join("large.yaml");
        fs::write(&path, " ".repeat(LARGEST)).unwrap();
        assert_eq!(read(&path).unwrap().len(), LARGEST);
        fs::write(&path, " ".repeat(LARGEST + 1)).unwrap();
        assert_eq!(read(&path).unwrap_err().what, "the manifest is larger than 1024 KiB");
    }

    #[test]
    fn other_encodings_are_refused_with_their_place() {
        #[track_caller]
        fn check(bytes: &[u8], what: &str, line: u32, column: u32) {
            let directory = directory(&[]);
            let path = directory.path().join("x.yaml");
            fs::write(&path, bytes).unwrap();
            let problem = read(&path).unwrap_err();
            let place = problem.place.as_ref().unwrap();
            assert_eq!((problem.what.as_str(), place.line, place.column), (what, line, column));
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
