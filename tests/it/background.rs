//! Background tasks, and work that outlives its delivery (wire contract, background-tasks, detached-work).

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use kiket::{
    Context, Extension, Reply,
    client::Client,
    error::ClientErrorKind,
    extension::Shutdown,
    testing::{FakePlatform, TestExtension, context, delivery},
};
use serde_json::json;
use tokio::sync::{Notify, Semaphore};

use crate::running::{Logged, PRINTED, Running, builder, request, signed, until, within};

/// Whether `future` has ended, without waiting for it.
async fn has_ended(future: impl Future) -> bool {
    let mut future = pin!(future);
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await
}

#[derive(Default)]
struct Seen {
    started: AtomicBool,
    stopping: AtomicBool,
    ended: AtomicBool,
    may_end: Notify,
}

impl Seen {
    async fn task(self: Arc<Self>, shutdown: Shutdown) {
        assert!(!shutdown.is_requested());
        self.started.store(true, Ordering::SeqCst);
        shutdown.requested().await;
        self.stopping.store(true, Ordering::SeqCst);
        self.may_end.notified().await;
        self.ended.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_background_task_runs_from_the_start_to_the_drain() {
    let platform = FakePlatform::start();
    let seen = Arc::<Seen>::default();
    let task = Arc::clone(&seen);
    let builder = builder().id("com.example.tasks").on("a.b", "v1", async || Reply::ok());
    let extension = platform
        .extension(builder)
        .background(async move |extension: Extension, shutdown: Shutdown| {
            extension.endpoints().log_event("started", json!({})).await.unwrap();
            task.task(shutdown).await;
        })
        .build()
        .unwrap();
    let server = extension.bind().unwrap();
    tokio::task::yield_now().await;
    assert!(platform.events().is_empty(), "it has not started before the server");
    let (handle, server) = (server.handle(), tokio::spawn(server.run()));
    within(async { until(|| seen.started.load(Ordering::SeqCst)).await }).await;
    assert_eq!(platform.events()[0]["event"], "started");
    extension.start_background(); // it starts once
    handle.stop();
    until(|| seen.stopping.load(Ordering::SeqCst)).await;
    assert!(!has_ended(extension.drained()).await, "the drain waits for it");
    assert_eq!(extension.in_flight(), 0, "it is no delivery");
    seen.may_end.notify_one();
    within(server).await.unwrap().unwrap();
    assert!(seen.ended.load(Ordering::SeqCst));
    assert_eq!(platform.events().len(), 1);
}

#[tokio::test]
async fn a_panic_in_a_background_task_ends_only_the_task() {
    let seen = Arc::<Seen>::default();
    let other = Arc::clone(&seen);
    let builder = builder()
        .on("issue.created", "v1", async || Reply::ok())
        .background(|_, _| async { panic!("after the start") })
        .background(|_, _| -> std::future::Ready<()> { panic!("before the first wait") })
        .background(move |_, shutdown| other.task(shutdown));
    let running = Running::start(builder);
    until(|| seen.started.load(Ordering::SeqCst)).await;
    assert_eq!(running.ask(&request(&signed(&json!({ "id": 1 })))).await.status, 200);
    seen.may_end.notify_one();
    running.stop().await;
    assert!(seen.ended.load(Ordering::SeqCst));
}

#[tokio::test]
async fn the_panic_of_a_background_task_is_cut_and_redacted() {
    let (logged, _log) = Logged::here();
    let text = format!("refused {PRINTED}: {}", "x".repeat(1 << 20));
    let extension = builder()
        .webhook_secret(PRINTED)
        .on("a.b", "v1", async || Reply::ok())
        .background(move |_, _| async move { panic!("{text}") })
        .build()
        .unwrap();
    extension.start_background();
    extension.drain();
    within(extension.drained()).await;
    let line = logged.line("background task panicked");
    assert!(line.contains("refused …: xxx") && line.len() < 8_192, "{} bytes", line.len());
}

#[tokio::test]
async fn a_background_task_is_cut_off_after_the_grace_period() {
    let builder = builder()
        .on("issue.created", "v1", async || Reply::ok())
        .grace_period(Duration::from_millis(10))
        .background(|_, _| std::future::pending());
    let server = builder.build().unwrap().bind().unwrap();
    let handle = server.handle();
    let server = tokio::spawn(server.run());
    handle.stop();
    let error = within(server).await.unwrap().expect_err("something was cut off").to_string();
    assert!(error.contains("grace period") && error.contains("1 tasks"), "{error}");
    assert!(!error.contains("deliveries were cut off"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_sleep_ends_with_the_shutdown() {
    let extension = builder().on("a.b", "v1", async || Reply::ok()).build().unwrap();
    let shutdown = extension.shutdown();
    assert!(shutdown.sleep(Duration::from_secs(60)).await);
    let from = tokio::time::Instant::now();
    let (slept, ()) = tokio::join!(shutdown.sleep(Duration::MAX), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        extension.drain();
    });
    assert!(!slept && shutdown.is_requested());
    assert_eq!(from.elapsed(), Duration::from_secs(1));
    assert!(!shutdown.sleep(Duration::from_secs(60)).await);
    assert_eq!(from.elapsed(), Duration::from_secs(1));
    shutdown.requested().await;
}

#[tokio::test]
async fn a_detached_client_has_neither_deadline_nor_runtime_token() {
    let platform = FakePlatform::start();
    let context = context("issue.created", "v3")
        .client(platform.client())
        .scopes(["*"])
        .remaining(Duration::ZERO)
        .build();
    let late = context.client().get::<serde_json::Value>("/api/v1/ext/rate_limit").await.unwrap_err();
    assert_eq!(late.kind(), ClientErrorKind::Timeout, "{late}");
    assert!(platform.calls().is_empty());

    let detached = context.detached();
    assert_eq!(detached.remaining(), Duration::MAX);
    assert_eq!(context.remaining(), Duration::ZERO);
    for client in [detached.client(), detached.clone().client()] {
        client.get::<serde_json::Value>("/api/v1/ext/rate_limit").await.unwrap();
        let call = platform.calls().pop().unwrap();
        assert_eq!(call.header("x-kiket-event-version"), Some("v3"));
        assert_eq!(call.header("x-kiket-runtime-token"), None);
        assert!(call.header("authorization").is_some_and(|token| token.ends_with(platform.token())));
    }
    // The keys go on from those of the delivery: the same call is another effect.
    let made = |client: Client| async move {
        kiket::api::Endpoints::from(client).issues().comment("KEY-1", "the same").await.ok();
    };
    made(detached.client()).await;
    made(detached.client()).await;
    let calls = platform.calls();
    let keys: Vec<_> = calls.iter().filter_map(|call| call.header("idempotency-key")).collect();
    assert!(keys.len() == 2 && keys[0] != keys[1], "{keys:?}");
}

#[tokio::test]
async fn a_drain_waits_for_what_is_detached() {
    let gates = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&gates);
    let handler = move |context: Context| {
        let (later, client, gate) = (context.detached(), context.detached().client(), Arc::clone(&gate));
        async move {
            tokio::spawn(async move {
                gate.acquire().await.unwrap().forget();
                drop(later);
                gate.acquire().await.unwrap().forget();
                drop(client);
            });
            Reply::ok()
        }
    };
    let extension = TestExtension::new(builder().on("a.b", "v1", handler)).unwrap();
    assert_eq!(extension.deliver(delivery("a.b", "v1", &json!({ "id": 1 }))).await.status(), 200);
    let extension = extension.extension();
    extension.drain();
    assert_eq!(extension.in_flight(), 0);
    for _ in 0..2 {
        assert!(!has_ended(extension.drained()).await);
        gates.add_permits(1);
        tokio::task::yield_now().await;
    }
    within(extension.drained()).await;
}
