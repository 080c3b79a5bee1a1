//! The thread that records what was seen, without secrets.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use kiket_runtime::Clock;
use kiket_testing::{__private::Keyring, Call};

use super::{
    body::{Body, EXCERPT, whole},
    capture::capture,
    line::Line,
    queue::Queue,
    record::{CallMade, Record, microseconds, short},
    ring::DELIVERIES,
    seen::{Arrival, Build, DeliveryId, End, Level, Notice, ResponseSeen},
    signature::{Judge, Signature, Signed},
    store::{Recorder, Secrets, Seen, Shared, Store},
};
use crate::background;

/// An empty store, and the thread that records what is seen.
pub fn open_store(secrets: Secrets, clock: Clock) -> Store {
    let (queue, seen) = Queue::new();
    let store = Store::behind(queue, clock);
    let worker = Worker::new(secrets, &store);
    // Without the thread nothing is recorded, and everything else goes on.
    let _ = thread::Builder::new().name("kiket-console-store".to_owned()).spawn(move || {
        background::yield_to_deliveries();
        worker.run(&seen);
    });
    store
}

/// How many refused signatures may wait to be examined, and how many bytes of bodies may run, to be examined later.
const EXAMINED: usize = 8;
const RUNNING_BYTES: usize = 32 << 20;

/// What was taken out of the queue and is not recorded: the oldest first.
#[derive(Default)]
struct Behind {
    things: VecDeque<(usize, Seen)>,
    deliveries: usize,
    /// How many of the things must be recorded now, with all before them.
    pressing: usize,
}

/// How many things are kept until a page looks.
const MOST_BEHIND: usize = 16 << 10;

impl Behind {
    fn add(&mut self, bytes: usize, seen: Seen) {
        self.count(&seen, |count| *count += 1);
        self.things.push_back((bytes, seen));
    }

    fn next(&mut self) -> Option<(usize, Seen)> {
        let (bytes, seen) = self.things.pop_front()?;
        self.count(&seen, |count| *count -= 1);
        Some((bytes, seen))
    }

    fn count(&mut self, seen: &Seen, change: impl FnOnce(&mut usize)) {
        match seen {
            Seen::Arrived(..) => change(&mut self.deliveries),
            Seen::Settled(_) | Seen::Record(_) | Seen::Examined(..) => change(&mut self.pressing),
            _ => {}
        }
    }

    /// Whether the oldest would not be kept, were they recorded.
    fn is_too_much(&self) -> bool {
        self.deliveries > DELIVERIES || self.things.len() > MOST_BEHIND
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
    shared: Weak<Shared>,
}

/// How long the thread rests after its work, while a page looks: this much shows together.
const SHORTEST_REST: Duration = Duration::from_millis(10);
const LONGEST_REST: Duration = Duration::from_millis(80);
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

    /// Records what is seen until the store is gone.
    fn run(mut self, seen: &Receiver<(usize, Seen)>) {
        let mut behind = Behind::default();
        if let Some(shared) = self.shared.upgrade() {
            shared.queue.is_taken_here();
        }
        loop {
            let Some(shared) = self.shared.upgrade() else { return };
            let store = Store(shared);
            let queue = &store.0.queue;
            queue.is_awake();
            let began = Instant::now();
            for (bytes, seen) in seen.try_iter() {
                queue.took();
                behind.add(bytes, seen);
            }
            while behind.is_too_much()
                && let Some((bytes, seen)) = behind.next()
            {
                self.forget(seen, &store);
                queue.recorded(bytes);
            }
            let mut has_worked = false;
            while (queue.is_looked_at() || queue.is_heavy() || behind.pressing > 0)
                && let Some((bytes, seen)) = behind.next()
            {
                has_worked = true;
                self.take(seen, &store);
                queue.recorded(bytes);
            }
            let missed = queue.missed();
            if has_worked && store.ring().missed != missed {
                store.change(|ring| ring.missed = missed);
            }
            if has_worked {
                // A page that looks at a busy extension takes it a part of a processor at most.
                drop(store);
                thread::park_timeout((began.elapsed() * 4).clamp(SHORTEST_REST, LONGEST_REST));
            } else if queue.may_sleep() {
                drop(store);
                thread::park();
            }
        }
    }

    /// Keeps count of something that is too old to be kept. What is no delivery is recorded all the same.
    fn forget(&mut self, seen: Seen, store: &Store) {
        match seen {
            Seen::Arrived(id, _) => self.begins(id, 0, None),
            Seen::Responded(id, _) => drop(self.ends(id)),
            Seen::Call(..) | Seen::Line(..) => {}
            other => self.take(other, store),
        }
    }

