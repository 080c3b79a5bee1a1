//! The inbox in a file of SQLite, for the processes of one machine.

mod claim;
mod disk;
mod failure;
mod finish;
mod open;
mod rows;
mod session;
#[cfg(test)]
mod tests;
mod thread;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use self::{
    open::File,
    rows::Only,
    session::Session,
    thread::{FileThread, Timers},
};
use super::limits::InboxLimits;
use crate::{
    store::{
        LeaseState, StoreError, StoreErrorKind, StoreFuture,
        inbox::{
            Acceptance, ClaimRequest, ClaimedWork, Inbox, InboxCount, InboxFilter, InboxRow, NewWork, Now,
            Redrive, RowState, Swept, WorkEnd, WorkLease,
        },
    },
    types::Mutex,
};

/// The inbox in a file of SQLite, for one process or several of one machine.
///
/// What it acknowledges is on the disk: the log of the database is synced before an operation returns (`synchronous=FULL`). One
/// thread writes. It takes all operations that wait into one transaction, so that many of them share one sync.
///
/// The file, its directory and its log (`-wal`, `-shm`) belong together. Nothing is opened before the first operation.
pub struct SqliteInbox {
    file: Arc<File>,
    threads: Mutex<Option<Arc<Threads>>>,
}

struct Threads {
    writer: FileThread,
    /// In memory there is one connection, which also reads.
    reader: Option<FileThread>,
}

/// The deadline of an operation.
const OPERATION: Duration = Duration::from_secs(3);
/// The deadline of one that looks through all rows.
const READING: Duration = Duration::from_secs(30);

impl SqliteInbox {
    /// The SQL that makes its tables. It runs when the file is opened.
    pub const SCHEMA: &str = open::SCHEMA;

    /// The inbox in the file at `path`, which is made when it is first used.
    ///
    /// # Errors
    ///
    /// When the working directory cannot be read, for a relative path.
    pub fn new(path: impl AsRef<Path>, options: InboxLimits) -> Result<Self, StoreError> {
        let path = std::path::absolute(path).map_err(|error| {
            StoreError::new("the path of the inbox cannot be made absolute")
                .with_kind(StoreErrorKind::Refused)
                .mend("write it absolute")
                .because(error)
        })?;
        Ok(Self::at(Some(path), options))
    }

    /// An inbox in memory, which is gone when this is dropped. For tests.
    pub fn in_memory(options: InboxLimits) -> Self {
        Self::at(None, options)
    }

    fn at(path: Option<PathBuf>, options: InboxLimits) -> Self {
        let file = File {
            path,
            options,
            #[cfg(feature = "internals")]
            statements: std::sync::atomic::AtomicU64::default(),
        };
        Self { file: Arc::new(file), threads: Mutex::default() }
    }

    /// How many statements it has run: for tests, and for the bench.
    #[cfg(feature = "internals")]
    #[doc(hidden)]
    pub fn statements(&self) -> u64 {
        self.file.statements.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn threads(&self) -> Result<Arc<Threads>, StoreError> {
        let mut threads = self.threads.lock();
        if let Some(threads) = &*threads {
            return Ok(Arc::clone(threads));
        }
        let timers = Arc::new(Timers::start()?);
        let read = || FileThread::reader(Arc::clone(&self.file), Arc::clone(&timers));
        let reader = self.file.path.is_some().then(read).transpose()?;
        let writer = FileThread::writer(Arc::clone(&self.file), Arc::clone(&timers), reader.as_ref())?;
        let started = Arc::new(Threads { writer, reader });
        *threads = Some(Arc::clone(&started));
        Ok(started)
    }

    async fn write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Session<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.threads()?.writer.run(OPERATION, operation).await
    }

    /// Writes, unless a look at the file shows that there is nothing to do.
    async fn write_unless<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Session<'_>) -> rusqlite::Result<Option<T>> + Send + 'static,
        operation: impl FnOnce(&mut Session<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.threads()?.writer.run_unless(OPERATION, look, operation).await
    }

    async fn read<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Session<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let threads = self.threads()?;
        threads.reader.as_ref().unwrap_or(&threads.writer).run(READING, operation).await
    }

    /// Changes the rows that a filter finds now, a thousand at once, so that other operations come between.
    async fn change(
        &self,
        filter: &InboxFilter,
        only: Only,
        change: impl Fn(&mut Session<'_>, &[i64]) -> rusqlite::Result<u64> + Clone + Send + 'static,
    ) -> Result<u64, StoreError> {
        let filter = filter.clone();
        let ids = self.read(move |session| rows::find(session, &filter, only)).await?;
        let mut changed = 0;
        for ids in ids.chunks(1_000) {
            let (ids, change) = (ids.to_vec(), change.clone());
            changed += self.write(move |session| change(session, &ids)).await?;
        }
        Ok(changed)
    }
}

impl Inbox for SqliteInbox {
    fn lasts(&self) -> Result<(), StoreError> {
        self.file.check_lasts()
    }

