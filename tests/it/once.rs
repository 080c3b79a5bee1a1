//! A redelivery waits, gets the stored reply, or runs (wire contract, response-running, response-replayed).

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kiket::{
    Decision, Delivery, Extension, ExtensionBuilder, HandlerError, Reply,
    dedupe::{
        BeginOutcome, DedupeKey, DedupeStore, LeaseState, LeaseToken, MemoryStore, StoreError, StoreFuture,
        StoredReply,
    },
    error::Advice,
    http::StatusCode,
    middleware::Next,
    testing::{TestExtension, TestResponse, delivery},
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    responses::annotated,
    running::{Logged, Running},
};

fn builder() -> ExtensionBuilder {
    Extension::builder().without_collected().without_manifest().id("com.example.once")
}

/// An extension whose handler counts its runs, and replies with what `reply` makes of the count.
fn counting<F>(options: ExtensionBuilder, response: F) -> (TestExtension, Arc<AtomicUsize>)
where
    F: Fn(usize) -> kiket::Result<Reply> + Clone + Send + Sync + 'static,
{
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let builder = options.on("issue.created", "v1", move || {
        let (run, response) = (counted.fetch_add(1, Ordering::SeqCst) + 1, response.clone());
        async move { response(run) }
    });
    (TestExtension::new(builder).unwrap(), runs)
}

async fn deliver(extension: &TestExtension, payload: &Value) -> TestResponse {
    extension.deliver(delivery("issue.created", "v1", payload)).await
}

fn is_replayed(response: &TestResponse) -> bool {
    response.headers().get("x-kiket-replayed") == Some("true")
}

