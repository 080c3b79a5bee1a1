//! The file: its settings, its schema, and who may use it.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::{disk, failure::Failure};
use crate::{inbox::limits::InboxLimits, store::StoreError};

/// The file of an inbox, or none in memory.
pub(super) struct File {
    pub(super) path: Option<PathBuf>,
    pub(super) options: InboxLimits,
    /// How many statements were run.
    #[cfg(feature = "internals")]
    pub(super) statements: std::sync::atomic::AtomicU64,
}

/// Whether a connection writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Write,
    Read,
}

/// How often a connection tries to get the lock of another process, and what it waits between: with SQLite's own waits, which grow
/// to 100 ms, a process that commits without a pause would keep others out for seconds.
const TRIES: i32 = 2_000;
const BETWEEN: Duration = Duration::from_millis(1);

/// `kiket` in the header of the file.
const APPLICATION: i32 = 0x6b69_6b74;

/// The schema of this release.
const VERSION: i32 = 1;

/// The schema as SQL, by version. It only ever grows: a release adds the next one at the end.
///
/// The number in the file is `oldest * 1000 + version`: a release whose [`VERSION`] is at least the `oldest` uses the file, so that
/// this release and the previous one can share it.
const MIGRATIONS: [(i32, &str); 1] = [(1, SCHEMA)];

/// The first schema.
pub(super) const SCHEMA: &str = include_str!("version_1.sql");

impl File {
    /// Checks that the file system lasts.
    pub(super) fn check_lasts(&self) -> Result<(), StoreError> {
        match self.folder() {
            Some(folder) if !self.options.is_ephemeral => disk::check_lasts(folder),
            _ => Ok(()),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.folder().is_none_or(|folder| disk::has_room(folder, self.options.free))
    }

    /// What distinguishes the file from another one in its place; `None` without a file, and where that cannot be seen.
    pub(super) fn identity(&self) -> Option<(u64, u64)> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;

            let found = fs::metadata(self.path.as_deref()?).ok()?;
            Some((found.dev(), found.ino()))
        }
        #[cfg(not(unix))]
        None
    }

    fn folder(&self) -> Option<&Path> {
        self.path.as_deref().and_then(Path::parent)
    }

    pub(super) fn open(&self, access: Access) -> Result<Connection, Failure> {
        let Some(path) = &self.path else {
            let connection = Connection::open_in_memory()?;
            prepare(&connection, false)?;
            return Ok(connection);
        };
        create(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_handler(Some(is_tried_again))?;
        prepare(&connection, true)?;
        if access == Access::Read {
            set(&connection, "query_only = ON")?;
        }
        Ok(connection)
    }
}

fn is_tried_again(tries: i32) -> bool {
    thread::sleep(BETWEEN);
    tries < TRIES
}

/// Creates the file for this user alone, unless it is there. SQLite makes its log with the same mode.
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn prepare(connection: &Connection, is_file: bool) -> Result<(), Failure> {
    if is_file {
        let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            return Err(Failure::of(ErrorCode::SystemIoFailure, "it cannot have a write-ahead log"));
        }
    }
    // What is acknowledged is on the disk, past its cache on macOS as well.
    for setting in ["synchronous = FULL", "fullfsync = ON", "checkpoint_fullfsync = ON"] {
        set(connection, setting)?;
    }
    // The reader copies the log to the file; a commit does, which waits for it, where that is not enough.
    set(connection, "wal_autocheckpoint = 8192")?;
    // A log that a burst made large is cut again.
    set(connection, "journal_size_limit = 67108864")?;
    migrate(connection)
}

fn set(connection: &Connection, setting: &str) -> Result<(), Failure> {
    Ok(connection.prepare(&format!("PRAGMA {setting}"))?.query([])?.next().map(drop)?)
}

fn migrate(connection: &Connection) -> Result<(), Failure> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let found = number("user_version")?;
    if number("application_id")? == APPLICATION && found % 1000 >= VERSION && found / 1000 <= VERSION {
        return Ok(());
    }
    // Another process may do the same: the one that gets the lock second finds it done.
    let lock = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let (application, found) = (number("application_id")?, number("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && (tables > 0 || found != 0) {
        return Err(Failure::of(ErrorCode::NotADatabase, "it is a database of another program"));
    }
    let (oldest, version) = (found / 1000, found % 1000);
    if oldest > VERSION {
        let what = format!("it has version {version} of the schema, and this program knows {VERSION}");
        return Err(Failure::of(ErrorCode::SchemaChanged, what));
    }
    for (number, (oldest, sql)) in (1..).zip(MIGRATIONS).skip_while(|(number, _)| *number <= version) {
        connection.execute_batch(sql)?;
        set(connection, &format!("application_id = {APPLICATION}"))?;
        set(connection, &format!("user_version = {}", oldest * 1000 + number))?;
    }
    Ok(lock.commit()?)
}
