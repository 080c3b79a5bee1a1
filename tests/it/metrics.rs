//! `GET /metrics` says what really happened, in series that are known at the start.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use kiket::{
    Context, Extension, ExtensionBuilder, Handler, HandlerError, Payload, Reply,
    config::Clock,
    dedupe::{
        BeginOutcome, DedupeKey, DedupeStore, LeaseState, LeaseToken, MemoryStore, StoreError, StoreFuture,
        StoredReply,
    },
    handler::Later,
    testing::{Failure, FakePlatform, MemoryInbox, SignedDelivery, TestExtension, delivery},
};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, process::Command, sync::Semaphore};

use crate::{
    corpus::skipped,
    running::{Connection, NOW, Response, Running, SECRET, builder, request, until, within},
};

/// What was scraped: series with their values, and families with their type and help.
#[derive(Debug, Clone)]
struct Scrape {
    text: String,
    series: BTreeMap<String, String>,
    families: BTreeMap<String, (String, String)>,
}

impl Scrape {
    fn read(text: &str) -> Self {
        let (mut series, mut families) = (BTreeMap::new(), BTreeMap::new());
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap();
                families.insert(name.to_owned(), (String::new(), help.to_owned()));
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                kind.clone_into(&mut families.get_mut(name).unwrap().0);
            } else {
                let (name, value) = line.rsplit_once(' ').unwrap();
                value.parse::<f64>().expect("a number");
                assert_eq!(series.insert(name.to_owned(), value.to_owned()), None, "{name} twice");
            }
        }
        Self { text: text.to_owned(), series, families }
    }

    /// Adds what only the other one has.
    fn add(&mut self, other: Self) {
        for (name, family) in other.families {
            self.families.entry(name).or_insert(family);
        }
        for (name, value) in other.series {
            self.series.entry(name).or_insert(value);
        }
    }

    /// The value of a series, which is a count; absent ones are 0, as for Prometheus.
    fn count(&self, series: &str) -> u64 {
        self.series.get(series).map_or(0, |value| value.parse().expect("a whole number"))
    }

    /// The sum of the series whose names begin so.
    fn sum(&self, names: &[&str]) -> u64 {
        let series = self.series.keys().filter(|series| names.iter().any(|name| series.starts_with(name)));
        series.map(|series| self.count(series)).sum()
    }

    /// The names of the family of a series, and of its labels.
    fn labels(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut found = BTreeMap::<String, BTreeSet<String>>::new();
        for series in self.series.keys() {
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix).filter(|name| self.families.contains_key(*name)))
                .unwrap_or(name);
            // What is before `="`, behind a comma or the brace.
            let names = labels.split("=\"").filter_map(|part| part.rsplit(['"', ',']).next());
            let names =
                names.filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            found.entry(family.to_owned()).or_default().extend(names.map(str::to_owned));
        }
        for names in found.values_mut() {
            names.retain(|name| !name.is_empty() && name != "le");
        }
        found
    }
}

fn measured(builder: ExtensionBuilder) -> ExtensionBuilder {
    builder.http(|http| http.port(0).metrics("127.0.0.1:0"))
}

async fn get(address: SocketAddr, path: &str) -> Response {
    let mut connection = Connection::to(address).await;
    connection.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n").as_bytes()).await;
    connection.response().await
}

async fn scrape_at(address: SocketAddr) -> Scrape {
    let response = get(address, "/metrics").await;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    Scrape::read(response.text())
}

async fn scrape(running: &Running) -> Scrape {
    scrape_at(running.metrics().expect("it serves metrics")).await
}

/// What the handler of `issue.created` does is in the payload.
async fn act(waiting: Arc<Waiting>, payload: Value, context: Context) -> kiket::Result<Reply> {
    match payload["act"].as_str().unwrap_or_default() {
        "fail" => Err(HandlerError::retry("no")),
        "own code" => Err(HandlerError::permanent("no").with_code("quota_exceeded")),
        "panic" => panic!("as ordered"),
        "wait" => {
            waiting.entered.add_permits(1);
            waiting.held.acquire().await.expect("an open semaphore").forget();
            Ok(Reply::ok())
        }
        "call" => {
            context.endpoints().notify("t", "b", kiket::api::Level::Info).await?;
            context.endpoints().secrets().get("ABSENT").await?;
            Ok(Reply::ok())
        }
        _ => Ok(Reply::ok()),
    }
}

/// Where a handler waits: it says that it runs, and goes on when it may.
struct Waiting {
    entered: Semaphore,
    held: Semaphore,
}

/// An extension that is pointed at a platform, with every kind of thing that is counted behind it.
struct Scene {
    platform: FakePlatform,
    waiting: Arc<Waiting>,
    running: Running,
}