#[tokio::test]
async fn a_redelivery_gets_the_stored_reply_and_does_not_run_again() {
    let (extension, runs) = counting(builder(), |run| Ok(Reply::json(json!({ "run": run }))));
    let first = deliver(&extension, &json!({ "id": "d-1" })).await;
    assert!(!is_replayed(&first));
    // Another attempt is signed at another time, and may have other headers and another order of fields.
    extension.clock().advance(Duration::from_secs(30));
    let again = delivery("issue.created", "1.0", &json!({ "attempt": 2, "id": "d-1" }))
        .header("X-Kiket-Delivery", "x");
    let again = extension.deliver(again).await;
    assert_eq!((again.status(), again.json()), (200, json!({ "run": 1 })));
    assert!(is_replayed(&again));
    assert_eq!(again.headers().get("content-type"), Some("application/json"));
    let other = deliver(&extension, &json!({ "id": "d-2" })).await;
    assert_eq!((other.json(), is_replayed(&other)), (json!({ "run": 2 }), false));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_delivery_to_the_handler_of_another_version_runs_too() {
    let builder = builder().on("issue.created", "v1", async || Reply::json("first shape")).on(
        "issue.created",
        "v2",
        async || Reply::json("second shape"),
    );
    let extension = TestExtension::new(builder).unwrap();
    for (version, shape, replayed) in
        [("v1", "first", false), ("v2", "second", false), ("1.0", "first", true), ("2", "second", true)]
    {
        let response = extension.deliver(delivery("issue.created", version, &json!({ "id": "d-1" }))).await;
        assert_eq!((response.json(), is_replayed(&response)), (json!(format!("{shape} shape")), replayed));
    }
}

#[tokio::test]
async fn ids_come_from_the_signed_body_and_never_from_a_header() {
    let (extension, runs) = counting(builder(), |_| Ok(Reply::ok()));
    for (payload, header, expected) in [
        (json!({ "id": 7 }), "a", 1),
        (json!({ "id": "7" }), "b", 1),
        (json!({ "delivery_id": "7" }), "c", 1),
        (json!({ "id": 8, "delivery_id": 7 }), "a", 2),
        (json!({ "no": "id" }), "a", 3),
        (json!({ "no": "id" }), "b", 3),
        (json!({ "no": "id either" }), "b", 4),
    ] {
        let delivery = delivery("issue.created", "v1", &payload).header("X-Kiket-Delivery", header);
        assert_eq!(extension.deliver(delivery).await.status(), 200);
        assert_eq!(runs.load(Ordering::SeqCst), expected, "{payload}");
    }
    extension.clock().advance(Duration::from_secs(1));
    deliver(&extension, &json!({ "no": "id" })).await;
    assert_eq!(
        runs.load(Ordering::SeqCst),
        5,
        "without an id the time of the signature tells deliveries apart"
    );
}

#[tokio::test]
async fn a_retryable_failure_runs_again_and_a_permanent_one_is_stored() {
    #[track_caller]
    fn check(
        fails: impl Fn() -> HandlerError + Clone + Send + Sync + 'static,
    ) -> impl Future<Output = (u16, bool, usize)> {
        let (extension, runs) = counting(builder(), move |_| Err(fails()));
        async move {
            deliver(&extension, &json!({ "id": 1 })).await;
            let again = deliver(&extension, &json!({ "id": 1 })).await;
            (again.status(), is_replayed(&again), runs.load(Ordering::SeqCst))
        }
    }
    assert_eq!(check(|| HandlerError::retry("no")).await, (500, false, 2));
    assert_eq!(check(|| std::io::Error::other("no").into()).await, (500, false, 2));
    assert_eq!(check(|| HandlerError::retry_after(Duration::from_secs(9), "no")).await, (503, false, 2));
    assert_eq!(check(|| HandlerError::reject(StatusCode::TOO_MANY_REQUESTS, "no")).await, (429, false, 2));
    assert_eq!(check(|| HandlerError::permanent("no")).await, (422, true, 1));
    assert_eq!(check(|| HandlerError::reject(StatusCode::CONFLICT, "no")).await, (409, true, 1));
    assert_eq!(check(|| panic!("no")).await, (500, false, 2));
}

#[tokio::test]
async fn an_undecodable_payload_may_run_later_unless_it_is_given_up() {
    async fn statuses(builder: ExtensionBuilder) -> Vec<(u16, bool)> {
        let builder = builder.on("issue.created", "v1", async |_: kiket::Payload<Vec<u8>>| ());
        let extension = TestExtension::new(builder).unwrap();
        let (first, again) =
            (deliver(&extension, &json!({ "id": 1 })).await, deliver(&extension, &json!({ "id": 1 })).await);
        [first, again].iter().map(|response| (response.status(), is_replayed(response))).collect()
    }
    assert_eq!(statuses(builder()).await, [(500, false), (500, false)]);
    assert_eq!(statuses(builder().give_up_undecodable(true)).await, [(422, false), (422, true)]);
}

#[tokio::test]
async fn a_delivery_that_still_runs_is_503_with_a_time_to_come_back() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let builder = builder().on("issue.created", "v1", move || {
        let held = Arc::clone(&held);
        async move { held.acquire().await.map(drop) }
    });
    let extension = Arc::new(TestExtension::new(builder).unwrap());
    let payload = json!({ "id": "d-1" });
    let mut first = Box::pin(deliver(&extension, &payload));
    assert!(futures_poll(&mut first).await, "it waits");
    let again = deliver(&extension, &payload).await;
    assert_eq!((again.status(), &again.json()["code"]), (503, &json!("still_running")));
    assert_eq!(again.json()["delivery_id"], "d-1");
    let seconds: u64 = again.headers().get("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
    gate.add_permits(1);
    assert_eq!(first.await.status(), 200);
    assert!(is_replayed(&deliver(&extension, &payload).await));
}

/// Polls once, and tells whether it waits.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(Pin::new(&mut *future).poll(context).is_pending()))
        .await
}

#[kiket::webhook("ping", version = "v1", dedupe = false)]
async fn ping() -> Reply {
    Reply::json(PINGS.fetch_add(1, Ordering::SeqCst))
}

static PINGS: AtomicUsize = AtomicUsize::new(0);

