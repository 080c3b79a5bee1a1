//! Rows 9, 10 and 19: a delivery that comes again waits for the first, gets its answer again, or runs after a failure.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kiket::{
    Extension, ExtensionBuilder, HandlerError, Reply, StatusCode,
    dedupe::{
        BeginOutcome, DedupeKey, DedupeStore, LeaseState, LeaseToken, MemoryStore, StoreError, StoreFuture,
        StoredReply,
    },
    testing::{TestExtension, TestResponse, delivery},
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{responses::annotated, running::Running};

fn builder() -> ExtensionBuilder {
    Extension::builder().without_collected().without_manifest().id("com.example.once")
}

/// An extension whose handler tells how often it ran, in the answers that `answer` makes of that.
fn counting<F>(options: ExtensionBuilder, answer: F) -> (TestExtension, Arc<AtomicUsize>)
where
    F: Fn(usize) -> kiket::Result<Reply> + Clone + Send + Sync + 'static,
{
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let builder = options.on("issue.created", "v1", move || {
        let (run, answer) = (counted.fetch_add(1, Ordering::SeqCst) + 1, answer.clone());
        async move { answer(run) }
    });
    (TestExtension::new(builder).unwrap(), runs)
}

async fn deliver(extension: &TestExtension, payload: &Value) -> TestResponse {
    extension.deliver(delivery("issue.created", "v1", payload)).await
}

fn is_replayed(answer: &TestResponse) -> bool {
    answer.headers().get("x-kiket-replayed") == Some("true")
}

