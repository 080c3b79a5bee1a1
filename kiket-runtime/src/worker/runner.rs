//! Runs claimed rows: opens them, runs their handlers, and ends their attempts.

use std::{
    collections::BTreeMap,
    future::ready,
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep},
};
use tracing::{Instrument as _, Span};

use super::backoff;
#[cfg(feature = "postgres")]
use crate::pipeline::transaction::{Held, Owner};
use crate::{
    delivery::{Delivery, InboxService, StoredDelivery, confidential},
    error::Chain,
    handler::{Later, Route},
    metrics::traces::traced,
    pipeline::{self, Failed, LONGEST_ERROR, Pipeline},
    store::{
        LeaseState, StoreError, StoreFuture,
        inbox::{ClaimRequest, ClaimedWork, DeadReason, HandlerName, NotRunError, WorkEnd, WorkLease},
    },
    telemetry::panicked,
    types::{Mutex, after, caught, caught_to_end, milliseconds, shortened, within},
};

/// How long a lease is at most, unless it is renewed.
pub(super) const LEASE: Duration = Duration::from_secs(30);
/// How far a lease reaches beyond the deadline of the handler: the end of the attempt must be stored in it.
pub(super) const BEYOND_DEADLINE: Duration = Duration::from_secs(5);
/// How long an operation of the inbox may take.
pub(super) const OPERATION: Duration = Duration::from_secs(10);
/// How long it is tried to store the end of an attempt.
const SETTLING: Duration = Duration::from_secs(20);
/// How long a row rests that this build cannot read: another build may, or this one with another key.
pub(crate) const UNREADABLE: Duration = Duration::from_secs(5 * 60);
/// How long another build may still run a slot that the schedule of this one does not have.
const OBSOLETE: Duration = Duration::from_secs(10 * 60);

/// Runs claimed rows.
pub(crate) struct Runner {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) inbox: Arc<InboxService>,
    /// Those that this build has.
    handlers: Vec<(HandlerName, Arc<Route>)>,
    /// The latest slot of each schedule that is known to be in the inbox.
    pub(super) inserted: Mutex<BTreeMap<String, SystemTime>>,
}

/// What becomes of a claimed row.
#[derive(Debug)]
pub(super) enum End {
    Finished(WorkEnd),
    /// The attempt does not count, and the row waits again for so long.
    Released(Duration),
    /// This build cannot read the row: it rests, and waits again.
    Unreadable,
    /// The row belongs to another worker, or to none.
    Lost,
}

impl Runner {
    /// `None` where no handler runs later.
    pub(super) fn new(pipeline: &Arc<Pipeline>) -> Option<Self> {
        let inbox = Arc::clone(pipeline.services.inbox.as_ref()?);
        let mut handlers = Vec::new();
        let schedules = pipeline.registry.schedules().iter().map(|schedule| &schedule.route);
        for route in pipeline.registry.deferred().chain(schedules) {
            let (name, version) = (route.key.name(), route.key.version.as_str().to_owned());
            if name.version != version {
                // As earlier releases have it in rows.
                handlers.push((HandlerName { version, ..name.clone() }, Arc::clone(route)));
            }
            handlers.push((name, Arc::clone(route)));
        }
        Some(Self { pipeline: Arc::clone(pipeline), inbox, handlers, inserted: Mutex::default() })
    }

    /// What can be claimed: as many rows as there are free workers, beginning after the organisation that came last.
    pub(super) fn request(&self, limit: usize, is_idle: bool, after: &str) -> ClaimRequest {
        ClaimRequest {
            space: self.inbox.space.clone(),
            handlers: self.handlers.iter().map(|(name, _)| name.clone()).collect(),
            limit,
            is_idle,
            lease: LEASE,
            after: after.to_owned(),
        }
    }

    /// How long the handler of a row may run.
    pub(super) fn timeout(&self, work: &ClaimedWork) -> Duration {
        self.route(&work.handler).map_or(Duration::ZERO, |route| route.timeout)
    }

    fn route(&self, handler: &HandlerName) -> Option<&Arc<Route>> {
        self.handlers.iter().find(|(name, _)| name == handler).map(|(_, route)| route)
    }