#[tokio::test]
async fn a_handler_can_opt_out_and_so_can_an_extension() {
    let extension = TestExtension::new(annotated()).unwrap();
    let ping = || delivery("ping", "v1", &json!({ "id": 1 }));
    let (first, again) = (extension.deliver(ping()).await, extension.deliver(ping()).await);
    assert_ne!(first.json(), again.json());
    assert!(!is_replayed(&again));

    let (extension, runs) = counting(builder().dedupe(|dedupe| dedupe.enabled(false)), |_| Ok(Reply::ok()));
    for _ in 0..2 {
        assert!(!is_replayed(&deliver(&extension, &json!({ "id": 1 })).await));
    }
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

/// A store that several extensions share.
#[derive(Clone)]
pub(crate) struct Shared(pub(crate) Arc<MemoryStore>);
impl DedupeStore for Shared {
    fn begin<'s>(&'s self, key: &'s DedupeKey, lease: Duration) -> StoreFuture<'s, BeginOutcome> {
        self.0.begin(key, lease)
    }
    fn commit<'s>(
        &'s self,
        key: &'s DedupeKey,
        token: &'s LeaseToken,
        response: &'s StoredReply,
        keep: Duration,
    ) -> StoreFuture<'s, LeaseState> {
        self.0.commit(key, token, response, keep)
    }
    fn release<'s>(&'s self, key: &'s DedupeKey, token: &'s LeaseToken) -> StoreFuture<'s, LeaseState> {
        self.0.release(key, token)
    }
}

#[tokio::test]
async fn extensions_that_share_a_store_have_their_own_deliveries() {
    let store = Shared(Arc::new(MemoryStore::new()));
    let extension = |id: &str| {
        counting(builder().id(id).dedupe(|dedupe| dedupe.store(store.clone())), |_| Ok(Reply::ok())).0
    };
    let staging = builder().id("one").dedupe(|dedupe| dedupe.store(store.clone()).namespace("staging"));
    let staging = counting(staging, |_| Ok(Reply::ok())).0;
    let (one, same, other) = (extension("one"), extension("one"), extension("other"));
    assert!(!is_replayed(&deliver(&one, &json!({ "id": 1 })).await));
    assert!(is_replayed(&deliver(&same, &json!({ "id": 1 })).await), "two processes of one extension");
    assert!(!is_replayed(&deliver(&other, &json!({ "id": 1 })).await));
    assert!(!is_replayed(&deliver(&staging, &json!({ "id": 1 })).await));
    assert!(is_replayed(&deliver(&staging, &json!({ "id": 1 })).await));
}

/// A store that never does what it is asked, and returns what the function gives.
struct Failing<F>(F);

type NoResponse = Pin<Box<dyn Future<Output = StoreError> + Send>>;

impl<F: Fn() -> NoResponse + Send + Sync> Failing<F> {
    fn fail<T: Send>(&self) -> StoreFuture<'_, T> {
        let failure = (self.0)();
        Box::pin(async move { Err(failure.await) })
    }
}

impl<F: Fn() -> NoResponse + Send + Sync + 'static> DedupeStore for Failing<F> {
    fn begin<'s>(&'s self, _: &'s DedupeKey, _: Duration) -> StoreFuture<'s, BeginOutcome> {
        self.fail()
    }
    fn commit<'s>(
        &'s self,
        _: &'s DedupeKey,
        _: &'s LeaseToken,
        _: &'s StoredReply,
        _: Duration,
    ) -> StoreFuture<'s, LeaseState> {
        self.fail()
    }
    fn release<'s>(&'s self, _: &'s DedupeKey, _: &'s LeaseToken) -> StoreFuture<'s, LeaseState> {
        self.fail()
    }
    fn check(&self) -> StoreFuture<'_, ()> {
        self.fail()
    }
}

fn down() -> NoResponse {
    Box::pin(std::future::ready(StoreError::new("it is down")))
}