    fn accept<'s>(&'s self, work: &'s NewWork, now: Now) -> StoreFuture<'s, Acceptance> {
        let work = work.clone();
        Box::pin(self.write(move |session| claim::accept(session, &work, now)))
    }

    fn claim<'s>(&'s self, request: &'s ClaimRequest, now: Now) -> StoreFuture<'s, Vec<ClaimedWork>> {
        let (request, space) = (request.clone(), request.space.clone());
        let look =
            move |session: &mut Session<'_>| Ok((!claim::has_waiting(session, &space, now)?).then(Vec::new));
        Box::pin(self.write_unless(look, move |session| claim::claim(session, &request, now)))
    }

    fn waits_alone<'s>(&'s self, request: &'s ClaimRequest, now: Now) -> StoreFuture<'s, bool> {
        let request = request.clone();
        Box::pin(self.write(move |session| claim::waits_alone(session, &request, now)))
    }

    fn renew<'s>(
        &'s self,
        leases: &'s [(WorkLease, Duration)],
        now: Now,
    ) -> StoreFuture<'s, Vec<LeaseState>> {
        let leases = leases.to_vec();
        Box::pin(self.write(move |session| finish::renew(session, &leases, now)))
    }

    fn finish<'s>(&'s self, lease: &'s WorkLease, end: &'s WorkEnd, now: Now) -> StoreFuture<'s, LeaseState> {
        let (lease, end) = (*lease, end.clone());
        Box::pin(self.write(move |session| finish::finish(session, lease, &end, now)))
    }

    fn release<'s>(&'s self, lease: &'s WorkLease, delay: Duration, now: Now) -> StoreFuture<'s, LeaseState> {
        let lease = *lease;
        Box::pin(self.write(move |session| finish::release(session, lease, delay, now)))
    }

    fn promote<'s>(&'s self, space: &'s str, now: Now) -> StoreFuture<'s, Swept> {
        let space = Arc::<str>::from(space);
        let of = Arc::clone(&space);
        let look =
            move |session: &mut Session<'_>| Ok((!finish::has_over(session, &of, now)?).then(Swept::default));
        Box::pin(self.write_unless(look, move |session| finish::promote(session, &space, now)))
    }

    fn list<'s>(&'s self, filter: &'s InboxFilter) -> StoreFuture<'s, Vec<InboxRow>> {
        let filter = filter.clone();
        Box::pin(self.read(move |session| rows::list(session, &filter)))
    }

    fn count<'s>(&'s self, space: &'s str) -> StoreFuture<'s, Vec<InboxCount>> {
        let space = space.to_owned();
        Box::pin(self.read(move |session| rows::count(session, &space)))
    }

    fn redrive<'s>(&'s self, redrive: &'s Redrive, now: Now) -> StoreFuture<'s, u64> {
        let Redrive { filter, spread } = redrive.clone();
        Box::pin(async move {
            let Some(filter) = filter.only(RowState::Dead) else { return Ok(0) };
            self.change(&filter, Only::All, move |session, ids| rows::redrive(session, ids, spread, now))
                .await
        })
    }

    fn hurry<'s>(&'s self, filter: &'s InboxFilter, now: Now) -> StoreFuture<'s, u64> {
        Box::pin(async move {
            let Some(filter) = filter.only(RowState::Waiting) else { return Ok(0) };
            self.change(&filter, Only::LaterThan(session::millis(now)), move |session, ids| {
                rows::hurry(session, ids, now)
            })
            .await
        })
    }

    fn drop_rows<'s>(&'s self, filter: &'s InboxFilter, now: Now) -> StoreFuture<'s, u64> {
        let state = filter.state;
        Box::pin(self.change(filter, Only::NotRunning, move |session, ids| {
            rows::remove(session, ids, (state, false), now)
        }))
    }

    fn forget<'s>(&'s self, space: &'s str, organisation: &'s str, now: Now) -> StoreFuture<'s, u64> {
        let filter = InboxFilter::new(space).organisation(organisation.to_owned());
        Box::pin(async move {
            self.change(&filter, Only::All, move |session, ids| rows::remove(session, ids, (None, true), now))
                .await
        })
    }

    fn pause<'s>(&'s self, space: &'s str, event: &'s str, paused: bool) -> StoreFuture<'s, ()> {
        let (space, event) = (space.to_owned(), event.to_owned());
        Box::pin(self.write(move |session| rows::pause(session, &space, &event, paused)))
    }

    fn paused<'s>(&'s self, space: &'s str) -> StoreFuture<'s, Vec<String>> {
        let space = space.to_owned();
        Box::pin(self.read(move |session| claim::paused(session, &space)))
    }

    /// Checks the file system, opens the file, brings its schema up to date, and writes.
    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(async {
            self.file.check_lasts()?;
            self.write(|session| {
                for paused in [true, false] {
                    rows::pause(session, "", "kiket.check", paused)?;
                }
                Ok(())
            })
            .await?;
            self.read(|session| claim::paused(session, "")).await.map(drop)
        })
    }
}

impl fmt::Debug for SqliteInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteInbox").field("path", &self.file.path).finish_non_exhaustive()
    }
}
