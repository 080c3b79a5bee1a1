//! What was seen and is not recorded yet: bounded, and where a delivery passes there is neither a lock nor a system call.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::Thread,
};

/// The way from those who see something to the thread that records it.
///
/// That thread sleeps until a page looks, or until so much waits that it must be taken away: a delivery at which no page looks
/// costs no more than putting it here.
pub(super) struct Queue<T> {
    things: SyncSender<(usize, T)>,
    /// How many things the thread has not taken yet.
    count: AtomicUsize,
    /// How many bytes are not recorded yet.
    bytes: AtomicUsize,
    missed: AtomicU64,
    /// How many want to know at once what comes.
    looking: AtomicUsize,
    sleeps: AtomicBool,
    thread: OnceLock<Thread>,
}

/// How many things may wait.
const THINGS: usize = 8192;
/// After so many the thread takes them, although no page looks: the memory of those before them is used again while the caches of the
/// processor have it.
const TOGETHER: usize = 512;
/// How many bytes of bodies may wait.
const BYTES: usize = 32 << 20;

impl<T> Queue<T> {
    pub(super) fn new() -> (Self, Receiver<(usize, T)>) {
        let (things, taken) = sync_channel(THINGS);
        let queue = Self {
            things,
            count: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            missed: AtomicU64::new(0),
            looking: AtomicUsize::new(0),
            sleeps: AtomicBool::new(false),
            thread: OnceLock::new(),
        };
        (queue, taken)
    }

    /// Adds a thing, unless too much waits: then it is counted.
    pub(super) fn add(&self, bytes: usize, thing: T) {
        let is_too_much = self.bytes.fetch_add(bytes, SeqCst) > BYTES;
        // Before it is there, so that the count is never below what can be taken.
        self.count.fetch_add(1, SeqCst);
        if is_too_much || self.things.try_send((bytes, thing)).is_err() {
            self.bytes.fetch_sub(bytes, SeqCst);
            self.count.fetch_sub(1, SeqCst);
            self.missed.fetch_add(1, SeqCst);
        } else if self.is_wanted() && self.sleeps.swap(false, SeqCst) {
            self.wake();
        }
    }

    /// Adds a thing that must not get lost, and that the thread takes now. Waits while the queue is full. Returns whether the
    /// thread is there.
    pub(super) fn press(&self, thing: T) -> bool {
        self.wake();
        self.count.fetch_add(1, SeqCst);
        let is_sent = self.things.send((0, thing)).is_ok();
        self.wake();
        is_sent
    }

    /// Wakes the thread.
    pub(super) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// From now on what comes is recorded at once, until [`looked`](Self::looked).
    pub(super) fn look(&self) {
        self.looking.fetch_add(1, SeqCst);
        self.wake();
    }

    pub(super) fn looked(&self) {
        self.looking.fetch_sub(1, SeqCst);
    }

    /// How many things came while too much waited.
    pub(super) fn missed(&self) -> u64 {
        self.missed.load(SeqCst)
    }
}

/// For the thread alone.
impl<T> Queue<T> {
    /// This thread takes what is added.
    pub(super) fn is_taken_here(&self) {
        let _ = self.thread.set(std::thread::current());
    }

    /// Whether what waits is to be recorded now.
    pub(super) fn is_looked_at(&self) -> bool {
        self.looking.load(SeqCst) > 0
    }

    /// Whether so many bytes wait that they must be recorded.
    pub(super) fn is_heavy(&self) -> bool {
        self.bytes.load(SeqCst) > BYTES / 2
    }

    /// Whether there is a reason to take what waits.
    fn is_wanted(&self) -> bool {
        let count = self.count.load(SeqCst);
        count > 0 && (self.is_looked_at() || self.is_heavy()) || count > TOGETHER
    }

    /// A thing was taken out.
    pub(super) fn took(&self) {
        self.count.fetch_sub(1, SeqCst);
    }

    /// So many bytes are recorded, or forgotten.
    pub(super) fn recorded(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, SeqCst);
    }

    /// Whether the thread may sleep: those who add something wake it then.
    pub(super) fn may_sleep(&self) -> bool {
        self.sleeps.store(true, SeqCst);
        !self.is_wanted()
    }

    pub(super) fn is_awake(&self) {
        self.sleeps.store(false, SeqCst);
    }
}
