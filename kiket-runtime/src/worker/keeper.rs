//! The keeper: claims rows for the workers, renews their leases, and looks after the inbox, on a thread of its own.

use std::{sync::Arc, time::Duration};

use futures_util::future::{join, join_all};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};

use super::{
    crew::{Crew, first_lease},
    runner::Runner,
};
use crate::{
    pipeline::ConcurrencyLimit,
    store::{
        LeaseState,
        inbox::{ClaimedWork, WorkLease},
    },
    types::caught_to_end,
};

/// How often rows are claimed that nothing announced, at least: with jitter, so that processes do not do it together.
const POLL: (u64, u64) = (1000, 1100);
/// How often expired leases are ended, and rows removed whose retention is over.
const SWEEP: (u64, u64) = (1200, 1400);
/// How often leases are renewed.
const RENEWAL: Duration = Duration::from_secs(10);
/// How often workers that are never idle ask whether a row is due that runs alone.
const ASKING: Duration = Duration::from_secs(10);
/// How long they rest for it at most, and how many times as long they go on working then, if that was in vain.
const REST: Duration = Duration::from_secs(60);
const WORK_FOR_REST: u32 = 10;
/// How often leases are looked at that could not be renewed.
const LOOK: Duration = Duration::from_secs(1);
/// How often workers of other processes are woken, at most.
const NOTIFICATION: Duration = Duration::from_millis(50);
/// How long handlers may take to stop, and rows to be given back, at the end of the grace period.
const STOPPING: Duration = Duration::from_secs(1);

/// Keeps the workers busy.
pub(super) struct Keeper {
    pub(super) runner: Arc<Runner>,
    pub(super) crew: Arc<Crew>,
    /// Whether there are workers here.
    pub(super) has_workers: bool,
    /// Wakes workers of other processes.
    pub(super) others: Notify,
}

impl Keeper {
    /// Runs until the drain, and then until no handler runs; at the latest until `cut_off` says so or is gone.
    pub(super) async fn run(&self, mut cut_off: watch::Receiver<bool>) {
        let working = async {
            let _ = self.runner.within_time(|| self.runner.inbox.store.check()).await; // its error is in the log
            if self.has_workers {
                self.runner.insert_slots().await; // what was missed is decided before it runs
            }
            self.claims().await;
            self.crew.idle().await;
        };
        let is_cut_off = async {
            let _ = cut_off.wait_for(|cut_off| *cut_off).await;
        };
        tokio::select! {
            biased;
            () = is_cut_off => self.give_back().await,
            () = working => {}
            () = self.renewals() => {}
            () = self.expiries() => {}
            () = self.sweeps() => {}
            () = self.notifications() => {}
        }
        self.crew.close();
    }

    fn concurrency(&self) -> &ConcurrencyLimit {
        &self.runner.pipeline.concurrency
    }

    /// Claims rows until the drain.
    async fn claims(&self) {
        let (mut last, mut asks_at) = (String::new(), Instant::now() + ASKING);
        while self.has_free_worker().await {
            let (free, is_idle) = self.crew.free();
            let (inbox, request) = (&self.runner.inbox, self.runner.request(free, is_idle, &last));
            let from = Instant::now();
            if is_idle {
                asks_at = from + ASKING;
            } else if asks_at <= from {
                let asking = || inbox.store.waits_alone(&request, inbox.now());
                let waits = self.runner.within_time(asking).await.unwrap_or_default();
                if waits && timeout(REST, self.crew.idle()).await.is_ok() {
                    asks_at = Instant::now() + ASKING;
                    continue;
                }
                asks_at = Instant::now() + ASKING + from.elapsed() * WORK_FOR_REST;
            }
            let claimed = self.runner.within_time(|| inbox.store.claim(&request, inbox.now())).await;
            let claimed = claimed.unwrap_or_default();
            let (has_more, runs_alone) = (claimed.len() >= free, claimed.iter().any(ClaimedWork::runs_alone));
            if let Some(work) = claimed.last() {
                last.clone_from(&work.organisation);
            }
            self.start(claimed).await;
            if runs_alone {
                self.crew.idle().await;
            } else if !has_more {
                self.announced().await;
            }
        }
    }

