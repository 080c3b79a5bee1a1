//! The workers of the inbox: what wakes them, what their leases are for, and how they end.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use kiket::{
    Context, ExtensionBuilder, Handler, Payload,
    config::Clock,
    handler::Later,
    inbox::{ClaimRequest, HandlerName, Inbox, InboxRow, RowState, WorkEnd, WorkLease},
    testing::{MemoryInbox, TestExtension, delivery},
};
use kiket_runtime::internals::start_workers;
use serde_json::{Value, json};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};

use crate::{
    running::{Connection, Running, request, sign, until, within},
    watched_inbox::WatchedInbox,
};

const NAME: &str = "com.example.workers";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn later() -> Later {
    Later::new().attempts(5).backoff(seconds(10), seconds(10))
}

/// An extension with `handlers` on `inbox`, with one worker unless `builder` says otherwise.
fn on<I: Inbox + Clone>(inbox: &I, clock: &Clock, builder: ExtensionBuilder) -> TestExtension {
    let builder = builder.id(NAME).clock(clock.clone());
    TestExtension::new(builder.inbox(|options| options.store(inbox.clone()))).unwrap()
}

fn builder(handler: Handler) -> ExtensionBuilder {
    crate::running::builder().handler(handler).inbox(|options| options.workers(1))
}

/// Lets the clock of the extension go with the time of the test, which does not pass while anything runs.
fn ticking() -> Clock {
    let clock = Clock::fixed(crate::running::NOW);
    let ticked = clock.clone();
    tokio::spawn(async move {
        loop {
            sleep(seconds(1)).await;
            ticked.advance(seconds(1));
        }
    });
    clock
}

async fn deliver(extension: &TestExtension, id: u64) {
    let response = extension.deliver(delivery("issue.created", "v1", &json!({ "id": id }))).await;
    assert_eq!(response.status(), 202, "{response:?}");
}

