//! How handlers fare: told to the program's own hook and to Kiket, without keeping a delivery waiting.
//!
//! A delivery leaves its record in a mailbox, which costs a lock and no wake-up; a thread of its own empties that a
//! few times a second, calls the hook, and sends.

mod logging;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::sync::{Notify, mpsc, oneshot};

pub use self::logging::init_logging;
use crate::{
    client::{Reporter, rfc3339},
    delivery::Subject,
    handler::caught,
};

/// How one delivery went: what the feedback hook gets, and what Kiket is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Record {
    /// The event.
    pub event: String,
    /// The version, as its handler is registered.
    pub version: String,
    /// Whether the handler answered.
    pub status: RecordStatus,
    /// From the decoding of the payload to the answer, in milliseconds, by a clock that only goes forward.
    pub duration_ms: f64,
    /// When it ended: RFC 3339, UTC.
    pub timestamp: String,
    /// The id of the extension.
    pub extension_id: Option<String>,
    /// The version of the extension.
    pub extension_version: Option<String>,
    /// What its author wrote for the caller, with secrets taken out; `handler failed` where nobody wrote anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The code of the failure, else the type of the error that the handler returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_class: Option<String>,
    /// More about it; empty in this version.
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

/// Whether a handler answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RecordStatus {
    /// It did.
    Ok,
    /// It failed, panicked, or ran past its deadline.
    Error,
}

/// What the program does with a record.
pub(crate) type Hook = Arc<dyn Fn(&Record) + Send + Sync>;

/// A record before anybody needs its texts.
pub(crate) struct Note {
    pub(crate) subject: Arc<Subject>,
    pub(crate) duration: Duration,
    /// Unix seconds.
    pub(crate) ended_at: u64,
    pub(crate) failure: Option<Failed>,
}

/// How a handler failed, in words that anybody may read.
pub(crate) struct Failed {
    pub(crate) message: String,
    pub(crate) class: String,
}

/// Who tells: the same in every record.
#[derive(Clone)]
pub(crate) struct Teller {
    pub(crate) extension_id: Option<String>,
    pub(crate) extension_version: Option<String>,
}

/// The way of records; without hook and reporter it leads nowhere and costs nothing.
pub(crate) struct Telemetry(Option<Arc<Mailbox>>);

/// Where records lie until they are fetched.
struct Mailbox {
    notes: Mutex<Vec<Note>>,
    /// Somebody put something into an empty mailbox, or wants it emptied now.
    filled: Notify,
    urgent: Notify,
    flushes: Mutex<Vec<oneshot::Sender<()>>>,
    closed: AtomicBool,
    dropped: AtomicU64,
}

/// How many records lie in the mailbox at most; more are dropped, and counted.
const MAILBOX: usize = 16_384;
/// How many records wait to be sent at most; more are dropped, and counted.
const OUTBOX: usize = 1024;
/// How often the mailbox is emptied while records come.
const ROUND: Duration = Duration::from_millis(200);

impl Telemetry {
    /// Starts the thread, if there is anything for it to do.
    pub(crate) fn start(hook: Option<Hook>, reporter: Option<Reporter>, teller: Teller) -> Self {
        if hook.is_none() && reporter.is_none() {
            return Self(None);
        }
        let mailbox = Arc::new(Mailbox {
            notes: Mutex::default(),
            filled: Notify::new(),
            urgent: Notify::new(),
            flushes: Mutex::default(),
            closed: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
        });
        let postman = Postman { mailbox: Arc::clone(&mailbox), hook, teller };
        let started = std::thread::Builder::new()
            .name("kiket-telemetry".to_owned())
            .spawn(move || postman.run(reporter));
        match started {
            Ok(_) => Self(Some(mailbox)),
            Err(error) => {
                tracing::error!(%error, "no thread for telemetry: there is none");
                Self(None)
            }
        }
    }

    /// Takes a record; never waits.
    pub(crate) fn note(&self, note: impl FnOnce() -> Note) {
        let Some(mailbox) = &self.0 else { return };
        let mut notes = lock(&mailbox.notes);
        if notes.len() >= MAILBOX {
            mailbox.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        notes.push(note());
        if notes.len() == 1 {
            mailbox.filled.notify_one();
        }
    }

    /// How many records were dropped since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |mailbox| mailbox.dropped.load(Ordering::Relaxed))
    }

    /// Waits until every record that was taken is told, `patience` at most.
    pub(crate) async fn flush(&self, patience: Duration) {
        let Some(mailbox) = &self.0 else { return };
        let (sender, flushed) = oneshot::channel();
        lock(&mailbox.flushes).push(sender);
        mailbox.filled.notify_one();
        mailbox.urgent.notify_one();
        if tokio::time::timeout(patience, flushed).await.is_err() {
            tracing::warn!("telemetry is not told in full: its address does not answer");
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(mailbox) = &self.0 {
            mailbox.closed.store(true, Ordering::Release);
            mailbox.filled.notify_one();
            mailbox.urgent.notify_one();
        }
    }
}

/// Who empties the mailbox.
struct Postman {
    mailbox: Arc<Mailbox>,
    hook: Option<Hook>,
    teller: Teller,
}

enum Outgoing {
    Record(Box<Record>),
    /// Everything before this was sent.
    Mark(oneshot::Sender<()>),
}

impl Postman {
    fn run(self, reporter: Option<Reporter>) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "no runtime for telemetry: there is none");
                return;
            }
        };
        runtime.block_on(async {
            match reporter {
                Some(reporter) => {
                    let (outbox, waiting) = mpsc::channel(OUTBOX);
                    let sending = tokio::spawn(send(reporter, waiting));
                    self.fetch(Some(outbox)).await;
                    sending.abort();
                }
                None => self.fetch(None).await,
            }
        });
    }

    /// Empties the mailbox until it is closed.
    async fn fetch(self, outbox: Option<mpsc::Sender<Outgoing>>) {
        let mailbox = &*self.mailbox;
        loop {
            mailbox.filled.notified().await;
            tokio::select! {
                () = tokio::time::sleep(ROUND) => {}
                () = mailbox.urgent.notified() => {}
            }
            let flushes = std::mem::take(&mut *lock(&mailbox.flushes));
            for note in std::mem::take(&mut *lock(&mailbox.notes)) {
                self.tell(note, outbox.as_ref());
            }
            for flush in flushes {
                match &outbox {
                    Some(outbox) => drop(outbox.send(Outgoing::Mark(flush)).await),
                    None => drop(flush.send(())),
                }
            }
            if mailbox.closed.load(Ordering::Acquire) {
                return;
            }
        }
    }
}