    fn take(&mut self, seen: Seen, store: &Store) {
        match seen {
            Seen::Arrived(id, read) => self.arrived(id, read(), store),
            Seen::Responded(id, read) => self.responded(id, read(), store),
            Seen::Examined(id, signature) => {
                store.change(|ring| ring.change(id, |record| record.signature = *signature));
            }
            Seen::Call(call, at) => self.called(&call, at, store),
            Seen::Line(text, at) => {
                let line = Line::read(&text, &self.keyring);
                store.change(|ring| {
                    let left = ring.give(line);
                    if let Some(line) = left.filter(Line::is_warning) {
                        let more: Vec<_> =
                            line.fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                        let is_error = line.level.as_deref() == Some("error");
                        let level = if is_error { Level::Error } else { Level::Warning };
                        ring.note(at, level, line.text, more.join("\n"));
                    }
                });
            }
            Seen::Build(Build { ok, took, output }, at) => {
                let took = took.as_secs_f64();
                let (level, text) = if ok {
                    (Level::Info, format!("built in {took:.1} s, and started"))
                } else {
                    (Level::Error, format!("the build failed after {took:.1} s"))
                };
                let output = short_output(&self.keyring.redact(&output));
                store.change(|ring| ring.note(at, level, text, output));
            }
            Seen::Notice(Notice { level, text }, at) => {
                let text = short(&text, &self.keyring);
                store.change(|ring| ring.note(at, level, text, String::new()));
            }
            Seen::Status(status) => store.change(|ring| ring.set_status(status)),
            Seen::Record(recorder) => self.recorder = Some(recorder),
            Seen::Settled(settled) => {
                let _ = settled.send(());
            }
        }
    }

    fn arrived(&mut self, id: DeliveryId, arrival: Arrival, store: &Store) {
        let mut record = Record::new(id, &arrival, &mut self.keyring);
        let now = record.at / 1000;
        let signed = Signed { headers: arrival.headers, body: arrival.body, now };
        let mut kept = None;
        match record.is_whole.then(|| self.judge.accepted(&signed)).flatten() {
            Some(accepted) => record.signature = accepted,
            None if self.judge.live.is_empty() || !record.is_whole => {}
            None if self.running_bytes + signed.body.len() <= RUNNING_BYTES => kept = Some(signed),
            None => record.signature = Signature::Unexamined { why: TOO_MUCH },
        }
        self.begins(id, record.at, kept);
        store.change(|ring| ring.push(record));
    }

    fn begins(&mut self, id: DeliveryId, at: u64, signed: Option<Signed>) {
        if let Some((oldest, ..)) = self.running.first().filter(|_| self.running.len() == RUNNING) {
            drop(self.ends(*oldest));
        }
        self.running_bytes += signed.as_ref().map_or(0, |signed| signed.body.len());
        self.running.push((id, at, signed));
    }

    fn ends(&mut self, id: DeliveryId) -> Option<Signed> {
        let place = self.running.iter().position(|(running, ..)| *running == id)?;
        let (_, _, signed) = self.running.remove(place);
        self.running_bytes -= signed.as_ref().map_or(0, |signed| signed.body.len());
        signed
    }

    fn responded(&mut self, id: DeliveryId, response: ResponseSeen, store: &Store) {
        let signed = self.ends(id);
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
                match signature {
                    Some(Signature::NotNeeded) if !record.is_authentic() => {}
                    Some(signature) => record.signature = signature,
                    None if is_refused && !record.is_whole => {
                        record.signature = Signature::Unexamined { why: NOT_WHOLE };
                    }
                    None => {}
                }
            });
            self.recorder.is_some().then(|| capture(ring.find(id)?)).flatten()
        });
        if let (Some(recorder), Some(capture)) = (&mut self.recorder, capture) {
            recorder(id, capture);
        }
    }

    fn called(&mut self, call: &Call, at: u64, store: &Store) {
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

const NOT_WHOLE: &str =
    "a signature is that of the whole body: this one is larger than 1 MiB, or its sender left before its end";
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
fn examine_all(jobs: &Receiver<(DeliveryId, Signed)>, judge: &Judge, shared: &Weak<Shared>) {
    while let Ok((id, signed)) = jobs.recv() {
        let signature = Box::new(judge.examine(&signed));
        drop(signed);
        let Some(shared) = shared.upgrade() else { return };
        // The store may be busy, but what was examined is not lost.
        shared.queue.press(Seen::Examined(id, signature));
    }
}
