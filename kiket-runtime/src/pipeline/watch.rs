//! Watches the workers: a handler that blocks one is named in the log.

use std::{
    ptr,
    sync::{
        Arc, Once,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    handler::{Registry, Route},
    types::Mutex,
};

/// How long a handler may keep its worker before it is named: other deliveries of that worker wait meanwhile.
const BLOCKED: Duration = Duration::from_secs(5);
/// How often the workers are looked at.
const ROUND: Duration = Duration::from_secs(1);

thread_local! {
    static WORKER: Arc<Worker> = Arc::default();
}

/// What a thread tells about the handlers that it polls.
#[derive(Debug, Default)]
struct Worker {
    /// Counts the beginnings and the ends of polls: odd while a handler has the thread.
    polls: AtomicU64,
    /// The address of the route whose handler is polled.
    route: AtomicUsize,
}

/// Polls a handler, known to the watch.
pub(super) fn watched<T>(route: usize, poll: impl FnOnce() -> T) -> T {
    WORKER.with(|worker| {
        // Only this thread writes, and the watch may be behind.
        let begun = worker.polls.load(Ordering::Relaxed) | 1;
        worker.route.store(route, Ordering::Relaxed);
        worker.polls.store(begun, Ordering::Release);
        let polled = poll();
        worker.polls.store(begun.wrapping_add(1), Ordering::Release);
        polled
    })
}

/// What identifies a route while it exists.
pub(super) fn address(route: &Route) -> usize {
    ptr::from_ref(route).addr()
}

/// The workers of an extension.
pub(crate) struct Watch {
    /// The handlers by the addresses of their routes.
    handlers: Vec<(usize, String)>,
    workers: Mutex<Vec<Watched>>,
    all_blocked: AtomicBool,
    started: Once,
}

struct Watched {
    worker: Arc<Worker>,
    /// The polls that it had counted when they last changed, and when that was seen.
    polls: u64,
    since: Instant,
    blocked: bool,
}

impl Watch {
    pub(crate) fn new(registry: &Registry) -> Arc<Self> {
        let routes = registry.with_schedules().into_iter();
        let handlers = routes.map(|route| (address(route), route.handler.function.to_string()));
        Arc::new(Self {
            handlers: handlers.collect(),
            workers: Mutex::default(),
            all_blocked: AtomicBool::new(false),
            started: Once::new(),
        })
    }

    /// Watches this thread, too.
    pub(crate) fn join(self: &Arc<Self>) {
        self.add(WORKER.with(Arc::clone));
        self.started.call_once(|| {
            let watch = Arc::downgrade(self);
            let watching = move || {
                while let Some(watch) = watch.upgrade() {
                    watch.report(Instant::now());
                    drop(watch);
                    thread::sleep(ROUND);
                }
            };
            if let Err(error) = thread::Builder::new().name("kiket-watch".to_owned()).spawn(watching) {
                tracing::warn!(%error, "handlers that block their workers will not be named");
            }
        });
    }

    /// Whether each worker has been blocked for so long that it is named.
    pub(crate) fn all_blocked(&self) -> bool {
        self.all_blocked.load(Ordering::Relaxed)
    }

    fn add(&self, worker: Arc<Worker>) {
        let mut workers = self.workers.lock();
        if !workers.iter().any(|watched| Arc::ptr_eq(&watched.worker, &worker)) {
            workers.push(Watched { worker, polls: 0, since: Instant::now(), blocked: false });
        }
    }

    fn report(&self, now: Instant) {
        for handler in self.look(now) {
            let all = self.all_blocked().then_some(true);
            tracing::error!(
                handler,
                all_workers = all,
                "the handler has blocked its worker for 5 s, and other deliveries wait: move blocking work into \
                 `tokio::task::spawn_blocking`"
            );
        }
    }

    /// The handlers that have blocked their workers for too long since the last look.
    fn look(&self, now: Instant) -> Vec<&str> {
        let mut workers = self.workers.lock();
        workers.retain(|watched| Arc::strong_count(&watched.worker) > 1); // the others have ended
        let mut found = Vec::new();
        for Watched { worker, polls, since, blocked } in &mut *workers {
            let counted = worker.polls.load(Ordering::Acquire);
            if counted != *polls {
                (*polls, *since, *blocked) = (counted, now, false);
            } else if counted % 2 == 1 && !*blocked && now.saturating_duration_since(*since) >= BLOCKED {
                *blocked = true;
                let route = worker.route.load(Ordering::Relaxed);
                let handler = self.handlers.iter().find(|(address, _)| *address == route);
                // Another extension of this process names its own.
                found.extend(handler.map(|(_, handler)| handler.as_str()));
            }
        }
        let all_blocked = !workers.is_empty() && workers.iter().all(|watched| watched.blocked);
        self.all_blocked.store(all_blocked, Ordering::Relaxed);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::Handler;

    fn watch() -> (Registry, Arc<Watch>) {
        let handlers = ["a", "b"].map(|event| Handler::new(event, "v1", async || ()));
        let registry = Registry::new(handlers, &[], |_| Duration::ZERO);
        let registry = registry.unwrap_or_else(|_| panic!("they are different"));
        let watch = Watch::new(&registry);
        (registry, watch)
    }

    fn at(seconds: u64) -> Instant {
        static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        *START + Duration::from_secs(seconds)
    }

    #[test]
    fn a_blocked_worker_is_named_once_until_it_comes_back() {
        let (registry, watch) = watch();
        let route = address(registry.routes()[1]);
        watch.add(WORKER.with(Arc::clone));
        assert!(watch.look(at(0)).is_empty());
        watched(route, || {
            for seconds in 1..6 {
                assert!(watch.look(at(seconds)).is_empty(), "{seconds}");
                assert!(!watch.all_blocked());
            }
            assert_eq!(watch.look(at(6)), [&*registry.routes()[1].handler.function]);
            assert!(watch.all_blocked());
            assert!(watch.look(at(60)).is_empty());
        });
        assert!(watch.look(at(61)).is_empty());
        assert!(!watch.all_blocked());
        // Many short polls are none that is long.
        for seconds in 62..80 {
            watched(route, || assert!(watch.look(at(seconds)).is_empty()));
        }
        assert!(watch.look(at(99)).is_empty(), "a worker without work is not blocked");
    }

    #[test]
    fn not_all_are_blocked_while_one_worker_is_not() {
        let (registry, watch) = watch();
        watch.add(WORKER.with(Arc::clone));
        let other = Arc::<Worker>::default();
        watch.add(Arc::clone(&other));
        watched(address(registry.routes()[0]), || {
            watch.look(at(0));
            assert_eq!(watch.look(at(9)).len(), 1);
            assert!(!watch.all_blocked());
            drop(other); // its thread has ended
            watch.look(at(10));
            assert!(watch.all_blocked());
        });
    }

    #[cfg(feature = "inbox")]
    #[test]
    fn a_schedule_that_blocks_its_worker_is_named() {
        use crate::types::{
            EventName, EventVersion,
            schedule::{ScheduleTimes, schedule_grammar},
        };

        let mut handler = Handler::new("any", "v1", async || ()).later(crate::handler::Later::new());
        let (event, version) = (EventName::of_schedule("schedule:a"), EventVersion::from_static("v1"));
        handler.key = Some(crate::delivery::HandlerKey { event, version });
        handler.schedule = Some(ScheduleTimes::new(schedule_grammar::pattern("0 7 * * *"), "UTC", false));
        let registry = Registry::new([handler], &[], |_| Duration::ZERO);
        let registry = registry.unwrap_or_else(|_| panic!("it is a schedule"));
        let watch = Watch::new(&registry);
        watch.add(WORKER.with(Arc::clone));
        let route = &registry.schedules()[0].route;
        watched(address(route), || {
            watch.look(at(0));
            assert_eq!(watch.look(at(9)), [&*route.handler.function]);
        });
    }

    #[test]
    fn the_handler_of_another_extension_is_not_named() {
        let ((_registry, watch), (other, _)) = (self::watch(), self::watch());
        watch.add(WORKER.with(Arc::clone));
        watched(address(other.routes()[0]), || {
            watch.look(at(0));
            assert!(watch.look(at(9)).is_empty());
            assert!(watch.all_blocked(), "and yet it is blocked");
        });
    }
}
