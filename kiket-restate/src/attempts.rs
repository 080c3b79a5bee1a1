//! The attempts at a delivery, as steps in the journal of Restate.
//!
//! An attempt has two steps: its beginning, which is a number, and its end. Both are written before what follows. Where Restate
//! runs a delivery again and finds a beginning without an end, the number says whether the handler has started: if it has, the
//! process died, or the attempt was cut off, and it counts as a crash.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use kiket_runtime::{
    Extension,
    extension::Shutdown,
    inbox::{ClaimedWork, DeadReason, NotRunError, WorkEnd},
};
use restate_sdk::{
    context::RunFuture as _,
    endpoint::ContextInternal,
    errors::{HandlerError, TerminalError},
    serde::Json,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::{envelope::Envelope, threads::Threads};

/// After so many crashes a delivery is dead.
const DEAD_AFTER: u32 = 3;
/// The longest rest of a delivery that this build cannot run.
const LONGEST_REST: Duration = Duration::from_secs(6 * 60 * 60);
/// After so many rests a delivery is dead: about 30 days.
const MOST_RESTS: u32 = 125;
/// Beyond this time Restate ends an attempt, after the timeout of the handler.
pub(crate) const BEYOND_DEADLINE: Duration = Duration::from_secs(60);

/// Runs the deliveries that Restate hands out.
pub(crate) struct Attempts {
    pub(crate) extension: Extension,
    pub(crate) threads: Arc<Threads>,
    /// How many handlers may run at once.
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) shutdown: Shutdown,
    /// Says that what still runs is to be given back.
    pub(crate) cut_off: watch::Sender<bool>,
    begun: Beginnings,
}

/// The attempts whose beginning is written, and whose handlers have not started.
#[derive(Default)]
struct Beginnings(Mutex<HashSet<u64>>);

/// How an attempt ended, as the journal has it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Done,
    Retry {
        in_ms: u64,
        error: String,
    },
    Dead {
        reason: String,
        error: String,
    },
    /// The process died while the handler ran, or the attempt was cut off.
    Crashed,
    /// It did not run, or was given back, and does not count.
    NotRun {
        in_ms: u64,
    },
}

/// What follows from the ends of attempts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Course {
    /// Those that count and are over.
    attempts: u32,
    crashes: u32,
    rests: u32,
}

/// What comes next.
#[derive(Debug, PartialEq)]
enum Next {
    Done,
    /// Another attempt, after this time.
    Attempt(Duration),
    Dead(String),
}

impl Attempts {
    pub(crate) fn new(
        extension: Extension,
        threads: Arc<Threads>,
        slots: Arc<Semaphore>,
        shutdown: Shutdown,
    ) -> Self {
        let (cut_off, begun) = (watch::Sender::new(false), Beginnings::default());
        Self { extension, threads, slots, shutdown, cut_off, begun }
    }

    /// Works on a delivery until it is done or dead.
    pub(crate) async fn work(
        &self,
        journal: &ContextInternal,
        input: Bytes,
        timeout: Duration,
    ) -> Result<(), HandlerError> {
        let Some(envelope) = Envelope::read(&input) else {
            return Err(TerminalError::new_with_code(400, "kiket did not send this").into());
        };
        let mut course = Course::default();
        loop {
            let number = course.attempts + 1;
            let mut slot = None;
            let place = &mut slot;
            let begun = journal.run(move || async move { self.begin(place).await.map(Json) });
            let Json(begun) = begun.name(format!("attempt {number} begins")).await?;
            let work = envelope.attempt(number, course.crashes);
            let ended =
                journal.run(|| async { Ok(Json(self.attempt(begun, work, timeout, slot.is_some()).await)) });
            let Json(end) = ended.name(format!("attempt {number} ends")).await?;
            drop(slot);
            match course.next(end) {
                Next::Done => return Ok(()),
                Next::Attempt(delay) if delay.is_zero() => {}
                Next::Attempt(delay) => journal.sleep(delay).await?,
                Next::Dead(error) if envelope.blocks_lane => {
                    let (awakeable, resolved) = journal.awakeable::<Bytes>();
                    tracing::error!(
                        error,
                        awakeable,
                        "a dead delivery blocks its lane until its awakeable is resolved"
                    );
                    resolved.await?;
                    course = Course::default();
                }
                Next::Dead(error) => return Err(TerminalError::new(error).into()),
            }
        }
    }

    /// Begins an attempt, once there is a slot for it. During a shutdown there is none: another process begins it.
    async fn begin(&self, slot: &mut Option<OwnedSemaphorePermit>) -> Result<u64, HandlerError> {
        let free = Arc::clone(&self.slots).acquire_owned().await?;
        if self.shutdown.is_requested() {
            return Err(HandlerError::from(std::io::Error::other("the extension shuts down")));
        }
        *slot = Some(free);
        Ok(self.begun.begin())
    }

    async fn attempt(&self, begun: u64, work: ClaimedWork, timeout: Duration, has_slot: bool) -> End {
        // Where it began before, in an earlier stream of Restate.
        let _slot = if has_slot { None } else { self.slots.acquire().await.ok() };
        let Some(running) = self.begun.start(begun, timeout) else { return End::Crashed };
        let extension = self.extension.clone();
        let run = self.threads.handle(async move { extension.run_work(&work).await });
        let mut cut_off = self.cut_off.subscribe();
        let end = tokio::select! {
            biased;
            ended = run => ended.map_or(End::NotRun { in_ms: 1000 }, End::of),
            _ = cut_off.wait_for(|cut_off| *cut_off) => End::NotRun { in_ms: 0 },
        };
        running.over();
        end
    }
}