    /// An operation of the inbox, which is counted where it fails.
    pub(super) async fn within_time<'s, T>(
        &self,
        operation: impl FnOnce() -> StoreFuture<'s, T>,
    ) -> Result<T, StoreError> {
        // The inbox may be the user's: it may panic where it is called, and where it is awaited.
        let caught = pin!(caught_to_end(async { operation().await }));
        let done = within(caught, after(OPERATION)).await;
        let done = done.map(|caught| caught.unwrap_or_else(|text| Err(panicked(&text))));
        done.unwrap_or_else(|| Err(StoreError::too_slow("it", OPERATION))).inspect_err(|error| {
            self.inbox.counts.errors.add();
            tracing::error!(error = %Chain(error), "the inbox is down: its workers wait for it");
        })
    }

    /// Ends expired leases, and removes rows whose retention is over. Notifies `due` where rows wait again.
    pub(super) async fn sweep(&self, due: &Notify) {
        self.insert_slots().await;
        let inbox = &self.inbox;
        let Ok(swept) = self.within_time(|| inbox.store.promote(&inbox.space, inbox.now())).await else {
            return;
        };
        if swept.expired > 0 {
            tracing::warn!(rows = swept.expired, "leases of deferred deliveries expired: they run again");
            due.notify_one();
        }
        if swept.crashed > 0 {
            (0..swept.crashed).for_each(|_| inbox.counts.ends.add(DeadReason::Crashed.as_str()));
            tracing::error!(
                rows = swept.crashed,
                "deferred deliveries are dead: their processes died three times"
            );
        }
    }

    /// Runs what is due, one row after the other, until nothing is: for tests. Returns how each attempt ended.
    #[cfg(feature = "internals")]
    pub(crate) async fn run_due(&self) -> Result<Vec<(ClaimedWork, &'static str)>, StoreError> {
        let (inbox, mut last, mut ran) = (&self.inbox, String::new(), Vec::new());
        loop {
            self.sweep(&Notify::new()).await;
            let request = self.request(1, true, &last);
            let claimed = self.within_time(|| inbox.store.claim(&request, inbox.now())).await?;
            let Some(work) = claimed.into_iter().next() else { return Ok(ran) };
            last.clone_from(&work.organisation);
            let renewal = [(work.lease, LEASE)];
            let states = self.within_time(|| inbox.store.renew(&renewal, inbox.now())).await?;
            if states != [LeaseState::Held] {
                continue;
            }
            let (_running, stopped) = oneshot::channel();
            let end = self.attempt(&work, stopped).await;
            let end = self.settle(&work.lease, &end).await;
            ran.push((work, end));
        }
    }

    /// Runs the handler of work that is in no row.
    pub(crate) async fn run_once(&self, work: &ClaimedWork) -> Result<WorkEnd, NotRunError> {
        let (_running, stopped) = oneshot::channel();
        let end = self.attempt(work, stopped).await;
        self.inbox.counts.ends.add(end.name());
        match end {
            End::Finished(end) => Ok(end),
            End::Released(delay) => Err(NotRunError { delay }),
            End::Unreadable | End::Lost => Err(NotRunError { delay: UNREADABLE }),
        }
    }

    /// Runs the handler of a row. When `stopped` says how the attempt ends, the handler is dropped at its current `.await`.
    pub(super) async fn attempt(&self, work: &ClaimedWork, stopped: oneshot::Receiver<End>) -> End {
        match self.route(&work.handler).and_then(|route| Some((route, route.handler.later.as_ref()?))) {
            Some((route, later)) => self.run(work, route, later, stopped).await,
            None => End::Unreadable,
        }
    }

    async fn run(
        &self,
        work: &ClaimedWork,
        route: &Arc<Route>,
        later: &Later,
        stopped: oneshot::Receiver<End>,
    ) -> End {
        let span = pipeline::span(route, Some(work.attempt));
        if work.attempt > later.attempts {
            let died = "the process of its last attempt died";
            let error = if work.crashes > 0 { died } else { "its handler has fewer attempts by now" };
            return End::dead(DeadReason::Attempts, error.to_owned()).logged(work, &span, Duration::ZERO);
        }
        if self.is_obsolete(route, &work.key) {
            let is_old = work.age >= OBSOLETE;
            return if is_old { End::Finished(WorkEnd::Done) } else { End::Released(OBSOLETE / 10) };
        }
        let stored = match self.inbox.open(work) {
            Ok(stored) => stored,
            Err(error) => {
                span.in_scope(|| {
                    tracing::error!(
                        row = %work.lease.id,
                        error = %Chain(&error),
                        "a deferred delivery cannot be read: it is kept, and tried again in 5 minutes"
                    );
                });
                return End::Unreadable;
            }
        };
        let (services, key) = (Arc::clone(&self.pipeline.services), Arc::clone(&route.key));
        let StoredDelivery { headers, body, authentic } = stored;
        let delivery = Delivery::new(services, key, headers, body, authentic, after(route.timeout));
        #[cfg(feature = "postgres")]
        if route.handler.requirements.takes_transaction {
            Held::insert(&delivery, Owner::Row { lease: work.lease, clock: self.inbox.clock.clone() });
        }
        traced(|traces| traces.begin(&span, delivery.headers()));
        let began = Instant::now();
        let run = self.pipeline.run_deferred(delivery, route).instrument(span.clone());
        let mut run = Box::pin(caught_to_end(run));
        let ended = tokio::select! {
            biased;
            Ok(end) = stopped => Err(end),
            ended = &mut run => Ok(ended),
        };
        // What the handler held may panic when it is dropped.
        let dropped = caught(|| drop(run));
        let ended = match (ended, dropped) {
            (Ok(Ok(Ok(()))), Ok(())) => Ok(()),
            (Ok(Ok(Err(failed))), _) => Err(failed),
            (Ok(Err(panic)), _) | (Ok(_), Err(panic)) => Err(self.panicked(panic, work)),
            (Err(end), _) => return end.logged(work, &span, began.elapsed()),
        };
        let end = match ended {
            Ok(()) => End::Finished(WorkEnd::Done),
            Err(failed) => End::of(&failed, work.attempt, later),
        };
        end.logged(work, &span, began.elapsed())
    }

    /// The panic of something around the handler, which has its delivery. That is opened again for its secrets.
    fn panicked(&self, panic: String, work: &ClaimedWork) -> Failed {
        let secrets =
            self.inbox.open(work).map(|stored| confidential(stored.body.as_str())).unwrap_or_default();
        let redactor = self.pipeline.responder.redactor.with(&secrets);
        let error =
            shortened(format!("handler_panicked: {}", redactor.redact(panic)), LONGEST_ERROR).into_owned();
        Failed { error, is_permanent: false, retry_after: None }
    }

    /// Stores how the attempt of a row ended, as long as its lease may be held. Returns what is counted.
    pub(super) async fn settle(&self, lease: &WorkLease, end: &End) -> &'static str {
        let is_held = !matches!(end, End::Lost) && self.store_end(lease, end).await;
        let counted = if is_held { end.name() } else { End::Lost.name() };
        self.inbox.counts.ends.add(counted);
        counted
    }

    /// Whether it was stored.
    async fn store_end(&self, lease: &WorkLease, end: &End) -> bool {
        let (until, mut wait) = (after(SETTLING), Duration::from_millis(50));
        loop {
            let (store, now) = (&self.inbox.store, self.inbox.now());
            let step = || match end {
                End::Finished(end) => store.finish(lease, end, now),
                End::Released(delay) => store.release(lease, *delay, now),
                End::Unreadable => store.release(lease, UNREADABLE, now),
                End::Lost => Box::pin(ready(Ok(LeaseState::Lost))),
            };
            match self.within_time(step).await {
                Ok(LeaseState::Held) => return true,
                Ok(LeaseState::Lost) => {
                    tracing::warn!(
                        row = %lease.id,
                        "the lease of a deferred delivery ended before its attempt: another worker runs it again"
                    );
                    return false;
                }
                Err(_) if Instant::now() + wait < until => sleep(wait).await,
                Err(_) => {
                    tracing::error!(
                        row = %lease.id,
                        "the end of an attempt could not be stored: another worker runs it again"
                    );
                    return false;
                }
            }
            wait = (wait * 2).min(Duration::from_secs(2));
        }
    }
}

