//! The workers of the inbox: threads that run the handlers of deliveries that were accepted before.

mod backoff;
mod crew;
mod keeper;
mod runner;
mod schedules;

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::sync::{Notify, watch};

pub(crate) use self::runner::{Runner, UNREADABLE};
use self::{crew::Crew, keeper::Keeper};
use crate::{
    delivery::Tasks,
    pipeline::{Pipeline, Watch},
    types::{Mutex, caught_to_end},
};

/// How many handlers run at the same time, each on a thread of its own.
pub(crate) const WORKERS: usize = 8;

/// How long the keeper rests that panicked.
const AGAIN: Duration = Duration::from_secs(1);

/// How long rows may take to be given back at the end of the grace period.
const GIVING_BACK: Duration = Duration::from_secs(3);

/// The workers of an extension. Dropping them ends them.
pub(crate) struct Workers {
    runner: Arc<Runner>,
    count: AtomicUsize,
    is_started: Mutex<bool>,
    cut_off: watch::Sender<bool>,
    /// The keeper.
    keeping: Tasks,
}

impl Workers {
    /// `count` workers, which have not started; `None` where no handler runs later. Without a worker, rows of this process are for
    /// others.
    pub(crate) fn new(pipeline: &Arc<Pipeline>, count: usize) -> Option<Self> {
        let runner = Arc::new(Runner::new(pipeline)?);
        let cut_off = watch::Sender::new(false);
        Some(Self {
            runner,
            count: count.into(),
            is_started: Mutex::default(),
            cut_off,
            keeping: Tasks::default(),
        })
    }

    /// What runs rows.
    pub(crate) fn runner(&self) -> &Runner {
        &self.runner
    }

    /// Makes sure that there is one, before the start.
    pub(crate) fn require(&self) {
        let _ = self.count.compare_exchange(0, WORKERS, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Starts their threads, once.
    pub(crate) fn start(&self) {
        self.start_on(spawn);
    }

    /// Starts them on the runtime of the caller, for tests.
    #[cfg(feature = "internals")]
    pub(crate) fn start_here(&self) {
        self.start_on(|_, begin| drop(tokio::spawn(begin())));
    }

    fn start_on(&self, spawn: impl Fn(&str, Begin)) {
        let mut is_started = self.is_started.lock();
        if *is_started {
            return;
        }
        *is_started = true;
        let count = self.count.load(Ordering::Relaxed);
        let crew = Arc::<Crew>::default();
        let watch = Watch::new(&self.runner.pipeline.registry);
        for _ in 0..count {
            let (runner, crew, watch) = (Arc::clone(&self.runner), Arc::clone(&crew), Arc::clone(&watch));
            spawn(
                "kiket-worker",
                Box::new(move || {
                    watch.join();
                    Box::pin(work(runner, crew))
                }),
            );
        }
        let (runner, has_workers) = (Arc::clone(&self.runner), count > 0);
        let keeper = Keeper { runner, crew, has_workers, others: Notify::new() };
        let (task, cut_off) = (self.keeping.begin(), self.cut_off.subscribe());
        let keep = async move {
            while let Err(panic) = caught_to_end(keeper.run(cut_off.clone())).await {
                tracing::error!(panic, "the keeper of the inbox panicked: it begins again in a second");
                tokio::time::sleep(AGAIN).await;
            }
            drop(task);
        };
        spawn("kiket-inbox", Box::new(|| Box::pin(keep)));
    }

    /// Waits until nothing runs and nothing is claimed any more, after the drain.
    pub(crate) async fn ended(&self) {
        self.keeping.finished().await;
    }

    /// Gives back what still runs, at the end of the grace period.
    pub(crate) async fn cut_off(&self) {
        self.cut_off.send_replace(true);
        let _ = tokio::time::timeout(GIVING_BACK, self.ended()).await;
    }
}

/// Runs rows until there are no more.
async fn work(runner: Arc<Runner>, crew: Arc<Crew>) {
    while let Some(job) = crew.next().await {
        let end = runner.attempt(&job.work, job.stopped).await;
        crew.over(&job.work.lease);
        runner.settle(&job.work.lease, &end).await;
        crew.ended(&job.work.lease);
    }
    // Tasks of handlers that outlive their deliveries.
    runner.pipeline.services.tasks.finished().await;
}

/// Makes what a thread runs.
type Begin = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Runs what `begin` makes to its end, on a thread with a runtime of its own.
fn spawn(name: &str, begin: Begin) {
    let run = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            runtime.block_on(async { begin().await });
            runtime.shutdown_background();
        }
        Err(error) => failed(&error),
    };
    if let Err(error) = thread::Builder::new().name(name.to_owned()).spawn(run) {
        failed(&error);
    }
}

fn failed(error: &io::Error) {
    tracing::error!(%error, "a thread of the inbox could not be started: deferred deliveries wait");
}