impl Postman {
    /// Tells the hook, and puts into the outbox what there is room for. What nobody reads is not written.
    fn tell(&self, note: Note, outbox: Option<&mpsc::Sender<Outgoing>>) {
        let place = outbox.map(mpsc::Sender::try_reserve);
        if matches!(place, Some(Err(_))) {
            self.mailbox.dropped.fetch_add(1, Ordering::Relaxed);
        }
        let place = place.and_then(Result::ok);
        if self.hook.is_none() && place.is_none() {
            return;
        }
        let record = self.teller.record(note);
        if let Some(hook) = &self.hook
            && caught(|| hook(&record)).is_err()
        {
            tracing::error!("the feedback hook panicked");
        }
        if let Some(place) = place {
            place.send(Outgoing::Record(Box::new(record)));
        }
    }
}

/// Sends what waits, one after the other.
async fn send(reporter: Reporter, mut waiting: mpsc::Receiver<Outgoing>) {
    let mut failing = false;
    while let Some(outgoing) = waiting.recv().await {
        match outgoing {
            Outgoing::Mark(flush) => drop(flush.send(())),
            Outgoing::Record(record) => {
                let sent = reporter.send(&record).await;
                if let (Err(error), false) = (&sent, failing) {
                    tracing::warn!(%error, "telemetry does not arrive; this is told once until it does");
                }
                failing = sent.is_err();
            }
        }
    }
}

impl Teller {
    fn record(&self, note: Note) -> Record {
        let Note { subject, duration, ended_at, failure } = note;
        let status = if failure.is_none() { RecordStatus::Ok } else { RecordStatus::Error };
        let (error_message, error_class) = failure.map(|failed| (failed.message, failed.class)).unzip();
        Record {
            event: subject.event.to_string(),
            version: subject.version.to_string(),
            status,
            duration_ms: duration.as_secs_f64() * 1000.0,
            timestamp: rfc3339(ended_at),
            extension_id: self.extension_id.clone(),
            extension_version: self.extension_version.clone(),
            error_message,
            error_class,
            metadata: serde_json::Map::new(),
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Telemetry(on)" } else { "Telemetry(off)" })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing that panics is done while one is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{EventName, EventVersion};

    fn note(failure: Option<Failed>) -> Note {
        let subject = Subject {
            event: EventName::from_static("issue.created"),
            version: EventVersion::from_static("v1"),
        };
        Note {
            subject: Arc::new(subject),
            duration: Duration::from_millis(12),
            ended_at: 1_768_645_800,
            failure,
        }
    }

    fn teller() -> Teller {
        Teller { extension_id: Some("com.example".into()), extension_version: None }
    }

    #[test]
    fn a_record_has_the_shape_of_the_siblings() {
        let json = serde_json::to_value(teller().record(note(None))).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "event": "issue.created", "version": "v1", "status": "ok", "duration_ms": 12.0,
                "timestamp": "2026-01-17T10:30:00Z", "extension_id": "com.example", "extension_version": null,
                "metadata": {},
            })
        );
        let failed = Failed { message: "no mail".into(), class: "quota".into() };
        let record = teller().record(note(Some(failed)));
        assert_eq!(record.error_message.as_deref(), Some("no mail"));
        assert_eq!((record.status, record.error_class.as_deref()), (RecordStatus::Error, Some("quota")));
    }

    #[tokio::test]
    async fn the_hook_gets_every_record_and_may_panic() {
        let seen = Arc::new(AtomicU64::new(0));
        let hook: Hook = Arc::new({
            let seen = Arc::clone(&seen);
            move |_| assert!(seen.fetch_add(1, Ordering::SeqCst) % 2 == 1, "every other time")
        });
        let telemetry = Telemetry::start(Some(hook), None, teller());
        for _ in 0..1000 {
            telemetry.note(|| note(None));
        }
        telemetry.flush(Duration::from_secs(30)).await;
        assert_eq!((seen.load(Ordering::SeqCst), telemetry.dropped()), (1000, 0));
    }

    #[tokio::test]
    async fn a_hook_that_hangs_delays_nobody_and_what_is_too_much_is_counted() {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = Mutex::new(held);
        let hook: Hook = Arc::new(move |_| drop(held.lock().map(|held| held.recv())));
        let telemetry = Telemetry::start(Some(hook), None, teller());
        for _ in 0..2 * MAILBOX + 5 {
            telemetry.note(|| note(None));
        }
        assert!(telemetry.dropped() >= 5);
        drop(release);
        telemetry.flush(Duration::from_secs(30)).await;
    }

    #[tokio::test]
    async fn without_anybody_to_tell_nothing_is_noted() {
        let telemetry = Telemetry::start(None, None, teller());
        telemetry.note(|| unreachable!("nobody asks for it"));
        telemetry.flush(Duration::from_secs(1)).await;
        assert_eq!(telemetry.dropped(), 0);
    }
}
