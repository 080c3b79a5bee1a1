//! More deliveries than the concurrency limit, and a shutdown while they come.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use kiket::{ExtensionBuilder, testing};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};

use crate::running::{
    NOW, PATIENCE, Response, Running, UNSIGNED, builder, head, request, signed, until, within,
};

/// Handlers that wait for a gate, counted.
#[derive(Clone)]
struct Waiting {
    gate: Arc<Semaphore>,
    began: Arc<AtomicUsize>,
    inside: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Waiting {
    /// The gate lets this many through until it is opened further.
    fn behind(permits: usize) -> Self {
        let zero = || Arc::new(AtomicUsize::new(0));
        Self { gate: Arc::new(Semaphore::new(permits)), began: zero(), inside: zero(), most: zero() }
    }

    fn handling(&self, builder: ExtensionBuilder) -> ExtensionBuilder {
        let waiting = self.clone();
        builder.on("issue.created", "v1", move || {
            let Self { gate, began, inside, most } = waiting.clone();
            async move {
                began.fetch_add(1, Ordering::SeqCst);
                most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                inside.fetch_sub(1, Ordering::SeqCst);
            }
        })
    }

    fn open(&self, permits: usize) {
        self.gate.add_permits(permits);
    }

    fn began(&self) -> usize {
        self.began.load(Ordering::SeqCst)
    }
}

fn good() -> Vec<u8> {
    request(&signed(&json!({ "id": "d-1" })))
}

#[track_caller]
fn check_overloaded(response: &Response) {
    response.is_well_formed();
    assert_eq!((response.status, response.code().as_str()), (503, "overloaded"), "{response:?}");
    assert_eq!(
        (response.header("retry-after"), response.header("connection")),
        (Some("1"), None),
        "{response:?}"
    );
}

#[tokio::test]
async fn of_a_thousand_deliveries_a_hundred_run_and_the_rest_are_shed() {
    let waiting = Waiting::behind(0);
    // A busy machine may read the last of these heads late.
    let running = Running::start(
        waiting
            .handling(builder().http(|http| http.workers(2).head_timeout(PATIENCE)).concurrency_limit(100)),
    );
    let mut connections = Vec::new();
    for _ in 0..1000 {
        connections.push(running.connect().await);
    }
    for connection in &mut connections {
        connection.send(&good()).await;
    }
    let (sender, mut responses) = mpsc::unbounded_channel();
    for mut connection in connections {
        let sender = sender.clone();
        tokio::spawn(async move { sender.send(connection.response().await) });
    }
    drop(sender);
    for _ in 0..900 {
        check_overloaded(&within(responses.recv()).await.expect("a response"));
    }
    assert!(responses.try_recv().is_err(), "no more than the rest is shed");
    assert_eq!((running.extension().in_flight(), waiting.began()), (100, 100));
    waiting.open(100);
    for _ in 0..100 {
        let response = within(responses.recv()).await.expect("a response");
        assert_eq!((response.status, response.text()), (200, r#"{"ok":true}"#));
    }
    assert!(within(responses.recv()).await.is_none());
    assert_eq!((running.extension().in_flight(), waiting.most.load(Ordering::SeqCst)), (0, 100));
    waiting.open(1);
    assert_eq!(running.ask(&good()).await.status, 200);
    running.stop().await;
}

#[tokio::test]
async fn a_flood_of_wrong_signatures_takes_no_permit_from_good_ones() {
    let waiting = Waiting::behind(1_000_000);
    let running = Arc::new(Running::start(
        waiting.handling(builder().http(|http| http.workers(2)).concurrency_limit(10)),
    ));
    let over = Arc::new(AtomicBool::new(false));
    let flood: Vec<_> = (0..100)
        .map(|_| {
            let (running, over) = (Arc::clone(&running), Arc::clone(&over));
            tokio::spawn(async move {
                let wrong =
                    request(&testing::delivery("issue.created", "v1", &json!({})).sign("another", NOW));
                let mut connection = running.connect().await;
                let mut sent = 0u64;
                while !over.load(Ordering::SeqCst) {
                    connection.send(&wrong).await;
                    let response = connection.response().await;
                    assert_eq!((response.status, response.text()), (401, UNSIGNED));
                    sent += 1;
                }
                sent
            })
        })
        .collect();
    let wave: Vec<_> = (0..10)
        .map(|_| {
            let running = Arc::clone(&running);
            tokio::spawn(async move {
                let mut connection = running.connect().await;
                for _ in 0..20 {
                    connection.send(&good()).await;
                    assert_eq!(connection.response().await.status, 200);
                }
            })
        })
        .collect();
    for good in wave {
        within(good).await.expect("all get a response");
    }
    over.store(true, Ordering::SeqCst);
    let mut sent = 0;
    for wrong in flood {
        sent += within(wrong).await.expect("all are refused");
    }
    assert_eq!(waiting.began(), 200);
    assert_eq!(running.extension().stats().signature_refusals, [("signature_mismatch", sent)]);
    assert_eq!(running.extension().in_flight(), 0);
}

#[tokio::test]
async fn a_shutdown_sheds_new_deliveries_and_drains_running_ones() {
    let waiting = Waiting::behind(0);
    let running = Running::start(waiting.handling(builder()));
    let ready = head("GET", "/health/ready", []);
    assert_eq!(running.ask(&ready).await.status, 200);
    let mut used_before = running.connect().await;
    used_before.send(&ready).await;
    assert_eq!(used_before.response().await.status, 200);
    let mut running_ones = Vec::new();
    for _ in 0..5 {
        let mut connection = running.connect().await;
        connection.send(&good()).await;
        running_ones.push(connection);
    }
    until(|| waiting.began() == 5).await;

    running.begin_to_stop();
    until(|| running.extension().is_draining()).await;
    let not_ready = running.ask(&ready).await;
    assert_eq!((not_ready.status, not_ready.text()), (503, r#"{"status":"draining"}"#));
    assert_eq!(running.ask(&head("GET", "/health/live", [])).await.status, 200);
    used_before.send(&good()).await;
    for response in [running.ask(&good()).await, used_before.response().await] {
        response.is_well_formed();
        assert_eq!((response.status, response.code().as_str()), (503, "draining"), "{response:?}");
        assert_eq!(
            (response.header("retry-after"), response.header("connection")),
            (Some("5"), Some("close"))
        );
    }
    assert_eq!((running.extension().in_flight(), waiting.began()), (5, 5));

    waiting.open(5);
    for mut connection in running_ones {
        let response = connection.response().await;
        assert_eq!((response.status, response.text()), (200, r#"{"ok":true}"#));
    }
    running.stopped().await;
}

#[tokio::test]
async fn a_shutdown_under_load_responds_to_every_begun_delivery() {
    let waiting = Waiting::behind(1_000_000);
    let running = Arc::new(Running::start(waiting.handling(builder().http(|http| http.workers(2)))));
    let senders: Vec<_> = (0..20)
        .map(|_| {
            let running = Arc::clone(&running);
            tokio::spawn(async move {
                let mut answered = 0;
                let mut connection = running.connect().await;
                loop {
                    connection.try_send(&good()).await;
                    match connection.response_or_end().await {
                        Some(response) if response.status == 200 => answered += 1,
                        Some(response) => {
                            assert_eq!((response.status, response.code().as_str()), (503, "draining"));
                            return answered;
                        }
                        None => return answered,
                    }
                }
            })
        })
        .collect();
    until(|| waiting.began() > 500).await;
    running.begin_to_stop();
    let mut answered = 0;
    for sender in senders {
        answered += within(sender).await.expect("a sender comes to its end");
    }
    assert_eq!(answered, waiting.began(), "every delivery that was begun gets a response");
    Arc::into_inner(running).expect("all senders are gone").stopped().await;
}
