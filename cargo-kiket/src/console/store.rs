//! The store: takes what is seen off the path of the deliveries, and keeps it without secrets.

use std::{
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    time::Duration,
};

use kiket_runtime::{Clock, Secret};
use kiket_testing::{Call, Capture};

use super::{
    capture::capture,
    queue::Queue,
    record::milliseconds,
    ring::Ring,
    seen::{Arrival, Build, DeliveryId, End, Notice, ResponseSeen, Status},
    signature::Signature,
};

/// Keeps the last deliveries, at most 500 of them and 32 MiB, without secrets. Its clones are the same store.
///
/// A delivery waits for nothing here: what is seen goes into a bounded queue, and a thread reads it when a page looks. Until
/// then the last of it waits there, and costs nothing more. What comes while the queue is full is not recorded, and counted.
/// [`open_store`](super::open_store) makes one.
#[derive(Clone)]
pub struct Store(pub(super) Arc<Shared>);

/// The secrets that are known at the start.
#[derive(Clone, Default)]
#[allow(missing_debug_implementations)] // it has secrets
pub struct Secrets {
    /// The live webhook secrets, the current one first.
    pub webhook: Vec<Secret>,
    /// Webhook secrets that are not live any more.
    pub retired: Vec<Secret>,
    /// Others, with the names of their variables.
    pub named: Vec<(String, Secret)>,
}

pub(super) struct Shared {
    ring: Mutex<Ring>,
    changed: Condvar,
    pub(super) queue: Queue<Seen>,
    last: AtomicU64,
    clock: Clock,
    /// Names this store: numbers of another one mean nothing here.
    epoch: u64,
}

/// Called with each delivery that ended, as a capture.
pub type Recorder = Box<dyn FnMut(DeliveryId, Capture) + Send>;

pub(super) enum Seen {
    Arrived(DeliveryId, Box<dyn FnOnce() -> Arrival + Send>),
    Responded(DeliveryId, Box<dyn FnOnce() -> ResponseSeen + Send>),
    Examined(DeliveryId, Box<Signature>),
    /// These have the time at which they were seen, in Unix milliseconds.
    Call(Box<Call>, u64),
    Line(String, u64),
    Build(Build, u64),
    Notice(Notice, u64),
    Status(Status),
    Record(Recorder),
    Settled(SyncSender<()>),
}

/// The longest line that is read, in bytes.
const LONGEST_LINE: usize = 64 << 10;

impl Store {
    /// An empty store behind `queue`, which a thread empties.
    pub(super) fn behind(queue: Queue<Seen>, clock: Clock) -> Self {
        Self(Arc::new(Shared {
            ring: Mutex::default(),
            changed: Condvar::new(),
            queue,
            last: AtomicU64::new(0),
            clock,
            epoch: fastrand::u64(..1 << 52), // a number that JavaScript has
        }))
    }

    /// Records a request. Does not wait.
    pub fn arrived(&self, arrival: Arrival) -> DeliveryId {
        self.arrived_as(arrival.body.len(), || arrival)
    }

    /// Records a request with a body of so many bytes, which is read when a page looks.
    pub(crate) fn arrived_as(
        &self,
        bytes: usize,
        read: impl FnOnce() -> Arrival + Send + 'static,
    ) -> DeliveryId {
        let id = DeliveryId(self.0.last.fetch_add(1, Ordering::Relaxed) + 1);
        self.0.queue.add(bytes, Seen::Arrived(id, Box::new(read)));
        id
    }

    /// Records how a delivery ended. Does not wait.
    pub fn responded(&self, id: DeliveryId, response: ResponseSeen) {
        let bytes = match &response.end {
            End::Response { body, .. } => body.len(),
            End::Nothing { .. } => 0,
        };
        self.responded_as(id, bytes, || response);
    }

    /// Records how a delivery ended, with a body of so many bytes, which is read when a page looks.
    pub(crate) fn responded_as(
        &self,
        id: DeliveryId,
        bytes: usize,
        read: impl FnOnce() -> ResponseSeen + Send + 'static,
    ) {
        self.0.queue.add(bytes, Seen::Responded(id, Box::new(read)));
    }

    /// Records a call of the extension to the fake platform, which has ended. Does not wait.
    pub fn call(&self, call: &Call) {
        // What kiket itself calls says nothing about a handler.
        let by_itself =
            call.segments().last().is_some_and(|last| ["telemetry", "jwks.json"].contains(&&**last));
        if !by_itself {
            let size = call.body().len() + call.response_body().map_or(0, <[u8]>::len);
            self.0.queue.add(size, Seen::Call(Box::new(call.clone()), self.now()));
        }
    }

    /// Records a line that the extension printed. Does not wait.
    pub fn log_line(&self, text: &str) {
        if text.len() <= LONGEST_LINE {
            self.0.queue.add(text.len(), Seen::Line(text.to_owned(), self.now()));
        }
    }

    /// Records a build, with success or without. Does not wait.
    pub fn restarted(&self, build: Build) {
        self.0.queue.add(build.output.len(), Seen::Build(build, self.now()));
    }

    /// Records something else that happened. Does not wait.
    pub fn event(&self, notice: Notice) {
        self.0.queue.add(notice.text.len(), Seen::Notice(notice, self.now()));
    }

    /// Shows the state of the extension. Does not wait.
    pub fn status(&self, status: Status) {
        self.0.queue.add(0, Seen::Status(status));
    }

    /// Calls `recorder` with each delivery that ends from now on, in the thread of the store. There is one recorder.
    pub fn record(&self, recorder: Recorder) {
        self.0.queue.look();
        self.0.queue.press(Seen::Record(recorder));
    }

    /// The capture of a delivery; `None` if it is not there any more, or its body was too large to keep.
    pub fn capture(&self, id: DeliveryId) -> Option<Capture> {
        capture(self.ring().find(id)?)
    }

    /// Waits until everything that was seen before is recorded.
    pub fn settle(&self) {
        let (send, settled) = sync_channel(1);
        if self.0.queue.press(Seen::Settled(send)) {
            let _ = settled.recv();
        }
    }

    fn now(&self) -> u64 {
        milliseconds(self.0.clock.now())
    }

    pub(crate) fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list after a change that comes after `changed`, or after `timeout`.
    pub(crate) fn wait(&self, changed: u64, timeout: Duration) -> MutexGuard<'_, Ring> {
        self.0.queue.look();
        let waited =
            self.0.changed.wait_timeout_while(self.ring(), timeout, |ring| ring.changed() <= changed);
        self.0.queue.looked();
        waited.map_or_else(|poisoned| poisoned.into_inner().0, |(ring, _)| ring)
    }

    /// Changes the list, and wakes those who wait.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Ring) -> T) -> T {
        let changed = change(&mut self.ring());
        self.0.changed.notify_all();
        changed
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.0.epoch
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The thread sees that there is no store any more.
        self.queue.wake();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