impl Scene {
    fn start() -> Self {
        let platform = FakePlatform::builder().extension_id("com.example.metrics").start().unwrap();
        let waiting = Arc::new(Waiting { entered: Semaphore::new(0), held: Semaphore::new(0) });
        let handler = {
            let waiting = Arc::clone(&waiting);
            move |Payload(payload): Payload<Value>, context: Context| {
                act(Arc::clone(&waiting), payload, context)
            }
        };
        let builder = platform.extension(measured(builder())).id("com.example.metrics").version("1.2.3");
        let builder = builder
            .webhook_secret(SECRET)
            .clock(Clock::fixed(NOW))
            .dedupe(|dedupe| dedupe.enabled(true))
            .telemetry(|telemetry| telemetry.enabled(false))
            .http(|http| http.body_limit(4096).workers(2))
            .on("issue.created", "v1", handler)
            .on("case.created", "v2", async || ());
        Self { platform, waiting, running: Running::start(builder) }
    }

    async fn send(&self, delivery: SignedDelivery) -> Response {
        self.running.ask(&request(&delivery)).await
    }

    /// Waits until a handler waits.
    async fn entered(&self) {
        within(self.waiting.entered.acquire()).await.expect("an open semaphore").forget();
    }

    async fn deliver(&self, event: &str, payload: Value) -> u16 {
        self.send(delivery(event, "v1", &payload).sign(SECRET, NOW)).await.status
    }

    /// Everything once or more often.
    async fn play(&self) {
        let deliver = |payload| self.deliver("issue.created", payload);
        for id in 0..3 {
            assert_eq!(deliver(json!({ "id": id })).await, 200);
        }
        for _ in 0..2 {
            assert_eq!(deliver(json!({ "id": 0 })).await, 200); // replayed
        }
        for id in ["f1", "f2"] {
            assert_eq!(deliver(json!({ "id": id, "act": "fail" })).await, 500);
        }
        assert_eq!(deliver(json!({ "id": "own", "act": "own code" })).await, 422);
        assert_eq!(deliver(json!({ "id": "own", "act": "own code" })).await, 422); // replayed
        assert_eq!(deliver(json!({ "id": "p", "act": "panic" })).await, 500);
        assert_eq!(self.deliver("issue.archived", json!({})).await, 404);
        let signed = |payload: &Value, at: u64| delivery("issue.created", "v1", payload).sign(SECRET, at);
        // Clocks that are apart, and too far apart.
        for (at, status) in [(NOW - 7, 200), (NOW + 3, 200), (NOW - 301, 401)] {
            assert_eq!(self.send(signed(&json!({ "id": at }), at)).await.status, status, "{at}");
        }
        let forged = delivery("issue.created", "v1", &json!({})).sign("another secret", NOW);
        assert_eq!(self.send(forged).await.status, 401);
        assert_eq!(self.send(signed(&json!({ "x": "x".repeat(5000) }), NOW)).await.status, 413);
        let mut elsewhere = signed(&json!({}), NOW);
        "/nowhere".clone_into(&mut elsewhere.path);
        assert_eq!(self.send(elsewhere).await.status, 404);
        assert_eq!(self.running.ask(b"nonsense\r\n\r\n").await.status, 400);
        // A call is tried again after a 503, and another one finds nothing.
        self.platform
            .fail(Failure::status(503).times(1).when(|call| call.path().ends_with("/notifications")));
        assert_eq!(deliver(json!({ "id": "call", "act": "call" })).await, 200);
    }
}

