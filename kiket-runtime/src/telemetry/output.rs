//! Standard output and standard error, written by threads of their own: nothing else waits for their readers.

use std::{
    io::{self, ErrorKind, Write},
    mem,
    sync::{Arc, Condvar, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::types::{Mutex, caught};

/// How many bytes may wait to be written. What comes on top is dropped.
const CAPACITY: usize = 1024 * 1024;
/// How long a busy writer collects lines before it writes them in one call. A line that finds it idle is written at once.
const COLLECTING: Duration = Duration::from_millis(5);
/// How long the writer waits before it tries again, where the output does not block.
const AGAIN: Duration = Duration::from_millis(10);

static STDOUT: OnceLock<Output> = OnceLock::new();
static STDERR: OnceLock<Output> = OnceLock::new();

/// Standard output.
pub(crate) fn stdout() -> &'static Output {
    STDOUT.get_or_init(|| Output::new("kiket-stdout", || direct(io::stdout())))
}

/// Standard error.
pub(crate) fn stderr() -> &'static Output {
    STDERR.get_or_init(|| Output::new("kiket-stderr", || direct(io::stderr())))
}

/// Those of the two that were used.
fn used() -> impl Iterator<Item = &'static Output> {
    [&STDOUT, &STDERR].into_iter().filter_map(OnceLock::get)
}

/// Waits until standard output and standard error are written, `timeout` at most.
pub(crate) fn flush(timeout: Duration) {
    let until = Instant::now() + timeout;
    used().for_each(|output| output.flush(until.saturating_duration_since(Instant::now())));
}

/// The number of lines that could not be written since the start.
pub(crate) fn dropped_lines() -> u64 {
    used().map(|output| output.lock().lost).sum()
}

/// A writer of log lines for a subscriber of your own: it never waits and never fails.
///
/// A thread writes the lines to standard output. When their reader stalls, 1 MiB of lines is kept and the rest is
/// dropped; a closed pipe, a full disk or a lost terminal costs lines as well, and nothing else. Dropped lines are counted
/// in [`Stats::dropped_lines`](crate::telemetry::Stats::dropped_lines), and a log line says how many there were once the
/// reader goes on. Lines that are queued when the process calls `exit` are lost; a graceful shutdown writes them before.
///
/// ```
/// let subscriber = tracing_subscriber::fmt().with_writer(kiket_runtime::telemetry::log_writer).finish();
/// # tracing::subscriber::with_default(subscriber, || tracing::info!("ready"));
/// ```
#[must_use = "nothing is written until something is written to it"]
pub fn log_writer() -> impl Write + Send + 'static {
    LogWriter(stdout())
}

