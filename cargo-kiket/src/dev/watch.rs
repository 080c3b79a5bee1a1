//! What a rebuild depends on: the files that are watched, and when they change.
//!
//! Files are looked at again and again: that works on every file system, also on those that other machines write.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_millis(250);
/// How much of the time that may take: a twentieth.
const SHARE: u32 = 20;
/// How long files must stay as they are before a build begins.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// How often that is waited for: a file may be written all the time.
const MOST_DEBOUNCES: usize = 20;
/// How many files are watched at most.
const MOST_FILES: usize = 20_000;
/// How many entries of folders are looked at for them.
const MOST_ENTRIES: usize = 200_000;
/// How deep folders are.
const DEEPEST: usize = 32;

/// Folders with these names have nothing that a build reads.
const IGNORED_FOLDERS: [&str; 3] = ["target", "captures", "node_modules"];
/// Folders whose names begin with a dot are ignored, but for these.
const HIDDEN_FOLDERS: [&str; 2] = [".kiket", ".cargo"];
/// What is watched without being named by the compiler, by the end of its name.
const ENDINGS: [&str; 4] = ["rs", "toml", "yaml", "yml"];
/// The same by its whole name.
const NAMES: [&str; 2] = ["Cargo.lock", ".env"];

/// What is watched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Watched {
    /// Folders, with all files in them that a build may read.
    pub(super) folders: BTreeSet<PathBuf>,
    /// Files, or folders of which every file counts.
    pub(super) named: BTreeSet<PathBuf>,
    /// Folders that count for nothing.
    pub(super) ignored: BTreeSet<PathBuf>,
}

/// The state of the files at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Snapshot(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

impl Watched {
    /// Adds what the compiler read for a program, as it wrote beside it, and the folders of the packages of these files.
    pub(super) fn add_sources(&mut self, executable: &Path) {
        let mut list = executable.with_extension("").into_os_string();
        list.push(".d");
        let Ok(text) = fs::read_to_string(list) else { return };
        for file in sources(&text) {
            let package = file.ancestors().skip(1).find(|folder| folder.join("Cargo.toml").is_file());
            if let Some(package) = package.filter(|package| !self.covers(package)) {
                self.folders.insert(package.to_owned());
            }
            if !is_ignored(&file) {
                self.named.insert(file);
            }
        }
    }

    fn covers(&self, folder: &Path) -> bool {
        self.folders.iter().any(|watched| folder.starts_with(watched))
    }

    /// Looks at all files.
    pub(super) fn look(&self) -> Snapshot {
        let mut seen = Snapshot::default();
        let mut left = MOST_ENTRIES;
        for folder in &self.folders {
            self.look_into(folder, DEEPEST, &mut left, &|file| is_source(file), &mut seen);
        }
        for named in &self.named {
            if named.is_dir() {
                self.look_into(named, DEEPEST, &mut left, &|_| true, &mut seen);
            } else {
                seen.add(named.clone());
            }
        }
        seen
    }

    fn look_into(
        &self,
        folder: &Path,
        depth: usize,
        left: &mut usize,
        counts: &dyn Fn(&Path) -> bool,
        seen: &mut Snapshot,
    ) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, kind) = (entry.path(), entry.file_type());
            *left = left.saturating_sub(1);
            if *left == 0 || self.ignored.contains(&path) {
                continue;
            }
            // A link to a folder may lead around in a circle.
            match kind {
                Ok(kind) if kind.is_dir() && depth > 0 && !is_ignored_folder(&path) => {
                    self.look_into(&path, depth - 1, left, counts, seen);
                }
                Ok(_) if counts(&path) => seen.add(path),
                _ => {}
            }
        }
    }
}

impl Snapshot {
    fn add(&mut self, file: PathBuf) {
        if self.0.len() < MOST_FILES
            && let Ok(about) = fs::metadata(&file)
        {
            self.0.insert(file, (about.modified().ok(), about.len()));
        }
    }

    /// The files that were not written between this time and now. A time to come is that of another clock, and says nothing.
    fn until(mut self, time: SystemTime) -> Self {
        let now = SystemTime::now();
        self.0.retain(|_, (written, _)| written.is_none_or(|written| written <= time || written > now));
        self
    }

