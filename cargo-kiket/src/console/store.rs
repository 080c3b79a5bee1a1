//! The store: takes what is seen off the path of the deliveries, and keeps it without secrets.

use std::{
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use kiket_runtime::{Clock, Secret};
use kiket_testing::{__private::Keyring, Call, Capture};

use super::{
    body::{Body, EXCERPT, whole},
    capture::capture,
    line::Line,
    record::{CallMade, Record, microseconds, milliseconds, short},
    ring::Ring,
    seen::{Arrival, Build, DeliveryId, End, Level, Notice, ResponseSeen, Status},
    signature::{Judge, Signature, Signed},
};
use crate::background;

/// Keeps the last deliveries, at most 500 of them and 32 MiB, without secrets. Its clones are the same store.
///
/// A delivery waits for nothing here: what is seen goes into a bounded queue, and a thread does the rest. What comes while the
/// queue is full is not recorded, and counted.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

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

struct Shared {
    ring: Mutex<Ring>,
    changed: Condvar,
    queue: SyncSender<Seen>,
    /// How many bytes wait in the queue.
    waiting: AtomicUsize,
    missed: AtomicU64,
    last: AtomicU64,
    clock: Clock,
    /// Names this store: numbers of another one mean nothing here.
    epoch: u64,
}

/// Called with each delivery that ended, as a capture.
pub type Recorder = Box<dyn FnMut(DeliveryId, Capture) + Send>;

enum Seen {
    Arrived(DeliveryId, Box<Arrival>),
    Responded(DeliveryId, Box<ResponseSeen>),
    Examined(DeliveryId, Box<Signature>),
    Call(Box<Call>, u64),
    Line(String),
    Build(Build),
    Notice(Notice),
    Status(Status),
    Record(Recorder),
    Settled(SyncSender<()>),
}

/// How many things may wait to be recorded.
const QUEUE: usize = 4096;
/// How many bytes of bodies may wait to be recorded.
const QUEUE_BYTES: usize = 32 << 20;
/// How many refused signatures may wait to be examined, and how many bytes of bodies may run, to be examined later.
const EXAMINED: usize = 8;
const RUNNING_BYTES: usize = 32 << 20;
/// The longest line that is read, in bytes.
const LONGEST_LINE: usize = 64 << 10;

impl Store {
    /// An empty store.
    pub fn new(secrets: Secrets, clock: Clock) -> Self {
        let (queue, seen) = sync_channel(QUEUE);
        let shared = Arc::new(Shared {
            ring: Mutex::default(),
            changed: Condvar::new(),
            queue,
            waiting: AtomicUsize::new(0),
            missed: AtomicU64::new(0),
            last: AtomicU64::new(0),
            clock,
            epoch: fastrand::u64(..1 << 52), // a number that JavaScript has
        });
        let store = Self(shared);
        let worker = Worker::new(secrets, &store);
        // Without the thread nothing is recorded, and everything else goes on.
        let _ = thread::Builder::new().name("kiket-console-store".to_owned()).spawn(move || {
            background::yield_to_deliveries();
            worker.run(&seen);
        });
        store
    }

    /// Records a request. Does not wait.
    pub fn arrived(&self, arrival: Arrival) -> DeliveryId {
        let id = DeliveryId(self.0.last.fetch_add(1, Ordering::Relaxed) + 1);
        self.queue(arrival.body.len(), || Seen::Arrived(id, Box::new(arrival)));
        id
    }

    /// Records how a delivery ended. Does not wait.
    pub fn responded(&self, id: DeliveryId, response: ResponseSeen) {
        let size = match &response.end {
            End::Response { body, .. } => body.len(),
            End::Nothing { .. } => 0,
        };
        self.queue(size, || Seen::Responded(id, Box::new(response)));
    }

    /// Records a call of the extension to the fake platform, which has ended. Does not wait.
    pub fn call(&self, call: &Call) {
        let at = milliseconds(self.0.clock.now());
        let size = call.body().len() + call.response_body().map_or(0, <[u8]>::len);
        self.queue(size, || Seen::Call(Box::new(call.clone()), at));
    }

    /// Records a line that the extension printed. Does not wait.
    pub fn log_line(&self, text: &str) {
        if text.len() <= LONGEST_LINE {
            self.queue(text.len(), || Seen::Line(text.to_owned()));
        }
    }

    /// Records a build, with success or without. Does not wait.
    pub fn restarted(&self, build: Build) {
        self.queue(build.output.len(), || Seen::Build(build));
    }

    /// Records something else that happened. Does not wait.
    pub fn event(&self, notice: Notice) {
        self.queue(notice.text.len(), || Seen::Notice(notice));
    }

    /// Shows the state of the extension. Does not wait.
    pub fn status(&self, status: Status) {
        self.queue(0, || Seen::Status(status));
    }

    /// Calls `recorder` with each delivery that ends from now on, in the thread of the store. There is one recorder.
    pub fn record(&self, recorder: Recorder) {
        self.queue(0, || Seen::Record(recorder));
    }

    /// The capture of a delivery; `None` if it is not there any more, or its body was too large to keep.
    pub fn capture(&self, id: DeliveryId) -> Option<Capture> {
        capture(self.ring().find(id)?)
    }

    /// Waits until everything that was seen before is recorded.
    pub fn settle(&self) {
        let (send, settled) = sync_channel(1);
        if self.0.queue.send(Seen::Settled(send)).is_ok() {
            let _ = settled.recv();
        }
    }

    fn queue(&self, bytes: usize, seen: impl FnOnce() -> Seen) {
        let Shared { queue, waiting, missed, .. } = &*self.0;
        if waiting.fetch_add(bytes, Ordering::Relaxed) > QUEUE_BYTES {
            waiting.fetch_sub(bytes, Ordering::Relaxed);
            missed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = queue.try_send(seen()) {
            waiting.fetch_sub(bytes, Ordering::Relaxed);
            missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list after a change that comes after `changed`, or after `timeout`.
    pub(crate) fn wait(&self, changed: u64, timeout: Duration) -> MutexGuard<'_, Ring> {
        let waited =
            self.0.changed.wait_timeout_while(self.ring(), timeout, |ring| ring.changed() <= changed);
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

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// The thread behind the queue.
struct Worker {
    keyring: Keyring,
    judge: Judge,
    /// The deliveries that run, the oldest first; what is needed to examine their signatures, if that does not hold.
    running: Vec<(DeliveryId, u64, Option<Signed>)>,
    running_bytes: usize,
    examine: SyncSender<(DeliveryId, Signed)>,
    recorder: Option<Recorder>,
    shared: std::sync::Weak<Shared>,
}

/// How many deliveries may run at once to be shown with their calls.
const RUNNING: usize = 1024;

impl Worker {
    fn new(secrets: Secrets, store: &Store) -> Self {
        let webhook = secrets.webhook.iter().chain(&secrets.retired);
        let webhook = webhook.map(|secret| ("KIKET_WEBHOOK_SECRET".to_owned(), secret.clone()));
        let keyring = Keyring::new(secrets.named.iter().cloned().chain(webhook));
        let judge = Judge { live: secrets.webhook, retired: secrets.retired };
        let shared = Arc::downgrade(&store.0);
        let (examine, jobs) = sync_channel(EXAMINED);
        let (by, to) = (judge.clone(), shared.clone());
        let _ = thread::Builder::new().name("kiket-console-signatures".to_owned()).spawn(move || {
            background::yield_to_deliveries();
            examine_all(&jobs, &by, &to);
        });
        Self { keyring, judge, running: Vec::new(), running_bytes: 0, examine, recorder: None, shared }
    }

    fn run(mut self, seen: &Receiver<Seen>) {
        while let Ok(seen) = seen.recv() {
            let Some(shared) = self.shared.upgrade() else { return };
            let store = Store(shared);
            let missed = store.0.missed.load(Ordering::Relaxed);
            if store.ring().missed != missed {
                store.change(|ring| ring.missed = missed);
            }
            self.take(seen, &store);
        }
    }

    fn take(&mut self, seen: Seen, store: &Store) {
        let now = milliseconds(store.clock().now());
        let bytes = match &seen {
            Seen::Arrived(_, arrival) => arrival.body.len(),
            Seen::Responded(_, response) => match &response.end {
                End::Response { body, .. } => body.len(),
                End::Nothing { .. } => 0,
            },
            Seen::Call(call, _) => call.body().len() + call.response_body().map_or(0, <[u8]>::len),
            Seen::Line(text) => text.len(),
            Seen::Build(build) => build.output.len(),
            Seen::Notice(notice) => notice.text.len(),
            _ => 0,
        };
        match seen {
            Seen::Arrived(id, arrival) => self.arrived(id, *arrival, store),
            Seen::Responded(id, response) => self.responded(id, *response, store),
            Seen::Examined(id, signature) => {
                store.change(|ring| ring.change(id, |record| record.signature = *signature));
            }
            Seen::Call(call, at) => self.called(&call, at, store),
            Seen::Line(text) => {
                let line = Line::read(&text, &self.keyring);
                store.change(|ring| {
                    let left = ring.give(line);
                    if let Some(line) = left.filter(Line::is_warning) {
                        let more: Vec<_> =
                            line.fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                        let is_error = line.level.as_deref() == Some("error");
                        let level = if is_error { Level::Error } else { Level::Warning };
                        ring.note(now, level, line.text, more.join("\n"));
                    }
                });
            }
            Seen::Build(Build { ok, took, output }) => {
                let took = took.as_secs_f64();
                let (level, text) = if ok {
                    (Level::Info, format!("built in {took:.1} s, and started"))
                } else {
                    (Level::Error, format!("the build failed after {took:.1} s"))
                };
                let output = short_output(&self.keyring.redact(&output));
                store.change(|ring| ring.note(now, level, text, output));
            }
            Seen::Notice(Notice { level, text }) => {
                let text = short(&text, &self.keyring);
                store.change(|ring| ring.note(now, level, text, String::new()));
            }
            Seen::Status(status) => store.change(|ring| ring.set_status(status)),
            Seen::Record(recorder) => self.recorder = Some(recorder),
            Seen::Settled(settled) => {
                let _ = settled.send(());
            }
        }
        store.0.waiting.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn arrived(&mut self, id: DeliveryId, arrival: Arrival, store: &Store) {
        let mut record = Record::new(id, &arrival, &mut self.keyring);
        let now = record.at / 1000;
        let signed = Signed { headers: arrival.headers, body: arrival.body, now };
        let mut kept = None;
        match self.judge.accepted(&signed) {
            Some(accepted) => record.signature = accepted,
            None if self.judge.live.is_empty() => {}
            None if self.running_bytes + signed.body.len() <= RUNNING_BYTES => kept = Some(signed),
            None => record.signature = Signature::Unexamined { why: TOO_MUCH },
        }
        self.running_bytes += kept.as_ref().map_or(0, |signed| signed.body.len());
        if self.running.len() == RUNNING {
            self.ended(0);
        }
        self.running.push((id, record.at, kept));
        store.change(|ring| ring.push(record));
    }

    fn ended(&mut self, place: usize) -> Option<Signed> {
        let (_, _, signed) = self.running.remove(place);
        self.running_bytes -= signed.as_ref().map_or(0, |signed| signed.body.len());
        signed
    }

    fn responded(&mut self, id: DeliveryId, response: ResponseSeen, store: &Store) {
        let place = self.running.iter().position(|(running, ..)| *running == id);
        let signed = place.and_then(|place| self.ended(place));
        let is_refused = matches!(response.end, End::Response { status: 401, .. });
        let headers_there = |signed: &Signed| signed.headers.get("x-kiket-signature").is_some();
        let signature = match signed {
            Some(signed) if is_refused => match self.examine.try_send((id, signed)) {
                Ok(()) => Some(Signature::Examined),
                Err(_) => Some(Signature::Unexamined { why: TOO_MUCH }),
            },
            Some(signed) if headers_there(&signed) => Some(Signature::NotNeeded),
            _ => None,
        };
        let keyring = &mut self.keyring;
        let capture = store.change(|ring| {
            ring.change(id, |record| {
                record.respond(response, keyring);
                if let Some(signature) = signature {
                    record.signature = signature;
                }
            });
            self.recorder.is_some().then(|| capture(ring.find(id)?)).flatten()
        });
        if let (Some(recorder), Some(capture)) = (&mut self.recorder, capture) {
            recorder(id, capture);
        }
    }

    fn called(&mut self, call: &Call, at: u64, store: &Store) {
        let last = call.segments().last().map_or("", String::as_str);
        if ["telemetry", "jwks.json"].contains(&last) {
            return;
        }
        let captured = self.keyring.call(call);
        let took = call.took().map(microseconds);
        let (request, response) = (
            Body::read(call.body(), &mut self.keyring),
            Body::read(call.response_body().unwrap_or_default(), &mut self.keyring),
        );
        // The bodies by the rule of calls, which knows more places than the rule of bodies.
        let request = shown_as(request, &captured.body);
        let response = captured.response.as_ref().map(|it| shown_as(response, &it.body)).unwrap_or_default();
        let (certain, of) = match self.running.as_slice() {
            [] => (false, None),
            [only] => (true, Some(only)),
            [.., last] => (false, Some(last)),
        };
        let text = format!("{} {} outside of a delivery", captured.method, captured.path);
        let Some((id, arrived, _)) = of else {
            let status = call.status().map_or_else(|| "no response".to_owned(), |status| status.to_string());
            return store.change(|ring| ring.note(at, Level::Info, text, format!("status: {status}")));
        };
        let is_whole = !request.cut && !response.cut;
        let after = at.saturating_sub(*arrived).saturating_mul(1000).saturating_sub(took.unwrap_or_default());
        let made = CallMade {
            method: captured.method.clone(),
            path: short(&captured.path, &self.keyring),
            status: call.status(),
            took,
            after,
            request,
            response,
            certain,
            captured: is_whole.then_some(captured),
        };
        store.change(|ring| ring.change(*id, |record| record.add_call(made)));
    }
}

const TOO_MUCH: &str = "too many signatures were refused at once: `cargo kiket verify` examines one";

/// The body with the text that a capture has.
fn shown_as(mut body: Body, content: &kiket_testing::Content) -> Body {
    if let Some(json) = content.body.as_ref().filter(|json| body.value().as_ref() != Some(json)) {
        body.text = json.to_string();
        body.exact = false;
        if body.text.len() > EXCERPT {
            body.text.truncate(whole(&body.text, EXCERPT));
            body.cut = true;
        }
    }
    body
}

/// What a compiler said, as much as is worth reading.
fn short_output(text: &str) -> String {
    const MOST: usize = 16 << 10;
    let end = whole(text, MOST);
    text[..end].to_owned()
}

/// Examines one signature after the other, until the store is gone.
fn examine_all(jobs: &Receiver<(DeliveryId, Signed)>, judge: &Judge, shared: &std::sync::Weak<Shared>) {
    while let Ok((id, signed)) = jobs.recv() {
        let signature = Box::new(judge.examine(&signed));
        drop(signed);
        let Some(shared) = shared.upgrade() else { return };
        // The store may be busy, but what was examined is not lost.
        let _ = shared.queue.send(Seen::Examined(id, signature));
    }
}