#[tokio::test]
async fn the_numbers_are_those_of_real_deliveries() {
    let scene = Scene::start();
    let before = scrape(&scene.running).await;
    assert!(before.series.iter().all(|(name, value)| {
        value == "0"
            || ["kiket_build_info", "kiket_start_time_seconds", "kiket_concurrency_limit"]
                .iter()
                .any(|always| name.starts_with(always))
    }));
    scene.play().await;

    // One that runs while it is sent again.
    let waiting = json!({ "id": "w", "act": "wait" });
    let mut first = scene.running.connect().await;
    first.send(&request(&delivery("issue.created", "v1", &waiting).sign(SECRET, NOW))).await;
    scene.entered().await;
    assert_eq!(scene.deliver("issue.created", waiting).await, 503);
    assert_eq!(scrape(&scene.running).await.count("kiket_deliveries_in_flight"), 1);
    scene.waiting.held.add_permits(1);
    assert_eq!(first.response().await.status, 200);
    until(|| scene.running.extension().in_flight() == 0).await;

    let after = scrape(&scene.running).await;
    let delivered = |event: &str, version: &str, status: &str, code: &str| {
        format!(
            "kiket_deliveries_total{{event=\"{event}\",version=\"{version}\",status=\"{status}\",code=\"{code}\"}}"
        )
    };
    let created = |status, code| delivered("issue.created", "v1", status, code);
    let of = |name: &str, label: &str, value: &str| format!("{name}{{{label}=\"{value}\"}}");
    let refused = |code| of("kiket_requests_refused_total", "code", code);
    let cause = |cause| of("kiket_signature_failures_total", "cause", cause);
    let called = |family, status| format!("kiket_calls_total{{family=\"{family}\",status=\"{status}\"}}");
    let expected = [
        (created("2xx", "ok"), 7),
        (created("2xx", "replayed"), 2),
        (created("4xx", "replayed"), 1),
        (created("5xx", "handler_failed"), 2),
        (created("5xx", "handler_panicked"), 1),
        (created("5xx", "deadline_exceeded"), 0),
        (created("4xx", "other"), 1),
        (created("5xx", "still_running"), 1),
        (delivered("case.created", "v2", "2xx", "ok"), 0),
        (delivered("other", "other", "4xx", "no_handler"), 1),
        // Of those that ran.
        ("kiket_delivery_duration_seconds_count{event=\"issue.created\",version=\"v1\"}".to_owned(), 11),
        ("kiket_deliveries_in_flight".to_owned(), 0),
        ("kiket_draining".to_owned(), 0),
        ("kiket_start_time_seconds".to_owned(), 1_700_000_000),
        (refused("invalid_signature"), 2),
        (refused("body_too_large"), 1),
        (refused("no_route"), 1),
        (refused("unreadable"), 1),
        (refused("overloaded"), 0),
        (cause("signature_mismatch"), 1),
        (cause("timestamp_outside_window"), 1),
        (cause("signature_missing"), 0),
        (of("kiket_token_failures_total", "cause", "token_expired"), 0),
        (of("kiket_signatures_accepted_total", "secret", "current"), 16),
        (of("kiket_signatures_accepted_total", "secret", "older"), 0),
        ("kiket_clock_skew_seconds_bucket{signed=\"past\",le=\"5\"}".to_owned(), 14),
        ("kiket_clock_skew_seconds_bucket{signed=\"past\",le=\"10\"}".to_owned(), 15),
        ("kiket_clock_skew_seconds_bucket{signed=\"future\",le=\"2\"}".to_owned(), 0),
        ("kiket_clock_skew_seconds_bucket{signed=\"future\",le=\"5\"}".to_owned(), 1),
        ("kiket_clock_skew_seconds_sum{signed=\"past\"}".to_owned(), 7),
        (of("kiket_deduplication_hits_total", "result", "replayed"), 3),
        (of("kiket_deduplication_hits_total", "result", "running"), 1),
        ("kiket_leases_lost_total".to_owned(), 0),
        (of("kiket_store_errors_total", "operation", "begin"), 0),
        (called("notifications", "503"), 1),
        (called("secrets", "404"), 1),
        ("kiket_call_duration_seconds_count".to_owned(), 3),
        ("kiket_telemetry_dropped_total".to_owned(), 0),
    ];
    for (series, value) in expected {
        assert!(after.series.contains_key(&series), "no {series} in\n{}", after.text);
        assert_eq!(after.count(&series), value, "{series} in\n{}", after.text);
    }
    assert_eq!(after.sum(&["kiket_calls_total"]), 3);
    let build = concat!(
        "kiket_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\",extension_id=\"com.example.metrics\""
    );
    assert!(after.series.keys().any(|series| series.starts_with(build)), "{}", after.text);
    scene.running.stop().await;
}

#[tokio::test]
async fn a_call_that_waits_for_the_rate_limit_is_counted() {
    let platform = FakePlatform::builder().extension_id("com.example.metrics").start().unwrap();
    let builder = platform.extension(measured(builder())).id("com.example.metrics");
    let builder = builder.client(|client| client.calls_per_minute(1)).on("issue.created", "v1", async || ());
    let running = Running::start(builder);
    let endpoints = running.extension().endpoints();
    endpoints.rate_limit().await.unwrap();
    endpoints.rate_limit().await.unwrap_err(); // the next is a minute away, which is past its deadline
    let scrape = scrape(&running).await;
    for (series, value) in [
        ("kiket_calls_total{family=\"rate_limit\",status=\"200\"}", 1),
        ("kiket_calls_total{family=\"rate_limit\",status=\"rate_limited\"}", 1),
        ("kiket_rate_limit_wait_seconds_count", 1),
        ("kiket_call_duration_seconds_count", 1),
    ] {
        assert_eq!(scrape.count(series), value, "{series} in\n{}", scrape.text);
    }
    running.stop().await;
}

/// A store that fails at one operation.
struct Broken {
    store: MemoryStore,
    at: &'static str,
}

fn down<'s, T: Send + 's>() -> StoreFuture<'s, T> {
    Box::pin(std::future::ready(Err(StoreError::new("it is down"))))
}

impl DedupeStore for Broken {
    fn begin<'s>(&'s self, key: &'s DedupeKey, lease: Duration) -> StoreFuture<'s, BeginOutcome> {
        if self.at == "begin" { down() } else { self.store.begin(key, lease) }
    }

    fn commit<'s>(
        &'s self,
        key: &'s DedupeKey,
        token: &'s LeaseToken,
        reply: &'s StoredReply,
        keep: Duration,
    ) -> StoreFuture<'s, LeaseState> {
        match self.at {
            "commit" => down(),
            "lease" => Box::pin(std::future::ready(Ok(LeaseState::Lost))),
            _ => self.store.commit(key, token, reply, keep),
        }
    }

    fn release<'s>(&'s self, key: &'s DedupeKey, token: &'s LeaseToken) -> StoreFuture<'s, LeaseState> {
        if self.at == "release" { down() } else { self.store.release(key, token) }
    }
}