    /// The files that differ.
    pub(super) fn changed(&self, before: &Self) -> Vec<PathBuf> {
        let differ = self.0.iter().filter(|(file, state)| before.0.get(*file) != Some(*state));
        let gone = before.0.keys().filter(|file| !self.0.contains_key(*file));
        differ.map(|(file, _)| file).chain(gone).cloned().collect()
    }

    /// How many files there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.len()
    }
}

fn is_source(file: &Path) -> bool {
    let ends = |ending: &OsStr| ENDINGS.iter().any(|known| ending == *known);
    file.extension().is_some_and(ends)
        || file.file_name().is_some_and(|name| NAMES.iter().any(|known| name == *known))
}

fn is_ignored_folder(folder: &Path) -> bool {
    let Some(name) = folder.file_name().map(OsStr::to_string_lossy) else { return true };
    let is_hidden = name.starts_with('.') && !HIDDEN_FOLDERS.contains(&&*name);
    // Cargo's target folders have the tag, whatever their names.
    is_hidden || IGNORED_FOLDERS.contains(&&*name) || folder.join("CACHEDIR.TAG").exists()
}

/// Whether a file that the compiler names is written by a build, or by the extension.
fn is_ignored(file: &Path) -> bool {
    file.ancestors().skip(1).any(|folder| folder.join("CACHEDIR.TAG").exists())
}

/// The files in a list of dependencies as rustc writes it: `program: file file`, with a backslash before each space of a name.
fn sources(text: &str) -> impl Iterator<Item = PathBuf> {
    text.lines().filter_map(|line| line.split_once(": ")).flat_map(|(_, files)| {
        let mut names = vec![String::new()];
        let mut chars = files.chars().peekable();
        while let Some(char) = chars.next() {
            match (char, names.last_mut()) {
                ('\\', Some(name)) if chars.peek() == Some(&' ') => name.extend(chars.next()),
                (' ', _) => names.push(String::new()),
                (char, Some(name)) => name.push(char),
                _ => {}
            }
        }
        names.into_iter().filter(|name| !name.is_empty()).map(PathBuf::from)
    })
}

/// Waits for changes.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) watched: Watched,
    before: Snapshot,
    /// How long the last look took.
    took: Duration,
}

impl Watcher {
    /// What was written later than `since` is the first change.
    pub(super) fn new(watched: Watched, since: SystemTime) -> Self {
        let began = Instant::now();
        let before = watched.look().until(since);
        Self { watched, before, took: began.elapsed() }
    }

    /// How many files are watched.
    #[cfg(test)]
    fn files(&self) -> usize {
        self.before.len()
    }

    /// Watches something else, too: a file that is new there is a change if it was written later than `since`, when the build
    /// began that read it.
    pub(super) fn watch(&mut self, watched: Watched, since: SystemTime) {
        if watched != self.watched {
            self.watched = watched;
            let now = self.watched.look().until(since);
            for (file, state) in now.0 {
                self.before.0.entry(file).or_insert(state);
            }
        }
    }

    /// The files that changed since the last change, once they stay as they are; `None` where there are none yet. It takes as
    /// long as it takes to look at the files, and must be called again after [`pause`](Self::pause).
    pub(super) fn changes(&mut self) -> Option<Vec<PathBuf>> {
        let began = Instant::now();
        let now = self.watched.look();
        self.took = began.elapsed();
        if now == self.before {
            return None;
        }
        let mut last = now;
        // Editors write in several steps; tools like git write many files.
        for _ in 0..MOST_DEBOUNCES {
            std::thread::sleep(DEBOUNCE);
            let now = self.watched.look();
            if now == last {
                break;
            }
            last = now;
        }
        let changed = last.changed(&self.before);
        self.before = last;
        Some(changed).filter(|changed| !changed.is_empty())
    }

    /// How long to wait before files are looked at again: by how long one look took.
    pub(super) fn pause(&self) -> Duration {
        INTERVAL.max(self.took * SHARE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, file: &str, text: &str) {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn watcher(folder: &Path) -> Watcher {
        Watcher::new(Watched { folders: [folder.to_owned()].into(), ..Watched::default() }, SystemTime::now())
    }

    #[test]
    fn a_change_that_takes_its_time_delays_no_other() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "src/main.rs", "1");
        let mut watcher = watcher(folder.path());
        write(folder.path(), "src/main.rs", "22");
        let began = Instant::now();
        assert!(watcher.changes().is_some());
        assert!(began.elapsed() >= DEBOUNCE);
        // Of the look alone, which is short.
        assert!(watcher.pause() < DEBOUNCE * SHARE, "{:?}", watcher.pause());
    }

