//! The worker threads: which ones are free, and which leases the others hold.

use std::{mem, time::Duration};

use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout_at},
};

use super::runner::{BEYOND_DEADLINE, End, LEASE};
use crate::{
    store::inbox::{ClaimedWork, WorkLease},
    types::{Mutex, after},
};

/// The worker threads of a process.
#[derive(Default)]
pub(super) struct Crew {
    state: Mutex<State>,
    /// A worker has become free.
    pub(super) freed: Notify,
}

#[derive(Default)]
struct State {
    /// What the free workers wait for.
    free: Vec<oneshot::Sender<Job>>,
    running: Vec<Running>,
    is_closed: bool,
}

/// A row for a worker.
pub(super) struct Job {
    pub(super) work: ClaimedWork,
    pub(super) stopped: oneshot::Receiver<End>,
}

struct Running {
    lease: WorkLease,
    /// When the lease ends, unless it is renewed.
    held_until: Instant,
    /// No renewal reaches beyond that. A handler that blocks its thread for longer runs on, and is not waited for.
    last: Instant,
    /// Stops the handler; absent where that was done.
    stop: Option<oneshot::Sender<End>>,
    /// Whether the handler is over, and how its attempt ended is being stored.
    is_over: bool,
}

impl Running {
    /// How long the lease is to be from `now` on; `None` where it has to end.
    fn renewal(&self, now: Instant) -> Option<Duration> {
        let left = self.last.saturating_duration_since(now);
        (self.stop.is_some() && !left.is_zero()).then(|| left.min(LEASE))
    }

    fn stop(&mut self, end: End) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(end);
        }
    }
}

/// The lease of a row that is about to run, for so long and a little longer.
pub(super) fn first_lease(timeout: Duration) -> Duration {
    timeout.saturating_add(BEYOND_DEADLINE).min(LEASE)
}

impl Crew {
    /// The next row for a worker; `None` where there will be none.
    pub(super) async fn next(&self) -> Option<Job> {
        let (free, job) = oneshot::channel();
        {
            let mut state = self.state.lock();
            if state.is_closed {
                return None;
            }
            state.free.push(free);
        }
        self.freed.notify_one();
        job.await.ok()
    }

    /// How many workers are free, and whether nothing runs whose lease may be held.
    pub(super) fn free(&self) -> (usize, bool) {
        let (state, now) = (self.state.lock(), Instant::now());
        (state.free.len(), state.running.iter().all(|running| running.last <= now))
    }

    /// Gives a row to a free worker, whose lease was renewed from `from` on. Without one it ends by itself.
    pub(super) fn run(&self, work: ClaimedWork, timeout: Duration, from: Instant) {
        let (stop, stopped) = oneshot::channel();
        let mut state = self.state.lock();
        let Some(free) = state.free.pop() else { return };
        let running = Running {
            lease: work.lease,
            held_until: from + first_lease(timeout),
            last: after(timeout.saturating_add(BEYOND_DEADLINE)),
            stop: Some(stop),
            is_over: false,
        };
        if free.send(Job { work, stopped }).is_ok() {
            state.running.push(running);
        }
    }

    /// The handler of a row is over.
    pub(super) fn over(&self, lease: &WorkLease) {
        let mut state = self.state.lock();
        if let Some(over) = state.running.iter_mut().find(|running| running.lease == *lease) {
            over.is_over = true;
        }
    }

    /// The attempt at a row has ended.
    pub(super) fn ended(&self, lease: &WorkLease) {
        self.state.lock().running.retain(|running| running.lease != *lease);
    }

    /// The leases to renew, with their new lengths. Those that have to end are lost.
    pub(super) fn renewals(&self) -> Vec<(WorkLease, Duration)> {
        let now = Instant::now();
        let mut state = self.state.lock();
        let leases = state.running.iter_mut().filter_map(|running| {
            let renewal = running.renewal(now);
            if renewal.is_none() {
                running.stop(End::Lost);
            }
            renewal.map(|length| (running.lease, length))
        });
        leases.collect()
    }

    /// A lease was renewed from `from` on.
    pub(super) fn renewed(&self, lease: &WorkLease, from: Instant, length: Duration) {
        let mut state = self.state.lock();
        if let Some(running) = state.running.iter_mut().find(|running| running.lease == *lease) {
            running.held_until = from + length;
        }
    }