#[tokio::test]
async fn with_the_store_down_a_delivery_is_503_unless_it_may_run() {
    let (extension, runs) =
        counting(builder().dedupe(|dedupe| dedupe.store(Failing(down))), |_| Ok(Reply::ok()));
    let response = deliver(&extension, &json!({ "id": 1 })).await;
    assert_eq!((response.status(), &response.json()["code"]), (503, &json!("store_down")));
    assert!(response.headers().get("retry-after").is_some());
    assert_eq!(runs.load(Ordering::SeqCst), 0);

    let (extension, runs) =
        counting(builder().dedupe(|dedupe| dedupe.store(Failing(down)).run_without_store(true)), |_| {
            Ok(Reply::ok())
        });
    assert_eq!(deliver(&extension, &json!({ "id": 1 })).await.status(), 200);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_not_awaited_past_the_deadline() {
    let silent = Failing(|| -> NoResponse { Box::pin(std::future::pending()) });
    let options = builder().dedupe(|dedupe| dedupe.store(silent)).handler_timeout(Duration::from_secs(7));
    let (extension, runs) = counting(options, |_| Ok(Reply::ok()));
    let from = tokio::time::Instant::now();
    let response = deliver(&extension, &json!({ "id": 1 })).await;
    assert_eq!((response.status(), &response.json()["code"]), (503, &json!("store_down")));
    assert_eq!((from.elapsed().as_secs(), runs.load(Ordering::SeqCst)), (7, 0));
}

#[tokio::test]
async fn a_store_is_asked_at_the_start_and_does_not_stop_it() {
    let asked = Arc::new(tokio::sync::Notify::new());
    let tells = Arc::clone(&asked);
    let store = Failing(move || {
        tells.notify_one();
        down()
    });
    let builder = crate::running::builder().id("com.example.once").dedupe(|dedupe| dedupe.store(store));
    let running = Running::start(builder.on("issue.created", "v1", async || ()));
    tokio::time::timeout(Duration::from_secs(60), asked.notified()).await.expect("the store is asked");
    running.stop().await;
}

#[test]
fn replies_are_kept_long_enough_and_the_store_is_a_known_one() {
    let built = |builder: ExtensionBuilder| {
        let builder = builder.webhook_secret("s").environment([] as [(String, String); 0]);
        builder.on("a", "v1", async || ()).build().map(drop).map_err(|error| error.to_string())
    };
    assert!(
        built(builder().dedupe(|dedupe| dedupe.keep_replies(Duration::from_secs(599))))
            .unwrap_err()
            .contains("at least 600 s")
    );
    assert!(built(builder().dedupe(|dedupe| dedupe.keep_replies(Duration::from_secs(600)))).is_ok());
    assert!(built(builder().dedupe(|dedupe| dedupe.url("memory:"))).is_ok());
    let error = built(builder().dedupe(|dedupe| dedupe.url("mysql://u:canary@host"))).unwrap_err();
    assert!(error.contains("deduplication store") && !error.contains("canary"), "{error}");
}

/// Does nothing, and panics at a commit with this text.
struct PanicsAtCommit(MemoryStore, String);

impl DedupeStore for PanicsAtCommit {
    fn begin<'s>(&'s self, key: &'s DedupeKey, lease: Duration) -> StoreFuture<'s, BeginOutcome> {
        self.0.begin(key, lease)
    }
    fn commit<'s>(
        &'s self,
        _: &'s DedupeKey,
        _: &'s LeaseToken,
        _: &'s StoredReply,
        _: Duration,
    ) -> StoreFuture<'s, LeaseState> {
        Box::pin(async { panic!("the store panics: {}", self.1) })
    }
    fn release<'s>(&'s self, key: &'s DedupeKey, token: &'s LeaseToken) -> StoreFuture<'s, LeaseState> {
        self.0.release(key, token)
    }
}

#[tokio::test]
async fn what_panics_after_the_handler_changes_no_response() {
    struct PanicsWhenDropped;
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("a value panics");
        }
    }
    async fn insert(delivery: &Delivery, next: Next<'_>) -> kiket::Result<Reply> {
        delivery.insert(PanicsWhenDropped);
        next.run().await
    }
    let reply = |run| Ok(Reply::json(json!({ "run": run })));
    let (extension, runs) = counting(builder().middleware(insert), reply);
    let first = deliver(&extension, &json!({ "id": 1 })).await;
    let again = deliver(&extension, &json!({ "id": 1 })).await;
    assert_eq!((first.status(), again.status(), is_replayed(&again)), (200, 200, true));
    assert_eq!(runs.load(Ordering::SeqCst), 1);

    let store = PanicsAtCommit(MemoryStore::new(), format!("canary-of-it {}", "x".repeat(1 << 20)));
    let (extension, _) = counting(builder().dedupe(|dedupe| dedupe.store(store)), reply);
    let (logged, _log) = Logged::here();
    let first = deliver(&extension, &json!({ "id": 1, "secrets": { "API_KEY": "canary-of-it" } })).await;
    assert_eq!((first.status(), first.json()), (200, json!({ "run": 1 })));
    let line = logged.line("the deduplication store panicked");
    assert!(line.contains("the store panics: … xxx") && line.len() < 8_192, "{} bytes", line.len());
}

