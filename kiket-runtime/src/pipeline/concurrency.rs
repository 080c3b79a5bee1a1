//! The concurrency limit: how many deliveries are in flight, and load shedding above that.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::Notify;

use super::arrivals::Arrivals;
use crate::{delivery::Tasks, error::Rejection};

/// Counts deliveries, those whose body is arriving apart from those that run.
///
/// Both have a limit, so that neither many slow senders nor many slow handlers take all memory, and slow senders, which are
/// not authenticated yet, do not take the permits of deliveries that are.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimit {
    /// Counted for the drain; those that wait have their limit in `arrivals`.
    arriving: Permits,
    pub(crate) arrivals: Arrivals,
    running: Permits,
    /// The requests of the extension's own routes.
    own: Permits,
    tasks: Tasks,
    draining: AtomicBool,
    begun: Notify,
    returned: Notify,
}

#[derive(Debug)]
struct Permits {
    taken: AtomicUsize,
    limit: usize,
}

impl Permits {
    fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }
}

/// How many bodies may wait at once, for each delivery that may run.
const ARRIVING_PER_RUNNING: usize = 4;

impl ConcurrencyLimit {
    /// At most `limit` deliveries run, and the bodies of others have at most `body_budget` bytes. `tasks` are those that a
    /// drain waits for, too.
    pub(crate) fn new(limit: usize, body_budget: usize, tasks: Tasks) -> Arc<Self> {
        let permits = |limit| Permits { taken: AtomicUsize::new(0), limit };
        Arc::new(Self {
            arriving: permits(usize::MAX),
            arrivals: Arrivals::new(limit.saturating_mul(ARRIVING_PER_RUNNING), body_budget),
            running: permits(limit),
            own: permits(limit),
            tasks,
            draining: AtomicBool::new(false),
            begun: Notify::new(),
            returned: Notify::new(),
        })
    }

    /// A permit for a request whose body is arriving, or 503 during a drain.
    pub(crate) fn try_arrive(self: &Arc<Self>) -> Result<Permit, Rejection> {
        self.take(|limit| &limit.arriving)
    }

    /// A permit for a delivery to run, or 503.
    pub(crate) fn try_acquire(self: &Arc<Self>) -> Result<Permit, Rejection> {
        self.take(|limit| &limit.running)
    }

    /// A permit for a request of a route of the extension's own, or 503: as many as deliveries, beside them.
    pub(crate) fn try_acquire_own(self: &Arc<Self>) -> Result<Permit, Rejection> {
        self.take(|limit| &limit.own)
    }

    fn take(self: &Arc<Self>, permits: fn(&Self) -> &Permits) -> Result<Permit, Rejection> {
        let Permits { taken, limit } = permits(self);
        // The permit is counted before `draining` is read, because `drained` counts permits after `drain` set it.
        let permit = Permit { limit: Arc::clone(self), permits };
        let before = taken.fetch_add(1, Ordering::SeqCst);
        if self.is_draining() {
            return Err(Rejection::DRAINING);
        }
        if before >= *limit { Err(Rejection::OVERLOADED) } else { Ok(permit) }
    }

    /// Why a delivery that arrived now would be shed, if it would.
    pub(crate) fn sheds(&self) -> Option<Rejection> {
        if self.is_draining() {
            return Some(Rejection::DRAINING);
        }
        (self.in_flight() >= self.running.limit).then_some(Rejection::OVERLOADED)
    }

    /// How many deliveries run.
    pub(crate) fn in_flight(&self) -> usize {
        self.running.taken()
    }

    /// How many may run at the same time.
    pub(crate) fn limit(&self) -> usize {
        self.running.limit
    }

    /// Grants no more permits from now on.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        self.begun.notify_waiters();
    }

    /// Waits until the drain begins.
    pub(crate) async fn begun(&self) {
        let begun = self.begun.notified();
        if !self.is_draining() {
            begun.await;
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Waits until all permits are returned, and all tasks are finished. Deferred deliveries, which have no permit, may begin
    /// others.
    pub(crate) async fn drained(&self) {
        loop {
            let returned = self.returned.notified();
            if self.is_returned() {
                return self.tasks.finished().await;
            }
            returned.await;
        }
    }

    /// Whether all permits are returned, and all tasks are finished.
    pub(crate) fn is_drained(&self) -> bool {
        self.is_returned() && self.tasks.count() == 0
    }

    fn is_returned(&self) -> bool {
        [&self.running, &self.arriving, &self.own].map(Permits::taken) == [0; 3]
    }

    /// What runs, as a sentence about what is cut off.
    pub(crate) fn unfinished(&self) -> String {
        let (in_flight, own, tasks) = (self.in_flight(), self.own.taken(), self.tasks.count());
        let deliveries = format!("deliveries were cut off: {in_flight}; Kiket sends them again");
        let others = format!("cut off: {own} requests of own routes, {tasks} tasks");
        match (in_flight, own + tasks) {
            (_, 0) => deliveries,
            (0, _) => others,
            _ => format!("{deliveries}; {others}"),
        }
    }
}

/// The right to be in flight, returned on drop.
#[derive(Debug)]
pub(crate) struct Permit {
    limit: Arc<ConcurrencyLimit>,
    permits: fn(&ConcurrencyLimit) -> &Permits,
}

impl Drop for Permit {
    fn drop(&mut self) {
        (self.permits)(&self.limit).taken.fetch_sub(1, Ordering::SeqCst);
        if self.limit.is_draining() {
            self.limit.returned.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_are_in_flight() {
        let limit = ConcurrencyLimit::new(2, 0, Tasks::default());
        let first = limit.try_acquire().unwrap();
        let _second = limit.try_acquire().unwrap();
        assert_eq!(limit.try_acquire().unwrap_err().code, Some("overloaded"));
        assert_eq!(limit.sheds().and_then(|rejection| rejection.code), Some("overloaded"));
        assert_eq!(limit.in_flight(), 2);
        drop(first);
        assert!(limit.sheds().is_none());
        assert!(limit.try_acquire().is_ok());
    }

    #[tokio::test]
    async fn draining_sheds_all_and_ends_with_the_last_permit() {
        let limit = ConcurrencyLimit::new(8, 0, Tasks::default());
        let (running, arriving) = (limit.try_acquire().unwrap(), limit.try_arrive().unwrap());
        limit.drain();
        assert_eq!(limit.try_acquire().unwrap_err().code, Some("draining"));
        assert_eq!(limit.try_arrive().unwrap_err().code, Some("draining"));
        let mut drained = Box::pin(limit.drained());
        assert!(futures_poll(&mut drained).is_pending());
        drop(running);
        assert!(futures_poll(&mut drained).is_pending());
        drop(arriving);
        drained.await;
    }

    fn futures_poll<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::Pin::new(future).poll(&mut context)
    }
}
