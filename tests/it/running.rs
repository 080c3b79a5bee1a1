//! An extension behind a real socket, and connections that say exactly what a test wants said.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, Instant},
};

use crate::canary::log_if_searched;
use kiket::{
    Extension, ExtensionBuilder,
    config::Clock,
    http::ServerHandle,
    testing::{self, DeliveryBuilder, SignedDelivery},
};
use serde::Serialize;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    task::JoinHandle,
};

/// The secret of every extension here.
pub(crate) const SECRET: &str = testing::SECRET;
/// A second secret for what panics: the panic hook of the tests prints it, and the canary is not to be found.
pub(crate) const PRINTED: &str = "the_second_secret";
/// Where the clock stands.
pub(crate) const NOW: u64 = 1_700_000_000;
/// The body of every refused signature; wire contract, signature-refusal.
pub(crate) const UNSIGNED: &str = r#"{"error":"invalid signature"}"#;
/// Longer than anything takes on a busy machine; what waits longer hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// An extension that depends on nothing around it: not on annotated functions, a manifest, variables or the time.
pub(crate) fn builder() -> ExtensionBuilder {
    log_if_searched();
    Extension::builder()
        .without_collected()
        .without_manifest()
        .dedupe(|dedupe| dedupe.enabled(false)) // tests send the same again and again
        .environment::<&str, &str>([])
        .webhook_secret(SECRET)
        .clock(Clock::fixed(NOW))
        .http(|http| http.host("127.0.0.1").port(0).workers(1))
}

/// A signed delivery of `issue.created` in `v1`.
pub(crate) fn signed(payload: &impl Serialize) -> SignedDelivery {
    sign(testing::delivery("issue.created", "v1", payload))
}

/// Signs with the secret and the time of [`builder`].
pub(crate) fn sign(delivery: DeliveryBuilder) -> SignedDelivery {
    delivery.sign(SECRET, NOW)
}

/// A request as it goes over the wire, with the length of its body.
pub(crate) fn request(delivery: &SignedDelivery) -> Vec<u8> {
    let length = [("content-length", delivery.body.len().to_string())];
    [head("POST", &delivery.path, delivery.headers.iter().chain(&owned(&length))), delivery.body.clone()]
        .concat()
}

/// The same in chunks, without a length.
pub(crate) fn chunked(delivery: &SignedDelivery, chunk: usize) -> Vec<u8> {
    let mut request = chunked_head(delivery);
    for piece in delivery.body.chunks(chunk) {
        request.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        request.extend(piece);
        request.extend(b"\r\n");
    }
    request.extend(b"0\r\n\r\n");
    request
}

/// The head of a request whose body comes in chunks.
pub(crate) fn chunked_head(delivery: &SignedDelivery) -> Vec<u8> {
    let encoding = [("transfer-encoding", "chunked".to_owned())];
    head("POST", &delivery.path, delivery.headers.iter().chain(&owned(&encoding)))
}

fn owned(headers: &[(&str, String)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// The head of a request, its headers as they are written.
pub(crate) fn head<'h>(
    method: &str,
    path: &str,
    headers: impl IntoIterator<Item = &'h (String, String)>,
) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// Waits, but not for ever.
#[track_caller]
pub(crate) fn within<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        let waited = tokio::time::timeout(PATIENCE, future).await;
        waited.unwrap_or_else(|_| panic!("{caller}: nothing happened for {PATIENCE:?}"))
    }
}

/// Asks until the response is yes, letting others run in between.
#[track_caller]
pub(crate) fn until(mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let from = Instant::now();
        while !condition() {
            assert!(from.elapsed() < PATIENCE, "{caller}: it never became true");
            tokio::task::yield_now().await;
        }
    }
}

/// An extension that responds on a port of its own.
pub(crate) struct Running {
    extension: Extension,
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    handle: ServerHandle,
    server: JoinHandle<std::io::Result<()>>,
}

impl Running {
    #[track_caller]
    pub(crate) fn start(builder: ExtensionBuilder) -> Self {
        Self::serve(builder.build().expect("the extension starts"))
    }

    #[track_caller]
    pub(crate) fn serve(extension: Extension) -> Self {
        let server = extension.bind().expect("a free port");
        let (address, handle) = (server.addresses()[0], server.handle());
        let metrics = server.metrics_addresses().first().copied();
        Self { extension, address, metrics, handle, server: tokio::spawn(server.run()) }
    }