#[tokio::test]
async fn what_a_store_fails_at_is_counted() {
    for (at, status, leases_lost) in
        [("begin", 503, 0), ("commit", 200, 0), ("release", 500, 0), ("lease", 200, 1)]
    {
        let builder = measured(builder()).id("com.example.metrics");
        let builder = builder.dedupe(|dedupe| dedupe.store(Broken { store: MemoryStore::new(), at }));
        let running = Running::start(builder.on("issue.created", "v1", move || async move {
            if at == "release" { Err(HandlerError::retry("no")) } else { Ok(()) }
        }));
        let delivered = delivery("issue.created", "v1", &json!({ "id": 1 })).sign(SECRET, NOW);
        assert_eq!(running.ask(&request(&delivered)).await.status, status, "{at}");
        let scrape = scrape(&running).await;
        for operation in ["begin", "commit", "release", "token"] {
            let series = format!("kiket_store_errors_total{{operation=\"{operation}\"}}");
            assert_eq!(scrape.count(&series), u64::from(operation == at), "{at}: {series}");
        }
        assert_eq!(scrape.count("kiket_leases_lost_total"), leases_lost, "{at}");
        running.stop().await;
    }
}

#[tokio::test]
async fn ten_thousand_strange_deliveries_add_no_series() {
    let builder =
        measured(Extension::builder().without_collected().without_manifest().id("com.example.metrics"));
    let builder = builder.on("issue.created", "v1", async |Payload(payload): Payload<Value>| {
        match payload["id"].as_u64().unwrap_or_default() % 3 {
            0 => Ok(()),
            1 => Err(HandlerError::retry("no")),
            // Even a code that the program makes up.
            id => Err(HandlerError::retry("no").with_code(Box::leak(format!("code_{id}").into_boxed_str()))),
        }
    });
    let extension = TestExtension::new(builder).unwrap();
    let server = extension.extension().bind().unwrap();
    let (address, handle) = (server.metrics_addresses()[0], server.handle());
    let server = tokio::spawn(server.run());
    let deliver = async |from: u64, to: u64| {
        for id in from..to {
            let (event, version) = match id % 4 {
                0 => (format!("strange{id}.event"), "v1".to_owned()),
                1 => ("issue.created".to_owned(), format!("v{id}")),
                2 => (format!("not%20a%20name%20{id}"), "v1".to_owned()),
                _ => ("issue.created".to_owned(), "v1".to_owned()),
            };
            let title = format!("title {id} of a stranger");
            let mut delivery = delivery(&event, &version, &json!({ "id": id, "issue": { "title": title } }));
            if id % 5 == 0 {
                delivery = delivery.secret(format!("secret {id}"));
            }
            extension.deliver(delivery).await;
        }
    };
    deliver(0, 200).await;
    let few = scrape_at(address).await;
    deliver(200, 10_000).await;
    let many = scrape_at(address).await;
    assert!(few.series.keys().eq(many.series.keys()), "{}\n{}", few.text, many.text);
    assert!(!many.text.contains("strange") && !many.text.contains("title") && !many.text.contains("code_"));
    let counted = ["kiket_deliveries_total", "kiket_requests_refused_total"];
    assert_eq!((few.sum(&counted), many.sum(&counted)), (200, 10_000));
    handle.stop();
    within(server).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_listener_answers_only_that_one_request() {
    let running = Running::start(measured(builder()).on("issue.created", "v1", async || ()));
    let address = running.metrics().unwrap();
    for path in
        ["/", "/health", "/metrics/", "/metrics/x", "/webhooks/issue.created", "/v/v1/webhooks/issue.created"]
    {
        assert_eq!(get(address, path).await.status, 404, "{path}");
    }
    for method in ["POST", "HEAD", "DELETE"] {
        let mut connection = Connection::to(address).await;
        connection
            .send(format!("{method} /metrics HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n").as_bytes())
            .await;
        let response = connection.response_without_body().await;
        assert_eq!((response.status, response.header("allow")), (405, Some("GET")), "{method}");
    }
    // A body is left unread, and its connection is closed.
    let mut connection = Connection::to(address).await;
    connection
        .send(b"GET /metrics HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
        .await;
    assert_eq!(connection.response().await.status, 200);
    connection.end().await;
    // Deliveries have no metrics beside them.
    assert_eq!(running.ask(b"GET /metrics HTTP/1.1\r\nhost: test\r\n\r\n").await.status, 404);
    running.stop().await;
}

#[tokio::test]
async fn more_connections_than_sixteen_wait() {
    let running = Running::start(measured(builder()).on("issue.created", "v1", async || ()));
    let address = running.metrics().unwrap();
    let mut open = Vec::new();
    for _ in 0..16 {
        let mut connection = Connection::to(address).await;
        connection.send(b"GET /metrics HTTP/1.1\r\nhost: test\r\n\r\n").await;
        assert_eq!(connection.response().await.status, 200);
        open.push(connection);
    }
    let mut next = Box::pin(scrape_at(address));
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut next).await.is_err(), "it waits");
    open.pop();
    within(next).await;
    running.stop().await;
}