struct LogWriter(&'static Output);

impl Write for LogWriter {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.write(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An output and the thread that writes it.
#[derive(Clone)]
pub(crate) struct Output(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Wakes the writer.
    filled: Condvar,
    /// Wakes those that flush.
    written: Condvar,
}

#[derive(Default)]
struct Queue {
    text: Vec<u8>,
    /// The writer waits for text.
    idle: bool,
    /// How many wait for the text to be written.
    flushing: usize,
    /// How many batches the writer took, and how many of them it is done with.
    taken: u64,
    done: u64,
    /// The lines that could not be written, in sum, and those that were not reported yet.
    lost: u64,
    unreported: u64,
}

impl Output {
    fn new<W: Write>(thread: &str, open: impl FnOnce() -> W + Send + 'static) -> Self {
        let output = Self(Arc::default());
        let writer = output.clone();
        // Without a thread the queue fills up, and lines are dropped.
        let _ = thread::Builder::new().name(thread.to_owned()).spawn(move || writer.run(open()));
        output
    }

    /// Queues whole lines. Never waits for the reader, and drops them if too much is queued.
    pub(crate) fn write(&self, lines: &[u8]) {
        let mut queue = self.lock();
        if lines.len() > CAPACITY.saturating_sub(queue.text.len()) {
            return queue.lose(lines);
        }
        queue.text.extend_from_slice(lines);
        if mem::take(&mut queue.idle) {
            drop(queue);
            self.0.filled.notify_one();
        }
    }

    /// Waits until all that is queued now is written or lost, `timeout` at most.
    fn flush(&self, timeout: Duration) {
        let mut queue = self.lock();
        let last = queue.taken + u64::from(!queue.text.is_empty());
        queue.flushing += 1;
        self.0.filled.notify_one();
        let waited = self.0.written.wait_timeout_while(queue, timeout, |queue| queue.done < last);
        waited.unwrap_or_else(PoisonError::into_inner).0.flushing -= 1;
    }

    fn run(&self, mut sink: impl Write) {
        let (mut batch, mut torn, mut complete) = (Vec::new(), false, true);
        loop {
            let mut queue = self.lock();
            while queue.text.is_empty() {
                queue.idle = true;
                queue = self.0.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.idle = false;
            queue.taken += 1;
            mem::swap(&mut queue.text, &mut batch);
            let lines = if complete { mem::take(&mut queue.unreported) } else { 0 };
            drop(queue);
            if lines > 0 {
                // Now that the queue is empty, it has room for this line. A subscriber that panics does not end this thread.
                let _ = caught(|| {
                    tracing::warn!(
                        lines,
                        "log lines were dropped: their reader was too slow, or they could not be written"
                    );
                });
            }
            if torn {
                batch.insert(0, b'\n'); // the next line must not continue half a line
            }
            let written = write_all(&mut sink, &batch);
            let (written, unwritten) = batch.split_at(written);
            torn = written.last().map_or(torn, |last| *last != b'\n');
            let mut queue = self.lock();
            queue.done += 1;
            queue.lose(unwritten);
            complete = unwritten.is_empty();
            let awaited = queue.flushing > 0;
            drop(queue);
            if awaited {
                self.0.written.notify_all();
            }
            batch.clear();
            let collecting = |queue: &mut Queue| queue.flushing == 0;
            drop(self.0.filled.wait_timeout_while(self.lock(), COLLECTING, collecting));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock()
    }
}

impl Queue {
    fn lose(&mut self, text: &[u8]) {
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count() as u64;
        self.lost += lines;
        self.unreported += lines;
    }
}

/// Writes until the end or an error, and returns how many bytes were written.
fn write_all(sink: &mut impl Write, text: &[u8]) -> usize {
    let mut written = 0;
    while let Some(rest) = text.get(written..).filter(|rest| !rest.is_empty()) {
        match sink.write(rest) {
            Ok(0) => break,
            Ok(bytes) => written += bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(AGAIN),
            Err(_) => break,
        }
    }
    let _ = sink.flush();
    written.min(text.len())
}

/// The output itself: a reader that stalls must not hold the lock of [`io::stdout`], which the exit of a process takes.
#[cfg(unix)]
fn direct(stream: impl std::os::fd::AsFd + Write + Send + 'static) -> Box<dyn Write + Send> {
    match stream.as_fd().try_clone_to_owned() {
        Ok(stream) => Box::new(std::fs::File::from(stream)),
        Err(_) => Box::new(stream),
    }
}

#[cfg(not(unix))]
fn direct(stream: impl Write + Send + 'static) -> Box<dyn Write + Send> {
    Box::new(stream)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver, SyncSender};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// A reader that takes a write whenever the test says what comes of it.
    struct Reader {
        writes: SyncSender<Vec<u8>>,
        results: Receiver<io::Result<usize>>,
    }

    impl Write for Reader {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.writes.send(text.to_vec()).unwrap();
            self.results.recv().unwrap_or(Ok(text.len()))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Test {
        output: Output,
        writes: Receiver<Vec<u8>>,
        results: SyncSender<io::Result<usize>>,
    }

    impl Test {
        fn start() -> Self {
            let ((to_test, writes), (results, from_test)) = (mpsc::sync_channel(0), mpsc::sync_channel(100));
            let reader = Reader { writes: to_test, results: from_test };
            Self { output: Output::new("test", || reader), writes, results }
        }

        /// The next write, which ends like this.
        #[track_caller]
        fn write(&self, result: io::Result<usize>) -> String {
            self.results.send(result).unwrap();
            String::from_utf8(self.writes.recv_timeout(PATIENCE).unwrap()).unwrap()
        }

        fn counts(&self) -> (u64, u64) {
            self.output.flush(PATIENCE);
            let queue = self.output.lock();
            (queue.lost, queue.unreported)
        }
    }

    #[test]
    fn what_is_queued_is_written_in_one_call() {
        let test = Test::start();
        test.output.write(b"first\n");
        assert_eq!(test.writes.recv_timeout(PATIENCE).unwrap(), b"first\n");
        for line in ["second\n", "third\n"] {
            test.output.write(line.as_bytes());
        }
        test.results.send(Ok(6)).unwrap();
        assert_eq!(test.write(Ok(13)), "second\nthird\n");
        assert_eq!(test.counts(), (0, 0));
    }

    #[test]
    fn a_stalled_reader_drops_lines_and_blocks_no_one() {
        let test = Test::start();
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        test.output.write(b"stalls\n");
        assert_eq!(test.writes.recv_timeout(PATIENCE).unwrap(), b"stalls\n");
        for _ in 0..CAPACITY / 1024 + 7 {
            test.output.write(&line);
        }
        test.output.write(&vec![b'x'; CAPACITY + 1]);
        let from = Instant::now();
        test.output.flush(Duration::from_millis(20));
        assert!(from.elapsed() < PATIENCE);
        assert_eq!(test.output.lock().lost, 8);
        test.results.send(Ok(7)).unwrap();
        assert_eq!(test.write(Ok(CAPACITY)).len(), CAPACITY);
        assert_eq!(test.counts(), (8, 0), "they are reported once the reader goes on");
    }

    #[test]
    fn every_error_costs_lines_and_the_next_line_is_whole() {
        let full = || Err(ErrorKind::StorageFull.into());
        let test = Test::start();
        test.output.write(b"first\nsecond\n");
        assert_eq!(test.write(Ok(8)), "first\nsecond\n");
        assert_eq!(test.write(full()), "cond\n");
        assert_eq!(test.counts(), (1, 1));
        test.output.write(b"third\n");
        assert_eq!(test.write(full()), "\nthird\n");
        assert_eq!(test.counts(), (2, 2));
        test.output.write(b"fourth\n");
        assert_eq!(test.write(Err(ErrorKind::Interrupted.into())), "\nfourth\n");
        assert_eq!(test.write(Err(ErrorKind::WouldBlock.into())), "\nfourth\n");
        assert_eq!(test.write(Ok(8)), "\nfourth\n");
        assert_eq!(test.counts(), (2, 2));
        test.output.write(b"fifth\n");
        assert_eq!(test.write(Ok(6)), "fifth\n");
        assert_eq!(test.counts(), (2, 0), "they are reported once lines can be written");
    }
}