    /// Stops the handler whose lease was lost. Returns whether it ran: a lease also ends where an attempt was stored just now.
    pub(super) fn lost(&self, lease: &WorkLease) -> bool {
        let mut state = self.state.lock();
        let running = state.running.iter_mut().find(|running| running.lease == *lease);
        running.is_some_and(|running| {
            let ran = running.stop.is_some() && !running.is_over;
            running.stop(End::Lost);
            ran
        })
    }

    /// The leases that are not held any more, as far as is known here.
    pub(super) fn expired(&self) -> Vec<WorkLease> {
        let now = Instant::now();
        let state = self.state.lock();
        state
            .running
            .iter()
            .filter(|running| running.held_until <= now)
            .map(|running| running.lease)
            .collect()
    }

    /// Stops all handlers: their rows are given back.
    pub(super) fn stop(&self) {
        self.state.lock().running.iter_mut().for_each(|running| running.stop(End::Released(Duration::ZERO)));
    }

    /// The leases of the handlers that run.
    pub(super) fn leases(&self) -> Vec<WorkLease> {
        let state = self.state.lock();
        state.running.iter().filter(|running| !running.is_over).map(|running| running.lease).collect()
    }

    /// Waits until nothing runs whose lease may be held.
    pub(super) async fn idle(&self) {
        loop {
            let freed = self.freed.notified();
            let last = self.state.lock().running.iter().map(|running| running.last).max();
            let Some(last) = last.filter(|last| *last > Instant::now()) else { return };
            let _ = timeout_at(last, freed).await;
        }
    }

    /// Ends the workers when their rows have ended.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        drop(mem::take(&mut state.free));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        DedupeKey, LeaseToken,
        inbox::{HandlerName, RowId},
    };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn work(id: i64) -> ClaimedWork {
        ClaimedWork {
            lease: WorkLease { id: RowId(id), token: LeaseToken::unique() },
            key: DedupeKey::new("e", "id:1"),
            handler: HandlerName::new("issue.created", "v1"),
            organisation: String::new(),
            lane: None,
            attempt: 1,
            crashes: 0,
            age: Duration::ZERO,
            content: bytes::Bytes::new(),
        }
    }

    /// A worker that takes a row, and blocks its thread.
    async fn block(crew: &Crew, timeout: Duration) -> (Job, WorkLease) {
        let work = work(1 + i64::try_from(crew.leases().len()).unwrap());
        let lease = work.lease;
        let (job, ()) = tokio::join!(crew.next(), async { crew.run(work, timeout, Instant::now()) });
        (job.expect("the crew works"), lease)
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_blocks_its_thread_is_not_waited_for() {
        let crew = Crew::default();
        let (_blocked, lease) = block(&crew, seconds(10)).await;
        assert_eq!(crew.free(), (0, false));
        let from = Instant::now();
        crew.idle().await;
        assert_eq!(from.elapsed(), seconds(10) + BEYOND_DEADLINE, "no lease is held for longer");
        assert_eq!(crew.free(), (0, true));
        assert!(crew.lost(&lease), "it is stopped, if it ever can be");
        crew.ended(&lease);
        crew.idle().await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_is_waited_for_no_longer() {
        let crew = Crew::default();
        let (_job, lease) = block(&crew, seconds(600)).await;
        let from = Instant::now();
        let ending = async {
            tokio::time::sleep(seconds(3)).await;
            crew.ended(&lease);
            crew.freed.notify_one();
        };
        tokio::join!(crew.idle(), ending);
        assert_eq!(from.elapsed(), seconds(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_ends_with_its_handler_is_not_lost() {
        let crew = Crew::default();
        let (_first, ran) = block(&crew, seconds(10)).await;
        let (_second, over) = block(&crew, seconds(10)).await;
        crew.over(&over);
        assert_eq!(crew.leases(), [ran], "what is being stored is not given back");
        assert_eq!(crew.renewals().len(), 2, "it is renewed until it is stored");
        assert_eq!((crew.lost(&ran), crew.lost(&over)), (true, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_counts_from_before_its_renewal() {
        let crew = Crew::default();
        let from = Instant::now();
        let (_job, ()) = tokio::join!(crew.next(), async {
            tokio::time::sleep(seconds(3)).await;
            crew.run(work(1), seconds(600), from);
        });
        tokio::time::sleep_until(from + LEASE).await;
        assert_eq!(crew.expired().len(), 1);
    }
}
