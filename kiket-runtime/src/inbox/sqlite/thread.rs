//! The threads of the file: one writes, another reads, and both take all that waits at once.
//!
//! The writer begins a transaction with the first operation that waits, runs all that wait with it, commits, which syncs the log
//! of the database to the disk once, and only then responds to them. While the disk works, the next operations gather. What is in the
//! log is copied to the file by the reader, so that no operation waits for that.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{
    failure::Failure,
    open::{Access, File},
    session::Session,
};
use crate::{client::thread::Thread, store::StoreError};

/// The most operations that wait; more wait to be queued, until their deadlines.
const QUEUE: usize = 1_024;
/// The most operations of a transaction.
const MOST: usize = 256;

/// After so many changes the log is copied to the file.
const CHANGES: u64 = 512;
/// Every so many times by the writer. It alone comes to the end of the log, which then begins anew, and has little left to copy.
const OWN: u32 = 8;

type Queue = mpsc::Sender<Box<dyn Job>>;

/// A thread with a connection. It ends when this is dropped.
pub(super) struct FileThread {
    jobs: Queue,
    timers: Arc<Timers>,
}

impl FileThread {
    /// Starts the thread that reads.
    pub(super) fn reader(file: Arc<File>, timers: Arc<Timers>) -> Result<Self, StoreError> {
        Self::start("kiket-inbox-read", timers, move |queue| work(queue, &file, Access::Read, None))
    }

    /// Starts the thread that writes, beside a reader if there is one.
    pub(super) fn writer(
        file: Arc<File>,
        timers: Arc<Timers>,
        reader: Option<&Self>,
    ) -> Result<Self, StoreError> {
        let reader = reader.map(|reader| reader.jobs.clone());
        Self::start("kiket-inbox", timers, move |queue| work(queue, &file, Access::Write, reader.as_ref()))
    }

    fn start(
        name: &str,
        timers: Arc<Timers>,
        work: impl FnOnce(mpsc::Receiver<Box<dyn Job>>) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let started = thread::Builder::new().name(name.to_owned()).spawn(move || work(queue));
        started.map_err(no_thread)?;
        Ok(Self { jobs, timers })
    }

    /// Runs an operation, and returns its result when it is durable. It fails after `limit`, whatever the disk does; it is not begun
    /// then, or its result is lost.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        operation: impl FnOnce(&mut Session<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run_unless(limit, |_| Ok(None), operation).await
    }

    /// Runs an operation, unless a look at the file has its result: then no transaction begins for it.
    pub(super) async fn run_unless<T: Send + 'static>(
        &self,
        limit: Duration,
        look: impl FnOnce(&mut Session<'_>) -> rusqlite::Result<Option<T>> + Send + 'static,
        operation: impl FnOnce(&mut Session<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let ended = || StoreError::new("the thread of the inbox has ended").mend("restart the process");
        let (reply, response) = oneshot::channel();
        let job = Box::new(Task { look: Some(look), operation: Some(operation), result: None, reply });
        let responded = self.timers.timeout(limit, async {
            self.jobs.send(job).await.map_err(|_| ended())?;
            response.await.map_err(|_| ended())?
        });
        responded.await.unwrap_or_else(|_| {
            let mend = "see that its disk is well, and not overloaded";
            Err(StoreError::too_slow("the inbox", limit).mend(mend))
        })
    }
}