/// Waits until the rows are as `are` wants them.
async fn rows_are(extension: &TestExtension, are: impl Fn(&[InboxRow]) -> bool) -> Vec<InboxRow> {
    let from = Instant::now();
    loop {
        let rows = extension.inbox().rows().await;
        if are(&rows) {
            return rows;
        }
        assert!(from.elapsed() < seconds(3600), "{rows:#?}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until `is_so`, for less than an hour of the time of the test.
async fn soon(is_so: impl Fn() -> bool) {
    let from = Instant::now();
    while !is_so() {
        assert!(from.elapsed() < seconds(3600));
        sleep(Duration::from_millis(10)).await;
    }
}

fn all_done(rows: &[InboxRow]) -> bool {
    rows.iter().all(|row| row.state == RowState::Done)
}

/// What handlers do at the same time.
#[derive(Default)]
struct Seen {
    running: AtomicUsize,
    most: AtomicUsize,
    begun: AtomicUsize,
    dropped: AtomicUsize,
}

/// A handler at work, which may be dropped.
struct AtWork(Arc<Seen>);

impl Seen {
    fn begin(self: &Arc<Self>) -> AtWork {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        AtWork(Arc::clone(self))
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// A handler that works for `time`.
fn working(seen: &Arc<Seen>, time: Duration) -> Handler {
    let seen = Arc::clone(seen);
    Handler::new("issue.created", "v1", move || {
        let at_work = seen.begin();
        async move {
            sleep(time).await;
            drop(at_work);
        }
    })
    .timeout(seconds(600))
    .later(later())
}

#[tokio::test(start_paused = true)]
async fn what_is_accepted_wakes_a_worker_at_once() {
    let (seen, clock) = (Arc::<Seen>::default(), ticking());
    let extension = on(&MemoryInbox::default(), &clock, builder(working(&seen, Duration::ZERO)));
    start_workers(extension.extension());
    sleep(Duration::from_millis(300)).await; // it polls now and then
    let from = Instant::now();
    deliver(&extension, 1).await;
    rows_are(&extension, all_done).await;
    assert!(from.elapsed() < Duration::from_millis(50), "{:?}", from.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_others_accepted_is_found_by_polling() {
    let (seen, clock, inbox) = (Arc::<Seen>::default(), ticking(), MemoryInbox::default());
    let working = on(&inbox, &clock, builder(self::working(&seen, Duration::ZERO)));
    let accepting = builder(self::working(&seen, Duration::ZERO)).inbox(|options| options.workers(0));
    let accepting = on(&inbox, &clock, accepting);
    start_workers(accepting.extension());
    deliver(&accepting, 1).await;
    sleep(seconds(60)).await;
    assert_eq!(seen.begun(), 0, "without workers it is accepted only");
    start_workers(working.extension());
    sleep(seconds(2)).await;
    assert!(all_done(&working.inbox().rows().await));
    deliver(&accepting, 2).await;
    let from = Instant::now();
    rows_are(&working, all_done).await;
    assert!(from.elapsed() < Duration::from_millis(1200), "{:?}", from.elapsed());
    assert_eq!(seen.begun(), 2);
}

/// Each is one statement in both engines, which their tests count.
#[tokio::test(start_paused = true)]
async fn an_idle_process_makes_at_most_120_operations_a_minute() {
    let (seen, inbox) = (Arc::<Seen>::default(), WatchedInbox::default());
    let builder = builder(working(&seen, Duration::ZERO)).inbox(|options| options.workers(8));
    let extension = on(&inbox, &ticking(), builder);
    start_workers(extension.extension());
    deliver(&extension, 1).await;
    rows_are(&extension, |rows| rows.iter().any(|row| row.state == RowState::Done)).await;
    sleep(seconds(5)).await;
    for minute in 0..5 {
        inbox.take_operations();
        sleep(seconds(60)).await;
        let operations = inbox.take_operations();
        assert!((60..=120).contains(&operations), "{operations} in minute {minute}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_inbox_that_panics_is_down_for_that_operation() {
    let (seen, inbox) = (Arc::<Seen>::default(), WatchedInbox::default());
    let extension = on(&inbox, &ticking(), builder(working(&seen, seconds(1))));
    start_workers(extension.extension());
    for (id, pause) in (1..11).zip([0, 100, 500, 900, 1500].into_iter().cycle()) {
        inbox.panic_once(id > 5);
        sleep(Duration::from_millis(pause)).await;
        inbox.panic_once(id > 5);
        deliver(&extension, id).await;
    }
    rows_are(&extension, all_done).await;
    assert_eq!(extension.inbox().rows().await.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn as_many_rows_run_at_once_as_there_are_workers() {
    for workers in [1, 3] {
        let (seen, clock) = (Arc::<Seen>::default(), ticking());
        let builder = builder(working(&seen, seconds(5))).inbox(|options| options.workers(workers));
        let extension = on(&MemoryInbox::default(), &clock, builder);
        start_workers(extension.extension());
        for id in 0..9 {
            deliver(&extension, id).await;
        }
        rows_are(&extension, all_done).await;
        assert_eq!(seen.most.load(Ordering::SeqCst), workers);
        assert_eq!(seen.begun(), 9);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_as_long_as_the_handler_runs() {
    let (seen, clock, inbox) = (Arc::<Seen>::default(), ticking(), MemoryInbox::default());
    let [one, other] = [(); 2].map(|()| on(&inbox, &clock, builder(working(&seen, seconds(200)))));
    deliver(&one, 1).await;
    start_workers(one.extension());
    start_workers(other.extension());
    rows_are(&one, all_done).await;
    assert_eq!(seen.begun(), 1, "no other worker took it");
    assert_eq!(one.inbox().rows().await[0].attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn no_lease_reaches_far_beyond_the_deadline() {
    let (seen, clock) = (Arc::<Seen>::default(), ticking());
    let handler = working(&seen, seconds(500)).timeout(seconds(12));
    let extension = on(&MemoryInbox::default(), &clock, builder(handler));
    deliver(&extension, 1).await;
    start_workers(extension.extension());
    let running = |rows: &[InboxRow]| rows[0].state == RowState::Running;
    let row = rows_are(&extension, running).await.remove(0);
    assert_eq!(row.at.duration_since(clock.now()).unwrap(), seconds(17));
    sleep(seconds(11)).await;
    let row = extension.inbox().rows().await.remove(0);
    let left = row.at.duration_since(clock.now()).unwrap();
    assert!(left <= seconds(7), "{left:?}");
    rows_are(&extension, |rows| rows[0].error.is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_lease_is_lost_is_dropped() {
    let (seen, clock, inbox) = (Arc::<Seen>::default(), ticking(), MemoryInbox::default());
    let extension = on(&inbox, &clock, builder(working(&seen, seconds(300))));
    deliver(&extension, 1).await;
    start_workers(extension.extension());
    soon(|| seen.begun() == 1).await;
    // As when the process is suspended, and the lease ends meanwhile.
    clock.advance(seconds(31));
    let from = Instant::now();
    soon(|| seen.dropped.load(Ordering::SeqCst) == 1).await;
    assert!(from.elapsed() <= seconds(10), "{:?}", from.elapsed());
    rows_are(&extension, all_done).await;
    assert_eq!(seen.begun(), 2, "it runs again");
}

#[tokio::test(start_paused = true)]
async fn while_the_inbox_is_down_workers_wait_for_it() {
    let (seen, clock, inbox) = (Arc::<Seen>::default(), ticking(), MemoryInbox::default());
    let extension = on(&inbox, &clock, builder(working(&seen, seconds(15))));
    start_workers(extension.extension());
    deliver(&extension, 1).await;
    soon(|| seen.begun() == 1).await;
    // It is down at a renewal and at the end of the attempt, but not for as long as the lease.
    sleep(seconds(8)).await;
    inbox.set_down(true);
    sleep(seconds(10)).await;
    inbox.set_down(false);
    rows_are(&extension, all_done).await;
    assert_eq!(seen.begun(), 1);
    // It is down for longer.
    deliver(&extension, 2).await;
    soon(|| seen.begun() == 2).await;
    inbox.set_down(true);
    let from = Instant::now();
    soon(|| seen.dropped.load(Ordering::SeqCst) == 1).await;
    assert!(from.elapsed() <= seconds(31), "its lease is over: {:?}", from.elapsed());
    sleep(seconds(69)).await;
    inbox.set_down(false);
    rows_are(&extension, all_done).await;
    assert_eq!(seen.begun(), 3, "its lease was lost");
}

/// Claims a row as another process.
async fn claim(extension: &TestExtension, clock: &Clock) -> WorkLease {
    let handlers = vec![HandlerName::new("issue.created", "v1")];
    let mut request = ClaimRequest::new(NAME, handlers, 1, seconds(30));
    request.is_idle = true;
    extension.inbox().store().claim(&request, Some(clock.now())).await.unwrap().remove(0).lease
}

/// Claims a row as a worker whose process dies once its handler has started.
async fn crash(extension: &TestExtension, clock: &Clock) {
    let (store, lease) = (extension.inbox().store(), claim(extension, clock).await);
    let _ = store.renew(&[(lease, seconds(30))], Some(clock.now())).await.unwrap();
    clock.advance(seconds(31));
    store.promote(NAME, Some(clock.now())).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_row_that_crashed_twice_runs_alone() {
    let (clock, inbox) = (ticking(), MemoryInbox::default());
    let running = Arc::<Mutex<BTreeSet<u64>>>::default();
    let beside = Arc::<Mutex<Vec<BTreeSet<u64>>>>::default();
    let (now, seen) = (Arc::clone(&running), Arc::clone(&beside));
    let handler = Handler::new("issue.created", "v1", move |payload: Payload| {
        let (now, seen, id) = (Arc::clone(&now), Arc::clone(&seen), payload["id"].as_u64().unwrap());
        async move {
            now.lock().unwrap().insert(id);
            for _ in 0..5 {
                seen.lock().unwrap().push(now.lock().unwrap().clone());
                sleep(seconds(1)).await;
            }
            now.lock().unwrap().remove(&id);
        }
    });
    let builder = builder(handler.later(later())).inbox(|options| options.workers(4));
    let extension = on(&inbox, &clock, builder);
    deliver(&extension, 99).await;
    crash(&extension, &clock).await;
    crash(&extension, &clock).await;
    for id in 0..8 {
        deliver(&extension, id).await;
    }
    start_workers(extension.extension());
    sleep(seconds(7)).await;
    for id in 10..14 {
        deliver(&extension, id).await;
    }
    rows_are(&extension, all_done).await;
    let beside = beside.lock().unwrap();
    assert!(beside.iter().any(|ids| ids.len() == 4), "others run together");
    let alone: Vec<_> = beside.iter().filter(|ids| ids.contains(&99)).collect();
    assert_eq!(alone.len(), 5);
    assert!(alone.iter().all(|ids| ids.len() == 1), "{alone:?}");
}

#[tokio::test(start_paused = true)]
async fn workers_rest_for_a_row_that_runs_alone() {
    let (clock, inbox) = (ticking(), MemoryInbox::default());
    let running = Arc::<Mutex<BTreeSet<u64>>>::default();
    let alone = Arc::<Mutex<Option<Instant>>>::default();
    let (now, seen) = (Arc::clone(&running), Arc::clone(&alone));
    let handler = Handler::new("issue.created", "v1", move |payload: Payload| {
        let (now, seen, id) = (Arc::clone(&now), Arc::clone(&seen), payload["id"].as_u64().unwrap());
        async move {
            now.lock().unwrap().insert(id);
            if id == 999 {
                assert_eq!(now.lock().unwrap().len(), 1, "nothing runs beside it");
                *seen.lock().unwrap() = Some(Instant::now());
            }
            sleep(Duration::from_millis(1000 + 37 * (id % 29))).await; // they never end together
            now.lock().unwrap().remove(&id);
        }
    });
    let builder = builder(handler.later(later())).inbox(|options| options.workers(4));
    let extension = on(&inbox, &clock, builder);
    deliver(&extension, 999).await;
    crash(&extension, &clock).await;
    crash(&extension, &clock).await;
    // It is due again when this process works, which is never idle.
    let lease = claim(&extension, &clock).await;
    let retry = WorkEnd::Retry { delay: seconds(3), error: "another time".to_owned() };
    let _ = extension.inbox().store().finish(&lease, &retry, Some(clock.now())).await.unwrap();
    for id in 0..100 {
        deliver(&extension, id).await;
    }
    let from = Instant::now();
    start_workers(extension.extension());
    rows_are(&extension, all_done).await;
    let waited = alone.lock().unwrap().expect("it ran") - from;
    assert!(seconds(3) < waited && waited < seconds(15), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn workers_rest_for_a_minute_at_most() {
    let (seen, clock, inbox) = (Arc::<Seen>::default(), ticking(), MemoryInbox::default());
    let builder = builder(working(&seen, seconds(300))).inbox(|options| options.workers(2));
    let extension = on(&inbox, &clock, builder);
    deliver(&extension, 999).await;
    crash(&extension, &clock).await;
    crash(&extension, &clock).await;
    let lease = claim(&extension, &clock).await;
    let retry = WorkEnd::Retry { delay: seconds(30), error: "another time".to_owned() };
    let _ = extension.inbox().store().finish(&lease, &retry, Some(clock.now())).await.unwrap();
    deliver(&extension, 1).await;
    start_workers(extension.extension());
    soon(|| seen.begun() == 1).await;
    // A free worker asks, and rests beside the long one, while others wait.
    sleep(seconds(60)).await;
    let from = Instant::now();
    deliver(&extension, 2).await;
    soon(|| seen.begun() == 2).await;
    assert!(from.elapsed() <= seconds(62), "{:?}", from.elapsed());
    rows_are(&extension, all_done).await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_what_runs_and_starts_nothing() {
    let (seen, clock, inbox) = (Arc::<Seen>::default(), ticking(), MemoryInbox::default());
    let extension = on(&inbox, &clock, builder(working(&seen, seconds(100))));
    start_workers(extension.extension());
    deliver(&extension, 1).await;
    deliver(&extension, 2).await;
    soon(|| seen.begun() == 1).await;
    let from = Instant::now();
    extension.extension().drain();
    extension.extension().drained().await;
    assert!((99..=100).contains(&from.elapsed().as_secs()), "{:?}", from.elapsed());
    let states: Vec<_> = extension.inbox().rows().await.iter().map(|row| row.state).collect();
    assert_eq!(states, [RowState::Done, RowState::Waiting]);
    sleep(seconds(100)).await;
    assert_eq!(seen.begun(), 1);
}

/// A server whose `later` handler runs until it is dropped, on threads of its own.
fn endless(inbox: &MemoryInbox, seen: &Arc<Seen>, grace: Duration) -> Running {
    let seen = Arc::clone(seen);
    let handler = Handler::new("issue.created", "v1", move || {
        let at_work = seen.begin();
        async move {
            std::future::pending::<()>().await;
            drop(at_work);
        }
    });
    let builder = builder(handler.later(later())).id(NAME).grace_period(grace);
    Running::start(builder.inbox(|options| options.store(inbox.clone()).without_secrets()))
}

#[tokio::test]
async fn the_end_of_the_grace_period_gives_rows_back() {
    let (seen, inbox) = (Arc::<Seen>::default(), MemoryInbox::default());
    let running = endless(&inbox, &seen, Duration::from_millis(50));
    let accepted = running.ask(&request(&sign(delivery("issue.created", "v1", &json!({ "id": 1 }))))).await;
    assert_eq!(accepted.status, 202);
    within(until(|| seen.begun() == 1)).await;
    running.stop().await; // without an error: nothing is lost
    assert_eq!(seen.dropped.load(Ordering::SeqCst), 1);
    let filter = kiket::inbox::InboxFilter::new(NAME);
    let row = kiket::inbox::Inbox::list(&inbox, &filter).await.unwrap().remove(0);
    assert_eq!((row.state, row.attempts, row.crashes), (RowState::Waiting, 0, 0), "it does not count");
}

#[tokio::test]
async fn a_blocked_worker_keeps_neither_its_row_nor_others() {
    let (seen, inbox, clock) =
        (Arc::<Seen>::default(), MemoryInbox::default(), Clock::fixed(crate::running::NOW));
    let (go_on, is_blocked) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicBool::new(false)));
    let (gate, blocked, counted) = (Arc::clone(&go_on), Arc::clone(&is_blocked), Arc::clone(&seen));
    let handler = Handler::new("issue.created", "v1", move |_: Context| {
        let (gate, blocked, at_work) = (Arc::clone(&gate), Arc::clone(&blocked), counted.begin());
        async move {
            if !blocked.swap(true, Ordering::SeqCst) {
                while gate.available_permits() == 0 {
                    std::thread::yield_now();
                }
            }
            drop(at_work);
        }
    });
    let handler = handler.timeout(seconds(20)).later(later());
    let extension = on(&inbox, &clock, builder(handler).inbox(|options| options.workers(2)));
    extension.extension().start_background(); // on threads
    deliver(&extension, 1).await;
    within(until(|| is_blocked.load(Ordering::SeqCst))).await;
    deliver(&extension, 2).await;
    let second = |rows: &[InboxRow]| rows[1].state == RowState::Done;
    within(rows_are(&extension, second)).await;
    clock.advance(seconds(26)); // its lease ends
    within(rows_are(&extension, all_done)).await;
    let row = extension.inbox().rows().await.remove(0);
    assert_eq!((row.attempts, row.crashes), (2, 1), "it ran again, on the other worker");
    go_on.add_permits(1);
    extension.extension().drain();
    within(extension.extension().drained()).await;
    assert_eq!(seen.begun(), 3);
    assert!(all_done(&extension.inbox().rows().await));
}

#[tokio::test]
async fn workers_end_with_their_extension() {
    let (seen, inbox) = (Arc::<Seen>::default(), MemoryInbox::default());
    let state = Arc::new(Value::Null);
    let builder = builder(working(&seen, seconds(100))).state(Arc::clone(&state));
    let extension = on(&inbox, &Clock::fixed(crate::running::NOW), builder);
    extension.extension().start_background();
    drop(extension);
    within(until(|| Arc::strong_count(&state) == 1)).await;
}

/// A handler that detaches a task of `time` once the drain has begun.
fn detaching(
    ended: &Arc<AtomicBool>,
    began: &Arc<Semaphore>,
    gate: &Arc<Semaphore>,
    time: Duration,
) -> Handler {
    let (ended, began, gate) = (Arc::clone(ended), Arc::clone(began), Arc::clone(gate));
    let handler = move |context: Context| {
        let (ended, began, gate) = (Arc::clone(&ended), Arc::clone(&began), Arc::clone(&gate));
        async move {
            began.add_permits(1);
            gate.acquire().await.unwrap().forget();
            let detached = context.detached();
            tokio::spawn(async move {
                sleep(time).await;
                ended.store(true, Ordering::SeqCst);
                drop(detached);
            });
        }
    };
    Handler::new("issue.created", "v1", handler).timeout(seconds(600)).later(later())
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_what_deferred_work_detaches() {
    let (ended, began, gate) = (Arc::default(), Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let handler = detaching(&ended, &began, &gate, seconds(60));
    let extension = on(&MemoryInbox::default(), &ticking(), builder(handler));
    start_workers(extension.extension());
    deliver(&extension, 1).await;
    began.acquire().await.unwrap().forget();
    extension.extension().drain();
    tokio::join!(extension.extension().drained(), async { gate.add_permits(1) });
    assert!(ended.load(Ordering::SeqCst));
}

#[tokio::test]
async fn what_deferred_work_detached_is_cut_off_with_an_error() {
    let (ended, began, gate) = (Arc::default(), Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let builder = builder(detaching(&ended, &began, &gate, seconds(3600)));
    let builder = builder.id(NAME).inbox(|inbox| inbox.store(MemoryInbox::default()).without_secrets());
    let extension = builder.grace_period(seconds(5)).build().unwrap();
    let server = extension.bind().unwrap();
    let (address, handle) = (server.addresses()[0], server.handle());
    let server = tokio::spawn(server.run());
    let body = request(&sign(delivery("issue.created", "v1", &json!({ "id": 1 }))));
    let mut connection = Connection::to(address).await;
    connection.send(&body).await;
    assert_eq!(connection.response().await.status, 202);
    within(began.acquire()).await.unwrap().forget();
    handle.stop();
    until(|| extension.is_draining()).await;
    gate.add_permits(1);
    let error = within(server).await.unwrap().expect_err("a task was cut off").to_string();
    assert!(error.contains("1 tasks") && !error.contains("deliveries were cut off"), "{error}");
}