#[tokio::test]
async fn what_panics_beside_the_handler_ends_its_attempt() {
    #[derive(Debug)]
    struct Unreadable;
    impl std::fmt::Display for Unreadable {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("it fails")
        }
    }
    impl std::error::Error for Unreadable {}
    let fails = |_| Err(HandlerError::from(Unreadable));
    let classified = builder().classify(|_: &Unreadable| -> Option<Advice> { panic!("a classifier panics") });
    let (extension, runs) = counting(classified, fails);
    for run in 1..3 {
        let failed = deliver(&extension, &json!({ "id": "d-1" })).await;
        assert_eq!((failed.status(), &failed.json()["code"]), (500, &json!("handler_panicked")));
        assert_eq!(failed.json()["delivery_id"], "d-1");
        assert_eq!(runs.load(Ordering::SeqCst), run, "its lease is given back");
    }
}

/// A log that cannot be written, and says so by a panic.
struct PanickingLog {
    at: &'static str,
}

impl PanickingLog {
    fn reach(&self, at: &str) {
        assert_ne!(self.at, at, "the log is broken");
    }
}

impl tracing::Subscriber for PanickingLog {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        if event.metadata().target().starts_with("kiket_runtime::pipeline::record") {
            self.reach("event");
        }
    }
    fn enter(&self, _: &tracing::span::Id) {
        self.reach("enter");
    }
    fn exit(&self, _: &tracing::span::Id) {
        self.reach("exit");
    }
    fn try_close(&self, _: tracing::span::Id) -> bool {
        self.reach("close");
        true
    }
}

#[tokio::test]
async fn a_log_that_panics_changes_no_response() {
    for at in ["event", "enter", "exit", "close"] {
        let _log = tracing::subscriber::set_default(PanickingLog { at });
        let (extension, runs) = counting(builder(), |_| Ok(Reply::ok()));
        for _ in 0..2 {
            let response = deliver(&extension, &json!({ "id": 1 })).await;
            assert_eq!(response.status(), 200, "{at}");
        }
        assert_eq!(runs.load(Ordering::SeqCst), 1, "{at}");
    }
}

#[tokio::test]
async fn a_store_that_may_be_shared_needs_an_id() {
    let start = |builder: ExtensionBuilder| {
        let builder = builder.webhook_secret("0123456789abcdef").without_collected().without_manifest();
        builder.on("a.b", "v1", async || Reply::ok()).build().map(drop).map_err(|error| error.to_string())
    };
    let own = || Extension::builder().dedupe(|dedupe| dedupe.store(MemoryStore::new()));
    let shared = || Extension::builder().dedupe(|dedupe| dedupe.store(Shared(Arc::default())));
    for builder in [shared(), shared().id(""), shared().id(" ")] {
        let problem = start(builder).unwrap_err();
        assert!(problem.contains("the extension has no id"), "{problem}");
    }
    start(shared().id("com.example")).unwrap();
    start(own()).unwrap();
    start(shared().dedupe(|dedupe| dedupe.enabled(false))).unwrap();
}