impl Beginnings {
    fn begin(&self) -> u64 {
        let number = fastrand::u64(..);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
        number
    }

    /// Starts an attempt; `None` if it has started before, or in another process.
    fn start(&self, number: u64, timeout: Duration) -> Option<Running<'_>> {
        let began = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        began.then(|| Running { begun: self, number, until: Instant::now() + timeout, is_over: false })
    }
}

/// An attempt that runs. Where Restate drops it before its deadline, it can begin again, and is no crash.
struct Running<'b> {
    begun: &'b Beginnings,
    number: u64,
    until: Instant,
    is_over: bool,
}

impl Running<'_> {
    fn over(mut self) {
        self.is_over = true;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.is_over && Instant::now() < self.until {
            self.begun.0.lock().unwrap_or_else(PoisonError::into_inner).insert(self.number);
        }
    }
}

impl End {
    fn of(ended: Result<WorkEnd, NotRunError>) -> Self {
        match ended {
            Ok(WorkEnd::Done) => Self::Done,
            Ok(WorkEnd::Retry { delay, error }) => Self::Retry { in_ms: milliseconds(delay), error },
            Ok(WorkEnd::Dead { reason, error }) => Self::Dead { reason: reason.to_string(), error },
            Ok(_) => Self::NotRun { in_ms: milliseconds(LONGEST_REST) }, // there is no other end
            Err(not_run) => Self::NotRun { in_ms: milliseconds(not_run.delay) },
        }
    }
}

impl Course {
    fn next(&mut self, end: End) -> Next {
        match end {
            End::NotRun { in_ms: 0 } => Next::Attempt(Duration::ZERO),
            End::NotRun { in_ms } => {
                // Another build may run it.
                let rest = Duration::from_millis(in_ms).saturating_mul(2_u32.saturating_pow(self.rests));
                self.rests += 1;
                if self.rests > MOST_RESTS {
                    return Next::Dead("unreadable: no build could run it for a month".to_owned());
                }
                Next::Attempt(rest.min(LONGEST_REST))
            }
            End::Done => Next::Done,
            End::Retry { in_ms, .. } => {
                self.attempts += 1;
                Next::Attempt(Duration::from_millis(in_ms))
            }
            End::Dead { reason, error } => Next::Dead(format!("{reason}: {error}")),
            End::Crashed => {
                (self.attempts, self.crashes) = (self.attempts + 1, self.crashes + 1);
                if self.crashes < DEAD_AFTER {
                    return Next::Attempt(Duration::ZERO);
                }
                Next::Dead(format!("{}: its processes died {DEAD_AFTER} times", DeadReason::Crashed))
            }
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_starts_once_unless_it_was_cut_off_early() {
        let (begun, minute) = (Beginnings::default(), Duration::from_secs(60));
        let one = begun.begin();
        assert!(begun.start(one ^ 1, minute).is_none(), "of another process");
        begun.start(one, minute).unwrap().over();
        assert!(begun.start(one, minute).is_none());
        let other = begun.begin();
        drop(begun.start(other, minute).unwrap());
        drop(begun.start(other, Duration::ZERO).expect("the stream of Restate broke"));
        assert!(begun.start(other, minute).is_none(), "it was dropped after its deadline");
    }

    #[test]
    fn crashes_count_as_attempts_and_end_a_delivery() {
        let mut course = Course::default();
        for crashes in 1..DEAD_AFTER {
            assert_eq!(course.next(End::Crashed), Next::Attempt(Duration::ZERO));
            assert_eq!((course.attempts, course.crashes), (crashes, crashes));
        }
        assert!(matches!(course.next(End::Crashed), Next::Dead(error) if error.starts_with("crashed: ")));
    }

    #[test]
    fn what_did_not_run_counts_as_no_attempt() {
        let mut course = Course::default();
        assert_eq!(course.next(End::NotRun { in_ms: 0 }), Next::Attempt(Duration::ZERO));
        let mut rest = Duration::from_secs(300);
        for _ in 0..MOST_RESTS {
            assert_eq!(course.next(End::NotRun { in_ms: 300_000 }), Next::Attempt(rest));
            rest = (rest * 2).min(LONGEST_REST);
        }
        assert_eq!(course.attempts, 0);
        assert!(matches!(course.next(End::NotRun { in_ms: 300_000 }), Next::Dead(_)));
    }

    #[test]
    fn ends_are_read_as_they_were_written() {
        let ends = [
            (End::Done, r#""done""#),
            (End::Crashed, r#""crashed""#),
            (End::NotRun { in_ms: 5 }, r#"{"not_run":{"in_ms":5}}"#),
            (
                End::of(Ok(WorkEnd::Retry { delay: Duration::from_secs(1), error: "a".to_owned() })),
                r#"{"retry":{"in_ms":1000,"error":"a"}}"#,
            ),
            (
                End::of(Ok(WorkEnd::Dead { reason: DeadReason::Permanent, error: "a".to_owned() })),
                r#"{"dead":{"reason":"permanent","error":"a"}}"#,
            ),
        ];
        for (end, text) in ends {
            assert_eq!(serde_json::to_string(&end).unwrap(), text);
            assert_eq!(serde_json::from_str::<End>(text).unwrap(), end);
        }
    }
}