/// An operation in the queue.
trait Job: Send {
    /// Whether its result is still wanted.
    fn is_wanted(&self) -> bool;
    /// Whether it has to run. A failure to see that is one of running it.
    fn is_needed(&mut self, session: &mut Session<'_>) -> bool;
    /// Runs it, if it has to. If it failed, what it wrote has to be undone.
    fn run(&mut self, session: &mut Session<'_>) -> Result<(), Failure>;
    /// Responds, when the transaction has ended.
    fn respond(self: Box<Self>, ended: Result<(), Failure>);
}

struct Task<T, L, O> {
    look: Option<L>,
    operation: Option<O>,
    result: Option<Result<T, Failure>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, L, O> Job for Task<T, L, O>
where
    T: Send,
    L: FnOnce(&mut Session<'_>) -> rusqlite::Result<Option<T>> + Send,
    O: FnOnce(&mut Session<'_>) -> rusqlite::Result<T> + Send,
{
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn is_needed(&mut self, session: &mut Session<'_>) -> bool {
        if let Some(Ok(Some(result))) = self.look.take().map(|look| look(session)) {
            (self.operation, self.result) = (None, Some(Ok(result)));
        }
        self.operation.is_some()
    }

    fn run(&mut self, session: &mut Session<'_>) -> Result<(), Failure> {
        let Some(operation) = self.operation.take() else { return Ok(()) };
        let result = operation(session).map_err(Failure::from);
        let ended = result.as_ref().map(|_| ()).map_err(Failure::clone);
        self.result = Some(result);
        ended
    }

    fn respond(self: Box<Self>, ended: Result<(), Failure>) {
        let result = match (self.result, ended) {
            (Some(Err(failure)), _) | (_, Err(failure)) => Err(failure.into()),
            (Some(Ok(result)), Ok(())) => Ok(result),
            // It was not wanted.
            (None, Ok(())) => return,
        };
        let _ = self.reply.send(result);
    }
}

/// Copies the log to the file, as far as no transaction needs it. SQLite does it in a commit where this fails for long.
fn checkpoint(session: &mut Session<'_>) -> rusqlite::Result<()> {
    session.statement("PRAGMA wal_checkpoint(PASSIVE)")?.query([])?.next().map(drop)
}

/// The copying of the log: who does it, and since when.
struct Checkpoints<'q> {
    reader: &'q Queue,
    /// Whether the reader has one to do.
    is_queued: Arc<AtomicBool>,
    count: u32,
    /// How many changes there were at the last one.
    copied: u64,
}

impl<'q> Checkpoints<'q> {
    fn new(reader: &'q Queue) -> Self {
        Self { reader, is_queued: Arc::default(), count: 0, copied: 0 }
    }

    /// Has the log copied, if enough has changed.
    fn check(&mut self, session: &mut Session<'_>) {
        let changes = session.connection.total_changes();
        if changes - self.copied < CHANGES || self.is_queued.swap(true, Ordering::SeqCst) {
            return;
        }
        (self.copied, self.count) = (changes, self.count + 1);
        let is_own = self.count.is_multiple_of(OWN);
        if is_own || self.reader.try_send(Box::new(Checkpoint(Arc::clone(&self.is_queued)))).is_err() {
            let _ = checkpoint(session);
            self.is_queued.store(false, Ordering::SeqCst);
        }
    }
}

/// A checkpoint of the reader.
struct Checkpoint(Arc<AtomicBool>);

impl Job for Checkpoint {
    fn is_wanted(&self) -> bool {
        true
    }

    fn is_needed(&mut self, _: &mut Session<'_>) -> bool {
        true
    }

    fn run(&mut self, session: &mut Session<'_>) -> Result<(), Failure> {
        Ok(checkpoint(session)?)
    }

    fn respond(self: Box<Self>, _: Result<(), Failure>) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Opens the file for the first operation, and again after a failure to open it.
fn work(mut queue: mpsc::Receiver<Box<dyn Job>>, file: &File, access: Access, reader: Option<&Queue>) {
    while let Some(first) = queue.blocking_recv() {
        match file.open(access) {
            Ok(connection) => work_with(&connection, first, &mut queue, file, access, reader),
            Err(failure) => first.respond(Err(failure)),
        }
    }
}

fn work_with(
    connection: &Connection,
    first: Box<dyn Job>,
    queue: &mut mpsc::Receiver<Box<dyn Job>>,
    file: &File,
    access: Access,
    reader: Option<&Queue>,
) {
    let mut session = Session::new(connection, file);
    let mut next = Some(first);
    let mut checkpoints = reader.map(Checkpoints::new);
    while let Some(first) = next {
        let mut jobs = vec![first];
        while jobs.len() < MOST
            && let Ok(job) = queue.try_recv()
        {
            jobs.push(job);
        }
        jobs.retain(|job| job.is_wanted());
        let ended = match access {
            _ if jobs.is_empty() => Ok(()),
            Access::Write => transaction(&mut session, &mut jobs),
            Access::Read => {
                for job in &mut jobs {
                    let _ = job.run(&mut session);
                }
                Ok(())
            }
        };
        for job in jobs {
            job.respond(ended.clone());
        }
        if let Some(checkpoints) = &mut checkpoints {
            checkpoints.check(&mut session);
        }
        next = queue.blocking_recv();
    }
}

/// Runs the operations in one transaction, each as a whole or not at all; in none where nothing has to be done.
fn transaction(session: &mut Session<'_>, jobs: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    session.check_file()?;
    let mut has_work = false;
    for job in &mut *jobs {
        has_work |= job.is_needed(session);
    }
    if !has_work {
        return Ok(());
    }
    session.begin()?;
    let done =
        operations(session, jobs).and_then(|()| Ok(session.statement("COMMIT")?.execute([]).map(drop)?));
    // SQLite itself rolls back after some errors.
    if done.is_err() && !session.connection.is_autocommit() {
        session.statement("ROLLBACK")?.execute([])?;
    }
    done
}

fn operations(session: &mut Session<'_>, jobs: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    for job in jobs {
        session.statement("SAVEPOINT operation")?.execute([])?;
        if let Err(failure) = job.run(session) {
            if session.connection.is_autocommit() {
                return Err(failure);
            }
            session.forget_room();
            session.statement("ROLLBACK TO operation")?.execute([])?;
        }
        session.statement("RELEASE operation")?.execute([])?;
    }
    Ok(())
}

/// Real time, whatever the runtime of a caller does with its own: a test may have stopped that, or it has none.
pub(super) struct Timers(Thread);

impl Timers {
    pub(super) fn start() -> Result<Self, StoreError> {
        Thread::start("kiket-inbox-time").map(Self).map_err(no_thread)
    }

    fn timeout<F: Future>(&self, limit: Duration, future: F) -> tokio::time::Timeout<F> {
        let _inside = self.0.runtime().enter();
        tokio::time::timeout(limit, future)
    }
}

fn no_thread(error: io::Error) -> StoreError {
    StoreError::new("the thread of the inbox does not start").because(error)
}