#[tokio::test]
async fn a_delivery_that_was_answered_gets_its_answer_again_and_does_not_run_again() {
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
async fn a_delivery_to_the_handler_of_another_version_is_work_of_its_own() {
    let builder = builder().on("issue.created", "v1", async || Reply::json("first shape")).on(
        "issue.created",
        "v2",
        async || Reply::json("second shape"),
    );
    let extension = TestExtension::new(builder).unwrap();
    for (version, shape, replayed) in
        [("v1", "first", false), ("v2", "second", false), ("1.0", "first", true), ("2", "second", true)]
    {
        let answer = extension.deliver(delivery("issue.created", version, &json!({ "id": "d-1" }))).await;
        assert_eq!((answer.json(), is_replayed(&answer)), (json!(format!("{shape} shape")), replayed));
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
async fn a_failure_that_is_retried_runs_again_and_one_that_is_not_is_remembered() {
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
async fn a_payload_that_does_not_decode_is_runnable_by_a_corrected_build_unless_it_is_given_up() {
    async fn statuses(builder: ExtensionBuilder) -> Vec<(u16, bool)> {
        let builder = builder.on("issue.created", "v1", async |_: kiket::Payload<Vec<u8>>| ());
        let extension = TestExtension::new(builder).unwrap();
        let (first, again) =
            (deliver(&extension, &json!({ "id": 1 })).await, deliver(&extension, &json!({ "id": 1 })).await);
        [first, again].iter().map(|answer| (answer.status(), is_replayed(answer))).collect()
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

#[tokio::test]
async fn extensions_that_share_a_store_have_their_own_deliveries() {
    #[derive(Clone)]
    struct Shared(Arc<MemoryStore>);
    impl DedupeStore for Shared {
        fn begin<'s>(&'s self, key: &'s DedupeKey, lease: Duration) -> StoreFuture<'s, BeginOutcome> {
            self.0.begin(key, lease)
        }
        fn commit<'s>(
            &'s self,
            key: &'s DedupeKey,
            token: &'s LeaseToken,
            answer: &'s StoredReply,
            keep: Duration,
        ) -> StoreFuture<'s, LeaseState> {
            self.0.commit(key, token, answer, keep)
        }
        fn release<'s>(&'s self, key: &'s DedupeKey, token: &'s LeaseToken) -> StoreFuture<'s, LeaseState> {
            self.0.release(key, token)
        }
    }
    let store = Shared(Arc::new(MemoryStore::new()));
    let extension = |id: &str| {
        counting(builder().id(id).dedupe(|dedupe| dedupe.store(store.clone())), |_| Ok(Reply::ok())).0
    };
    let (one, same, other) = (extension("one"), extension("one"), extension("other"));
    assert!(!is_replayed(&deliver(&one, &json!({ "id": 1 })).await));
    assert!(is_replayed(&deliver(&same, &json!({ "id": 1 })).await), "two processes of one extension");
    assert!(!is_replayed(&deliver(&other, &json!({ "id": 1 })).await));
}

/// A store that never does what it is asked, and answers with what the function gives.
struct Failing<F>(F);

type NoAnswer = Pin<Box<dyn Future<Output = StoreError> + Send>>;

impl<F: Fn() -> NoAnswer + Send + Sync> Failing<F> {
    fn fail<T: Send>(&self) -> StoreFuture<'_, T> {
        let failure = (self.0)();
        Box::pin(async move { Err(failure.await) })
    }
}

impl<F: Fn() -> NoAnswer + Send + Sync + 'static> DedupeStore for Failing<F> {
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

fn down() -> NoAnswer {
    Box::pin(std::future::ready(StoreError::new("nobody answers")))
}

#[tokio::test]
async fn with_the_store_down_a_delivery_comes_again_unless_it_may_run_anyway() {
    let (extension, runs) =
        counting(builder().dedupe(|dedupe| dedupe.store(Failing(down))), |_| Ok(Reply::ok()));
    let answer = deliver(&extension, &json!({ "id": 1 })).await;
    assert_eq!((answer.status(), &answer.json()["code"]), (503, &json!("store_down")));
    assert!(answer.headers().get("retry-after").is_some());
    assert_eq!(runs.load(Ordering::SeqCst), 0);

    let (extension, runs) =
        counting(builder().dedupe(|dedupe| dedupe.store(Failing(down)).run_without_store(true)), |_| {
            Ok(Reply::ok())
        });
    assert_eq!(deliver(&extension, &json!({ "id": 1 })).await.status(), 200);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_is_not_waited_for_past_the_deadline() {
    let silent = Failing(|| -> NoAnswer { Box::pin(std::future::pending()) });
    let options = builder().dedupe(|dedupe| dedupe.store(silent)).handler_timeout(Duration::from_secs(7));
    let (extension, runs) = counting(options, |_| Ok(Reply::ok()));
    let from = tokio::time::Instant::now();
    let answer = deliver(&extension, &json!({ "id": 1 })).await;
    assert_eq!((answer.status(), &answer.json()["code"]), (503, &json!("store_down")));
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
    let builder = crate::running::builder().dedupe(|dedupe| dedupe.store(store));
    let running = Running::start(builder.on("issue.created", "v1", async || ()));
    tokio::time::timeout(Duration::from_secs(60), asked.notified()).await.expect("the store is asked");
    running.stop().await;
}

#[test]
fn answers_are_kept_long_enough_and_the_store_is_one_that_there_is() {
    let told = |builder: ExtensionBuilder| {
        let builder = builder.webhook_secret("s").environment([] as [(String, String); 0]);
        builder.on("a", "v1", async || ()).build().map(drop).map_err(|error| error.to_string())
    };
    assert!(
        told(builder().dedupe(|dedupe| dedupe.keep_replies(Duration::from_secs(599))))
            .unwrap_err()
            .contains("at least 600 s")
    );
    assert!(told(builder().dedupe(|dedupe| dedupe.keep_replies(Duration::from_secs(600)))).is_ok());
    assert!(told(builder().dedupe(|dedupe| dedupe.url("memory:"))).is_ok());
    let error = told(builder().dedupe(|dedupe| dedupe.url("mysql://u:canary@host"))).unwrap_err();
    assert!(error.contains("de-duplication store") && !error.contains("canary"), "{error}");
}