#[tokio::test]
async fn metrics_are_read_during_the_drain_and_end_with_it() {
    let scene = Scene::start();
    let address = scene.running.metrics().unwrap();
    let waiting = delivery("issue.created", "v1", &json!({ "id": "w", "act": "wait" })).sign(SECRET, NOW);
    let mut first = scene.running.connect().await;
    first.send(&request(&waiting)).await;
    scene.entered().await;
    scene.running.begin_to_stop();
    until(|| scene.running.extension().is_draining()).await;
    let draining = scrape_at(address).await;
    assert_eq!((draining.count("kiket_draining"), draining.count("kiket_deliveries_in_flight")), (1, 1));
    scene.waiting.held.add_permits(1);
    assert_eq!(first.response().await.status, 200);
    scene.running.stopped().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "it still listens");
}

#[tokio::test]
async fn without_an_address_there_is_no_listener() {
    let extension = builder().on("issue.created", "v1", async || ()).build().unwrap();
    assert!(extension.bind().unwrap().metrics_addresses().is_empty());
    let with = |address: &str| {
        let builder = Extension::builder().without_collected().without_manifest().webhook_secret(SECRET);
        builder.environment([("KIKET_METRICS_ADDR", address)]).http(|http| http.port(0)).on(
            "a",
            "v1",
            async || (),
        )
    };
    let server = with("127.0.0.1:0").build().unwrap().bind().unwrap();
    let [taken] = *server.metrics_addresses() else { panic!("one address") };
    // The builder's comes first.
    let other = with("nonsense").http(|http| http.metrics("localhost:0")).build().unwrap();
    assert!(!other.bind().unwrap().metrics_addresses().is_empty());

    let malformed = with("9464").build().unwrap_err().to_string();
    assert!(
        malformed.contains("`KIKET_METRICS_ADDR`") && malformed.contains("127.0.0.1:9464"),
        "{malformed}"
    );
    let error = with(&taken.to_string()).build().unwrap().bind().err().expect("it is taken").to_string();
    assert!(error.contains(&format!("cannot listen on {taken} for metrics")), "{error}");
    assert!(error.contains("`KIKET_METRICS_ADDR`"), "{error}");
}

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs `promtool` with `input`. Where it is absent the test says so, and in CI it fails.
async fn promtool(arguments: &[&str], input: &str) -> Option<String> {
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut running) = started else {
        assert!(std::env::var_os("CI").is_none(), "CI has no promtool: see scripts/install-test-tools");
        skipped("no promtool to check metrics and alerts with");
        return None;
    };
    let mut stdin = running.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    // It works for seconds, and on a busy machine for minutes.
    let output = tokio::time::timeout(Duration::from_secs(600), running.wait_with_output());
    let output = output.await.expect("promtool ends").unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    Some(said)
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_the_metrics() {
    let scene = Scene::start();
    scene.play().await;
    let scrape = scrape(&scene.running).await;
    if let Some(said) = promtool(&["check", "metrics"], &scrape.text).await {
        assert_eq!(said, "");
    }
    scene.running.stop().await;
}

/// A scrape of everything that can happen.
async fn played() -> Scrape {
    let scene = Scene::start();
    scene.play().await;
    let scrape = scrape(&scene.running).await;
    scene.running.stop().await;
    scrape
}

/// And those of an extension with an inbox, which has worked on a delivery.
async fn played_with_an_inbox() -> Scrape {
    let mut scrape = played().await;
    scrape.add(deferred().await);
    scrape
}

async fn deferred() -> Scrape {
    let handler = Handler::new("issue.created", "v1", async || {}).later(Later::new());
    let builder = crate::running::builder()
        .id("com.example.later")
        .handler(handler)
        .http(|http| http.metrics("127.0.0.1:0"))
        .inbox(|inbox| inbox.store(MemoryInbox::default()).without_secrets().workers(0));
    let running = Running::start(builder);
    let signed = crate::running::sign(delivery("issue.created", "v1", &json!({ "id": 1 })));
    assert_eq!(running.ask(&request(&signed)).await.status, 202);
    let scrape = scrape(&running).await;
    running.stop().await;
    scrape
}

#[tokio::test]
async fn the_page_of_metrics_lists_what_is_served() {
    let scrape = played().await;
    let labels = scrape.labels();
    let page = text("docs/metrics.md");
    let (_, section) = page.split_once("## Series").unwrap();
    let rows =
        section.split("\n## ").next().unwrap().lines().filter_map(|line| line.strip_prefix("| `kiket_"));
    let mut documented = BTreeMap::new();
    for row in rows {
        let cells: Vec<_> = row.trim_end_matches(" |").split(" | ").collect();
        let [name, kind, names, help] = *cells else {
            let [name, kind, rest] = *cells else { panic!("{row}") };
            let help = rest.trim_start_matches("| ");
            documented.insert(format!("kiket_{}", name.trim_end_matches('`')), (kind, BTreeSet::new(), help));
            continue;
        };
        let names = names.split(", ").map(|name| name.trim_matches('`').to_owned()).collect();
        documented.insert(format!("kiket_{}", name.trim_end_matches('`')), (kind, names, help));
    }
    assert!(
        documented.keys().eq(scrape.families.keys()),
        "{:?}\n{:?}",
        documented.keys(),
        scrape.families.keys()
    );
    for (name, (kind, help)) in &scrape.families {
        let expected = (&**kind, labels.get(name).cloned().unwrap_or_default(), &**help);
        assert_eq!(documented[name], expected, "{name}");
    }
}