    /// Waits for a free worker. `false` at the drain.
    async fn has_free_worker(&self) -> bool {
        let inbox = &self.runner.inbox;
        while !self.concurrency().is_draining() {
            if self.crew.free().0 > 0 {
                return true;
            }
            tokio::select! {
                () = self.concurrency().begun() => {}
                () = self.crew.freed.notified() => {}
                () = inbox.woken.notified() => self.others.notify_one(),
            }
        }
        false
    }

    /// Waits until there may be rows to claim.
    async fn announced(&self) {
        let inbox = &self.runner.inbox;
        let by_others = async {
            let notified = caught_to_end(async { inbox.store.notified(&inbox.space).await });
            if !matches!(notified.await, Ok(Ok(()))) {
                std::future::pending::<()>().await; // polling finds them
            }
        };
        tokio::select! {
            () = self.concurrency().begun() => {}
            () = self.crew.freed.notified() => {}
            () = inbox.woken.notified() => {}
            () = by_others => {}
            () = sleep(between(POLL)) => {}
        }
    }

    /// Gives claimed rows to the workers. A lease is renewed just before, which says that the handler starts.
    async fn start(&self, claimed: Vec<ClaimedWork>) {
        if claimed.is_empty() {
            return;
        }
        let leases: Vec<_> = claimed.iter().map(|work| work.lease).collect();
        if self.concurrency().is_draining() {
            return self.release(leases).await;
        }
        let length = |work: &ClaimedWork| (work.lease, first_lease(self.runner.timeout(work)));
        let renewals: Vec<_> = claimed.iter().map(length).collect();
        let (inbox, from) = (&self.runner.inbox, Instant::now());
        match self.runner.within_time(|| inbox.store.renew(&renewals, inbox.now())).await {
            Ok(states) => {
                for (work, state) in claimed.into_iter().zip(states) {
                    if state == LeaseState::Held {
                        let timeout = self.runner.timeout(&work);
                        self.crew.run(work, timeout, from);
                    }
                }
            }
            Err(_) => self.release(leases).await,
        }
    }

    async fn release(&self, leases: Vec<WorkLease>) {
        let inbox = &self.runner.inbox;
        let released = leases
            .iter()
            .map(|lease| self.runner.within_time(|| inbox.store.release(lease, Duration::ZERO, inbox.now())));
        join_all(released).await;
    }

    /// Renews the leases of what runs. A handler whose lease is lost is dropped.
    async fn renewals(&self) {
        loop {
            sleep(RENEWAL).await;
            let (from, renewals) = (Instant::now(), self.crew.renewals());
            if renewals.is_empty() {
                continue;
            }
            let inbox = &self.runner.inbox;
            let Ok(states) = self.runner.within_time(|| inbox.store.renew(&renewals, inbox.now())).await
            else {
                continue;
            };
            for ((lease, length), state) in renewals.into_iter().zip(states) {
                match state {
                    LeaseState::Held => self.crew.renewed(&lease, from, length),
                    LeaseState::Lost => self.lost(&lease),
                }
            }
        }
    }

    /// Drops handlers whose leases could not be renewed in time: others may run their rows.
    async fn expiries(&self) {
        loop {
            sleep(LOOK).await;
            self.crew.expired().iter().for_each(|lease| self.lost(lease));
        }
    }

    fn lost(&self, lease: &WorkLease) {
        if self.crew.lost(lease) {
            self.runner.inbox.counts.renewals_lost.add();
        }
    }

    /// Looks after the rows of all processes.
    async fn sweeps(&self) {
        if !self.has_workers {
            return std::future::pending().await;
        }
        loop {
            self.runner.sweep(&self.crew.freed).await;
            sleep(between(SWEEP)).await;
        }
    }

    /// Wakes workers of other processes.
    async fn notifications(&self) {
        loop {
            self.others.notified().await;
            let inbox = &self.runner.inbox;
            let _ = self.runner.within_time(|| inbox.store.notify(&inbox.space)).await;
            sleep(NOTIFICATION).await;
        }
    }

    /// Stops what runs, and gives its rows back.
    async fn give_back(&self) {
        self.crew.stop();
        let _ = timeout(STOPPING, self.crew.idle()).await;
        // Of handlers that block their threads. How others ended is being stored.
        let given_back = join(self.release(self.crew.leases()), self.crew.idle());
        let _ = timeout(STOPPING, given_back).await;
    }
}

/// A time between these milliseconds.
fn between((from, to): (u64, u64)) -> Duration {
    Duration::from_millis(fastrand::u64(from..=to))
}