impl End {
    /// What follows from a failure.
    fn of(failed: &Failed, attempt: u32, later: &Later) -> Self {
        let error = failed.error.clone();
        if failed.is_permanent {
            Self::dead(DeadReason::Permanent, error)
        } else if attempt >= later.attempts {
            Self::dead(DeadReason::Attempts, error)
        } else {
            let delay = backoff::delay(later.backoff, attempt, failed.retry_after);
            Self::Finished(WorkEnd::Retry { delay, error })
        }
    }

    fn dead(reason: DeadReason, error: String) -> Self {
        Self::Finished(WorkEnd::Dead { reason, error })
    }

    /// The name of it in metrics.
    fn name(&self) -> &'static str {
        match self {
            Self::Finished(WorkEnd::Done) => "done",
            Self::Finished(WorkEnd::Retry { .. }) => "retry",
            Self::Finished(WorkEnd::Dead { reason, .. }) => reason.as_str(),
            Self::Released(_) => "released",
            Self::Unreadable => "unreadable",
            Self::Lost => "lost",
        }
    }

    /// Logs it: these lines are part of the documented log format.
    fn logged(self, work: &ClaimedWork, span: &Span, took: Duration) -> Self {
        let (duration_ms, waited_ms) = (milliseconds(took), milliseconds(work.age.saturating_sub(took)));
        span.in_scope(|| match &self {
            Self::Finished(WorkEnd::Done) => {
                tracing::info!(duration_ms, waited_ms, "deferred delivery done");
            }
            Self::Finished(WorkEnd::Retry { delay, error }) => {
                let retry_in_ms = milliseconds(*delay);
                tracing::warn!(duration_ms, waited_ms, retry_in_ms, error, "deferred delivery failed");
            }
            Self::Finished(WorkEnd::Dead { reason, error }) => {
                let reason = reason.as_str();
                tracing::error!(duration_ms, waited_ms, reason, error, "deferred delivery is dead");
            }
            Self::Released(_) => tracing::info!(duration_ms, "deferred delivery given back"),
            Self::Unreadable => {}
            Self::Lost => tracing::warn!(duration_ms, "deferred delivery stopped: its lease was lost"),
        });
        self
    }
}