/// The metrics that a query names, each with its matchers as they are written.
fn metrics_in(query: &str) -> Vec<(String, String)> {
    let is_part = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    let mut found = Vec::new();
    for (at, _) in query.match_indices("kiket_") {
        let rest = &query[at..];
        let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
        let matchers = rest[end..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
        found.push((
            rest[..end].to_owned(),
            matchers.map(|(inside, _)| inside.to_owned()).unwrap_or_default(),
        ));
    }
    found
}

/// What is wrong with the names in a query.
fn wrong_names(query: &str, scrape: &Scrape) -> Vec<String> {
    let (labels, mut wrong) = (scrape.labels(), Vec::new());
    let sources = [
        "metrics/deliveries.rs",
        "metrics/calls.rs",
        "metrics/inbox.rs",
        "error/signature.rs",
        "error/token.rs",
        "pipeline/exposition.rs",
    ];
    let sources = sources.map(|source| text(&format!("kiket-runtime/src/{source}"))).concat();
    for (name, matchers) in metrics_in(query) {
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        let histogram = histogram
            .filter(|family| scrape.families.get(*family).is_some_and(|(kind, _)| kind == "histogram"));
        let family = histogram.unwrap_or(&name);
        match scrape.families.get(family) {
            None => wrong.push(format!("no metric {name}")),
            Some((kind, _)) if kind == "histogram" && histogram.is_none() => {
                wrong.push(format!("{name} is a histogram"));
            }
            Some(_) => {}
        }
        for matcher in matchers.split("\",").filter(|matcher| !matcher.trim().is_empty()) {
            let (label, values) = matcher.trim().trim_end_matches('"').split_once('"').unwrap();
            let label = label.trim_end_matches(['=', '!', '~']);
            if ["job", "instance", "le", "event", "version"].contains(&label) {
                continue;
            }
            if !labels.get(family).is_some_and(|labels| labels.contains(label)) {
                wrong.push(format!("{name} has no label {label}"));
            }
            let plain = values.split('|').filter(|value| !value.contains('.'));
            wrong.extend(
                plain
                    .filter(|value| !sources.contains(&format!("\"{value}\"")))
                    .map(|value| format!("{name}: no {label} {value}")),
            );
        }
    }
    wrong
}

#[tokio::test]
async fn dashboard_alerts_and_pages_name_metrics_that_exist() {
    let scrape = played_with_an_inbox().await;
    let dashboard: Value = serde_json::from_str(&text("deploy/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "every panel has an id of its own");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries: Vec<_> = targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    assert!(queries.len() > 20, "{queries:?}");
    let mut shown = BTreeSet::new();
    for query in &queries {
        assert_eq!(wrong_names(query, &scrape), [""; 0], "{query}");
        shown.extend(metrics_in(query).into_iter().map(|(name, _)| name));
    }
    for family in scrape.families.keys() {
        assert!(shown.iter().any(|name| name.starts_with(family.as_str())), "no panel shows {family}");
    }
    for file in ["deploy/alerts.yml", "docs/operations.md", "docs/metrics.md"] {
        let mut wrong = wrong_names(&text(file), &scrape);
        // A page also names a histogram as such.
        wrong.retain(|wrong| !wrong.ends_with("is a histogram"));
        assert_eq!(wrong, [""; 0], "{file}");
    }
    assert_eq!(wrong_names("kiket_x", &scrape), ["no metric kiket_x"]);
    let query = "kiket_calls_total{job=\"a\",famly=\"secrets\", status=~\"5..|500|499\"} + kiket_call_duration_seconds";
    assert_eq!(
        wrong_names(query, &scrape),
        [
            "kiket_calls_total has no label famly",
            "kiket_calls_total: no status 499",
            "kiket_call_duration_seconds is a histogram"
        ]
    );
}

fn alerts() -> Vec<String> {
    let rules = text("deploy/alerts.yml");
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ").map(str::to_owned)).collect()
}

/// What the alerts take an `increase` of: each as parts that all stand in the name of a series.
fn increases() -> Vec<Vec<String>> {
    let rules = text("deploy/alerts.yml");
    let queries = rules.split("increase(").skip(1).map(|rest| metrics_in(rest).remove(0));
    let selected = queries.flat_map(|(name, matchers)| {
        let mut selected = vec![vec![name]];
        for matcher in matchers.split("\",").filter(|matcher| !matcher.trim().is_empty()) {
            let (label, values) = matcher.trim().trim_end_matches('"').split_once('"').unwrap();
            let label = label.trim_end_matches(['=', '~']);
            let values = values.split('|').map(|value| format!("{label}=\"{value}\""));
            let all = values.flat_map(|value| {
                selected.iter().map(move |parts| [parts.as_slice(), std::slice::from_ref(&value)].concat())
            });
            selected = all.collect();
        }
        selected
    });
    selected.collect()
}

#[tokio::test]
async fn an_alert_sees_the_first_of_its_events() {
    let scene = Scene::start();
    let started = scrape(&scene.running).await;
    scene.play().await;
    for (path, payload, status) in [
        ("/v/v1/webhooks/issue.created", json!({ "event": "case.created" }), 400), // event_mismatch
        ("/webhooks/issue.created", json!({}), 400),                               // version_missing
        ("/v/v1/webhooks/issue.created?version=2", json!({}), 400),                // versions_conflict
        ("/v/x/webhooks/issue.created", json!({}), 400),                           // malformed_version
        ("/v/v1/webhooks/not%20a%20name", json!({}), 400),                         // malformed_event
    ] {
        let delivery = delivery("issue.created", "v1", &payload).path(path);
        assert_eq!(scene.send(crate::running::sign(delivery)).await.status, status, "{path}");
    }
    let troubled = scrape(&scene.running).await;
    scene.running.stop().await;
    let is_of = |series: &str, parts: &Vec<String>| parts.iter().all(|part| series.contains(part.as_str()));

    let increases = increases();
    assert!(increases.len() > 30, "{increases:?}");
    let appeared = troubled.series.keys().filter(|series| !started.series.contains_key(*series));
    let appeared = appeared.filter(|series| increases.iter().any(|parts| is_of(series, parts)));
    assert_eq!(appeared.collect::<Vec<_>>(), [""; 0]);
    let mut known = started;
    known.add(deferred().await); // for the counters of the inbox
    let lacking = increases.iter().filter(|parts| !known.series.keys().any(|series| is_of(series, parts)));
    let lacking: Vec<_> = lacking.collect();
    assert!(lacking.is_empty(), "{lacking:?}");
}

#[test]
fn every_alert_has_an_entry_in_the_runbook() {
    let (page, rules) = (text("docs/operations.md"), text("deploy/alerts.yml"));
    let (_, runbook) = page.split_once("\n## Runbook\n").unwrap();
    let runbook = runbook.split("\n## ").next().unwrap();
    let entries: Vec<_> =
        runbook.lines().filter_map(|line| line.strip_prefix("### ").map(str::to_owned)).collect();
    assert_eq!(entries, alerts());
    for alert in alerts() {
        let link = format!("docs/operations.md#{}\n", alert.to_ascii_lowercase());
        assert!(rules.contains(&link), "{alert} links {link}");
    }
}

#[test]
fn every_code_of_lost_events_says_what_to_do() {
    let (page, rules) = (text("docs/operations.md"), text("deploy/alerts.yml"));
    let (_, table) = page.split_once("\n## Other responses in the log\n").unwrap();
    let table = table.split("\n## ").next().unwrap();
    let mut codes = Vec::new();
    for alert in ["KiketEventsLost", "KiketRequestsLost"] {
        let (_, rule) = rules.split_once(&format!("alert: {alert}\n")).unwrap();
        let (_, alternatives) = rule.split_once("code=~\"").unwrap();
        codes.extend(alternatives.split('"').next().unwrap().split('|'));
    }
    assert!(codes.len() > 14, "{codes:?}");
    // What no route has seen has a line of its own in the log.
    assert!(codes.contains(&"works_only"), "{codes:?}");
    codes.retain(|code| !["no_route", "unreadable"].contains(code));
    let lacking: Vec<_> = codes.into_iter().filter(|code| !table.contains(&format!("`{code}`"))).collect();
    assert_eq!(lacking, [""; 0]);
}

/// Series of a process with their values for each minute, and the alerts that fire after an hour and a half.
struct Scenario {
    series: Vec<(String, String)>,
    firing: Vec<String>,
}

impl Scenario {
    /// What happened between two scrapes happens every minute.
    fn repeated(before: &Scrape, after: &Scrape, firing: &[&str]) -> Self {
        let series = after.series.iter().map(|(name, value)| {
            let number = |value: Option<&String>| value.map_or(0.0, |value| value.parse::<f64>().unwrap());
            let is_gauge = !name.contains("_total") && !name.contains("_seconds_");
            let step = if is_gauge { 0.0 } else { number(Some(value)) - number(before.series.get(name)) };
            (name.clone(), format!("{value}+{step}x100"))
        });
        Self { series: series.collect(), firing: firing.iter().map(|alert| (*alert).to_owned()).collect() }
    }

    fn written(alert: &str, series: &[(&str, &str)]) -> Self {
        let own = series.iter().map(|(name, values)| ((*name).to_owned(), (*values).to_owned()));
        let build = (alert != "KiketAbsent").then(|| ("kiket_build_info".to_owned(), "1+0x100".to_owned()));
        Self { series: own.chain(build).collect(), firing: vec![alert.to_owned()] }
    }

    fn test(&self) -> Value {
        let series = self.series.iter().map(|(name, values)| {
            let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
            json!({ "series": format!("{name}{{job=\"kiket\",instance=\"a\",{labels}"), "values": values })
        });
        let series = series.collect::<Vec<_>>();
        let samples: Vec<_> = self
            .firing
            .iter()
            .map(|alert| json!({ "labels": format!("{{alertname=\"{alert}\"}}"), "value": 1 }))
            .collect();
        let firing = r#"count by (alertname) (ALERTS{alertstate="firing"}) * 0 + 1"#;
        json!({
            "name": self.firing.join(", "),
            "interval": "1m",
            "input_series": series,
            "promql_expr_test": [{ "expr": firing, "eval_time": "90m", "exp_samples": samples }],
        })
    }
}

#[tokio::test]
async fn alerts_fire_for_real_deliveries_and_for_nothing_else() {
    let scene = Scene::start();
    let started = scrape(&scene.running).await;
    for id in 100..120 {
        assert_eq!(scene.deliver("issue.created", json!({ "id": id })).await, 200);
    }
    let quiet = scrape(&scene.running).await;
    scene.play().await;
    let troubled = scrape(&scene.running).await;
    scene.running.stop().await;
    let mut known = Scrape::read(&troubled.text);
    known.add(deferred().await);
    let trouble = [
        "KiketCallsFail",
        "KiketDeliveriesFail",
        "KiketEventsLost",
        "KiketHandlerPanics",
        "KiketRequestsLost",
    ];
    let delivered = |status: &str, code: &str| {
        format!("kiket_deliveries_total{{event=\"e\",version=\"v1\",status=\"{status}\",code=\"{code}\"}}")
    };
    let (ok, late) = (delivered("2xx", "ok"), delivered("5xx", "deadline_exceeded"));
    let rising = "0+1x100";
    let written: [(&str, &[(&str, &str)]); 19] = [
        ("KiketAbsent", &[("kiket_draining", "0+0x100")]),
        (
            "KiketSignaturesRefused",
            &[
                ("kiket_signature_failures_total{cause=\"signature_mismatch\"}", "0+10x100"),
                ("kiket_signatures_accepted_total{secret=\"current\"}", rising),
            ],
        ),
        (
            "KiketTokensRefused",
            &[("kiket_token_failures_total{cause=\"token_expired\"}", "0+10x100"), (&ok, rising)],
        ),
        ("KiketDeadlinesExceeded", &[(&late, rising), (&ok, "0+100x100")]),
        (
            "KiketSaturated",
            &[("kiket_deliveries_in_flight", "500+0x100"), ("kiket_concurrency_limit", "512+0x100")],
        ),
        ("KiketSheds", &[("kiket_requests_refused_total{code=\"overloaded\"}", rising)]),
        (
            "KiketClockSkew",
            &[
                ("kiket_clock_skew_seconds_bucket{signed=\"past\",le=\"60\"}", rising),
                ("kiket_clock_skew_seconds_count{signed=\"past\"}", "0+2x100"),
            ],
        ),
        ("KiketStoreErrors", &[("kiket_store_errors_total{operation=\"begin\"}", rising)]),
        ("KiketLeasesLost", &[("kiket_leases_lost_total", rising)]),
        ("KiketInboxOld", &[("kiket_inbox_oldest_seconds{event=\"e\",version=\"v1\"}", "0+60x100")]),
        ("KiketInboxDead", &[("kiket_inbox_attempts_total{result=\"attempts\"}", rising)]),
        ("KiketInboxRefuses", &[("kiket_inbox_accepted_total{result=\"full\"}", rising)]),
        ("KiketInboxErrors", &[("kiket_inbox_errors_total", rising)]),
        ("KiketInboxLeasesLost", &[("kiket_inbox_renewals_lost_total", rising)]),
        ("KiketCallsUnauthorized", &[("kiket_calls_total{family=\"secrets\",status=\"401\"}", rising)]),
        ("KiketRateLimited", &[("kiket_rate_limit_wait_seconds_sum", "0+120x100")]),
        ("KiketLogLinesDropped", &[("kiket_log_lines_dropped_total", rising)]),
        ("KiketDrainHangs", &[("kiket_draining", "1+0x100")]),
        ("KiketRestarts", &[("kiket_start_time_seconds", "1+60x100")]),
    ];
    for (_, series) in written {
        for (name, _) in series {
            assert_eq!(wrong_names(name, &known), [""; 0], "{name}");
        }
    }
    let scenarios =
        [Scenario::repeated(&started, &quiet, &[]), Scenario::repeated(&quiet, &troubled, &trouble)];
    let written = written.iter().map(|(alert, series)| Scenario::written(alert, series));
    let scenarios: Vec<_> = scenarios.into_iter().chain(written).collect();
    let covered: BTreeSet<_> =
        scenarios.iter().flat_map(|scenario| scenario.firing.iter().cloned()).collect();
    assert_eq!(covered, alerts().into_iter().collect(), "each alert fires once");

    let tests: Vec<_> = scenarios.iter().map(Scenario::test).collect();
    let rules = file("deploy/alerts.yml");
    let tests = json!({ "rule_files": [rules], "evaluation_interval": "1m", "tests": tests });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts.test.yml");
    std::fs::write(&path, tests.to_string()).unwrap();
    promtool(&["check", "rules", rules.to_str().unwrap()], "").await;
    promtool(&["test", "rules", path.to_str().unwrap()], "").await;
}