    pub(crate) fn extension(&self) -> &Extension {
        &self.extension
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it serves metrics.
    pub(crate) fn metrics(&self) -> Option<SocketAddr> {
        self.metrics
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::to(self.address).await
    }

    /// Sends bytes over a connection of their own.
    pub(crate) async fn ask(&self, request: &[u8]) -> Response {
        let mut connection = self.connect().await;
        connection.send(request).await;
        connection.response().await
    }

    /// Proves that it still responds.
    pub(crate) async fn still_responds(&self) {
        let response = self.ask(b"GET /health/live HTTP/1.1\r\nhost: test\r\n\r\n").await;
        assert_eq!(response.status, 200, "{response:?}");
    }

    /// Tells it to drain and stop, and does not wait.
    pub(crate) fn begin_to_stop(&self) {
        self.handle.stop();
    }

    /// Waits until it has stopped.
    pub(crate) async fn stopped(self) {
        within(self.server).await.expect("the server does not panic").expect("the server stops");
    }

    pub(crate) async fn stop(self) {
        self.begin_to_stop();
        self.stopped().await;
    }
}

/// One connection to an extension.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        let stream = within(TcpStream::connect(address)).await.expect("a connection");
        stream.set_nodelay(true).expect("an open socket");
        Self(BufReader::new(stream))
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within(self.0.get_mut().write_all(bytes)).await.expect("the server reads");
    }

    /// Sends as much as the server takes.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) {
        let _ = within(self.0.get_mut().write_all(bytes)).await;
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn finish(&mut self) {
        self.0.get_mut().shutdown().await.expect("an open socket");
    }

    /// Waits until there is something to read, and leaves it there.
    pub(crate) async fn readable(&self) {
        within(self.0.get_ref().readable()).await.expect("an open socket");
    }

    /// The next response.
    pub(crate) async fn response(&mut self) -> Response {
        self.read(true).await.expect("a response before the end")
    }

    /// The next response, to a request whose response has no body.
    pub(crate) async fn response_without_body(&mut self) -> Response {
        self.read(false).await.expect("a response before the end")
    }

    /// The next response, unless the connection was closed instead.
    pub(crate) async fn response_or_end(&mut self) -> Option<Response> {
        self.read(true).await
    }

    /// Waits until the server closes, and gives what it still said.
    pub(crate) async fn end(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = within(self.0.read_to_end(&mut rest)).await; // a reset is an end, too
        rest
    }

    async fn read(&mut self, with_body: bool) -> Option<Response> {
        let status_line = self.line().await?;
        let status = status_line.split(' ').nth(1)?.parse().expect("a status");
        let mut headers = Vec::new();
        loop {
            let line = self.line().await.expect("a whole head");
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").expect("a header");
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut response = Response { status, headers, body: Vec::new() };
        if with_body {
            let length =
                response.header("content-length").map_or(0, |length| length.parse().expect("a length"));
            response.body.resize(length, 0);
            within(self.0.read_exact(&mut response.body)).await.expect("a whole body");
        }
        Some(response)
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = within(self.0.read_line(&mut line)).await;
        if read.is_err() || line.is_empty() {
            return None;
        }
        Some(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// What came back over a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The stable code of an error.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_else(|| panic!("no code: {self:?}")).to_owned()
    }

    /// Every response is JSON and says so; every refusal says why.
    #[track_caller]
    pub(crate) fn is_well_formed(&self) {
        let types: Vec<_> = self.headers.iter().filter(|(name, _)| name == "content-type").collect();
        assert!(matches!(&*types, [(_, kind)] if kind == "application/json"), "{self:?}");
        let json = self.json();
        if self.status >= 400 {
            assert!(json["error"].is_string(), "{self:?}");
            assert!(json["code"].is_string() || self.status == 401, "{self:?}");
        }
        assert_eq!(self.header("retry-after").is_some(), self.status == 503, "{self:?}");
    }
}

/// What is logged on this thread: a line for each event, with its fields.
#[derive(Clone, Default)]
pub(crate) struct Logged(Arc<Mutex<Vec<String>>>);

impl Logged {
    /// Logs what this thread does while the guard lives.
    pub(crate) fn here() -> (Self, tracing::subscriber::DefaultGuard) {
        // While there is one subscriber, a line that another thread reaches first is off for all threads.
        static ANOTHER: LazyLock<tracing::Dispatch> =
            LazyLock::new(|| tracing::Dispatch::new(Logged::default()));
        LazyLock::force(&ANOTHER);
        let logged = Self::default();
        (logged.clone(), tracing::subscriber::set_default(logged))
    }

    /// The line that contains `part`.
    #[track_caller]
    pub(crate) fn line(&self, part: &str) -> String {
        let lines = self.0.lock().unwrap();
        let found = lines.iter().find(|line| line.contains(part)).cloned();
        found.unwrap_or_else(|| panic!("`{part}` is not in the log: {lines:?}"))
    }
}

impl tracing::Subscriber for Logged {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("kiket")
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = String::new();
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            let _ = write!(line, "{field}={value:?} ");
        });
        self.0.lock().unwrap().push(line);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