    #[test]
    fn only_what_a_build_reads_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for file in ["Cargo.toml", "Cargo.lock", "src/main.rs", ".kiket/manifest.yaml"] {
            write(folder, file, "1");
        }
        write(folder, "build/CACHEDIR.TAG", "");
        let mut watcher = watcher(folder);
        assert_eq!((watcher.files(), watcher.changes()), (4, None));
        for file in [
            "target/debug/build/a/out/b.rs",
            "build/a.rs",
            ".git/config.toml",
            "captures/issue.created.json",
            "captures/x.yaml",
            "inbox.db",
            "inbox.db-wal",
            "inbox.db-shm",
            "log.txt",
            "node_modules/a/b.yaml",
        ] {
            write(folder, file, "written");
        }
        assert_eq!(watcher.changes(), None);
        for file in
            ["src/main.rs", "src/deep/er/new.rs", ".kiket/manifest.yaml", ".cargo/config.toml", ".env"]
        {
            write(folder, file, "written");
            assert_eq!(watcher.changes(), Some(vec![folder.join(file)]), "{file}");
        }
        fs::remove_file(folder.join("src/main.rs")).unwrap();
        assert_eq!(watcher.changes(), Some(vec![folder.join("src/main.rs")]));
        assert_eq!(watcher.changes(), None);
    }

    #[test]
    fn what_the_compiler_read_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let own = folder.join("own");
        for file in
            ["own/Cargo.toml", "own/src/main.rs", "own/a page.html", "other/Cargo.toml", "other/src/lib.rs"]
        {
            write(folder, file, "1");
        }
        write(folder, "target/CACHEDIR.TAG", "");
        write(folder, "target/out/generated.rs", "1");
        let page = own.join("a page.html").display().to_string().replace(' ', "\\ ");
        let at = |file: &str| folder.join(file).display().to_string();
        let list = format!(
            "{}: {} {page} {} {}\n",
            at("target/program"),
            at("own/src/main.rs"),
            at("other/src/lib.rs"),
            at("target/out/generated.rs")
        );
        write(folder, "target/program.d", &list);
        let mut watched = Watched { folders: [own.clone()].into(), ..Watched::default() };
        watched.add_sources(&folder.join("target/program"));
        assert_eq!(watched.folders, [own.clone(), folder.join("other")].into());
        let mut looking = Watcher::new(watched.clone(), SystemTime::now());
        for (file, is_change) in [
            ("own/a page.html", true),
            ("own/another page.html", false),
            ("other/src/new.rs", true),
            ("target/out/generated.rs", false),
        ] {
            write(folder, file, "22");
            assert_eq!(looking.changes().is_some(), is_change, "{file}");
        }
        watched.named.insert(own.join("another page.html"));
        looking.watch(watched, SystemTime::now());
        assert_eq!(looking.changes(), None);
        write(folder, "own/another page.html", "333");
        assert!(looking.changes().is_some());
    }

    #[test]
    fn what_was_written_during_a_build_is_a_change_once() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let began = SystemTime::now() - Duration::from_secs(60);
        let [before, file, ahead] =
            [("before.html", 0), ("since.html", 1), ("ahead.html", 3600)].map(|(name, seconds)| {
                let file = folder.join(name);
                write(folder, name, "1");
                let written = began + Duration::from_secs(seconds);
                fs::File::options().write(true).open(&file).unwrap().set_modified(written).unwrap();
                file
            });
        let watched = Watched { named: [before, file.clone(), ahead].into(), ..Watched::default() };
        let mut added = Watcher::new(Watched::default(), began);
        added.watch(watched.clone(), began);
        for mut watcher in [added, Watcher::new(watched, began)] {
            assert_eq!(watcher.changes(), Some(vec![file.clone()]));
            assert_eq!(watcher.changes(), None);
        }
    }
}