#[tokio::test]
async fn large_replies_push_no_delivery_out() {
    let text = "x".repeat(1 << 20);
    let (extension, runs) = counting(builder(), move |_| Ok(Reply::json(text.clone())));
    // More than the 64 MiB that are there, and one of 5 MiB is more than a shard has.
    for id in 0..80 {
        assert_eq!(deliver(&extension, &json!({ "id": id })).await.text().len(), (1 << 20) + 2);
    }
    for id in 0..80 {
        let again = deliver(&extension, &json!({ "id": id })).await;
        assert_eq!((again.status(), is_replayed(&again)), (200, true));
        assert!(
            again.text().len() > 1 << 20 || again.json() == json!({ "ok": true }),
            "{}",
            again.text().len()
        );
    }
    assert_eq!(runs.load(Ordering::SeqCst), 80);
    let text = "x".repeat(5 << 20);
    let (extension, runs) = counting(builder(), move |_| Ok(Reply::json(text.clone())));
    deliver(&extension, &json!({ "id": 1 })).await;
    assert_eq!(deliver(&extension, &json!({ "id": 1 })).await.json(), json!({ "ok": true }));
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_decision_is_replayed_whole_when_room_is_short() {
    let large = "x".repeat(4 << 10);
    let (denied, by_hand) = (large.clone(), json!({ "status": "deny", "message": large.clone() }));
    let by_hand = move || {
        let by_hand = by_hand.clone();
        async move { Reply::json(by_hand) }
    };
    let builder = builder()
        .dedupe(|dedupe| dedupe.store(MemoryStore::with_limits(1000, 32 << 10)))
        .on("setup.step", "v1", move || {
            let denied = denied.clone();
            async move { Decision::deny(denied) }
        })
        .on("workflow.before_transition", "v1", by_hand.clone())
        .on("before_transition", "v1", by_hand);
    let (extension, _) = counting(builder, move |_| Ok(Reply::json(large.clone())));
    let guards = ["setup.step", "workflow.before_transition", "before_transition"];
    for event in guards {
        extension.deliver(delivery(event, "v1", &json!({ "id": event }))).await;
    }
    for id in 0..40 {
        deliver(&extension, &json!({ "id": id })).await;
    }
    assert_eq!(deliver(&extension, &json!({ "id": 0 })).await.json(), json!({ "ok": true }));
    for event in guards {
        let again = extension.deliver(delivery(event, "v1", &json!({ "id": event }))).await;
        assert!(is_replayed(&again) && again.json()["status"] == "deny", "{event}: {}", again.text());
    }
}

/// Counts the log lines of a module at a level.
#[derive(Clone)]
pub(crate) struct Lines {
    module: &'static str,
    level: tracing::Level,
    count: Arc<AtomicUsize>,
}

impl Lines {
    pub(crate) fn new(module: &'static str, level: tracing::Level) -> Self {
        Self { module, level, count: Arc::default() }
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

impl tracing::Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().ends_with(self.module) && *metadata.level() == self.level
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        self.count.fetch_add(1, Ordering::SeqCst);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn another_body_with_the_same_id_is_logged() {
    let warnings = Lines::new("pipeline::dedupe", tracing::Level::WARN);
    let _log = tracing::subscriber::set_default(warnings.clone());
    let (extension, runs) = counting(builder(), |run| Ok(Reply::json(run)));
    deliver(&extension, &json!({ "id": "s1", "a": 1, "secrets": { "K": "1" } })).await;
    // Fields of the attempt do not count.
    deliver(&extension, &json!({ "id": "s1", "a": 1, "secrets": { "K": "2" }, "api": {} })).await;
    assert_eq!(warnings.count(), 0);
    let other = deliver(&extension, &json!({ "id": "s1", "a": 2 })).await;
    assert_eq!((other.json(), is_replayed(&other)), (json!(1), true));
    assert_eq!((warnings.count(), runs.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn an_attempt_without_an_id_is_recognised_by_its_content() {
    let (extension, _) = counting(builder(), |run| Ok(Reply::json(run)));
    let run = async |payload: Value| {
        extension.clock().advance(Duration::from_secs(30)); // signed anew
        deliver(&extension, &payload).await.json()
    };
    for (number, name) in
        ["timestamp", "occurred_at", "occurredAt", "received_at", "receivedAt"].into_iter().enumerate()
    {
        let body = json!({ name: "2026-05-02T09:10:00Z", "a": 1 });
        let mut again = body.clone();
        again["authentication"] = json!({ "runtime_token": "another" });
        let mut other = body.clone();
        other["a"] = json!(2);
        let first = run(body).await;
        assert_eq!(first, json!(number * 2 + 1), "{name}");
        assert_eq!(run(again).await, first, "{name}");
        assert_eq!(run(other).await, json!(number * 2 + 2), "{name}");
    }
    // The age of a thing says nothing of the event: each time of signing is another delivery.
    let body = json!({ "created_at": "2026-05-02T09:10:00Z", "createdAt": "2026-05-02T09:10:00Z" });
    assert_ne!(run(body.clone()).await, run(body).await);
}
