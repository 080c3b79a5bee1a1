//! A console over a store, with an extension and a fake platform that run in the test, and a proxy that is a function.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex, mpsc::channel},
    thread,
    time::{Duration, Instant, SystemTime},
};

use cargo_kiket::console::{
    Arrival, Console, Control, DeliveryId, End, Handler, Inbox, Options, Origin, Outgoing, ResponseSeen,
    Secrets, State, Status, Store, open_store,
};
use kiket_runtime::{Clock, Context, Error, Extension, HandlerError, Headers, Payload, Reply, Secret};
use kiket_testing::{Capture, FakePlatform, delivery};
use serde_json::{Value, json};

pub(crate) const SECRET: &str = "canary_webhook_0000000001";

/// Everything that a test of the console needs.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) console: Option<Console>,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) platform: FakePlatform,
    options: Options,
    stop: Option<Box<dyn FnOnce() + Send>>,
}

/// Sends to the extension, and shows it to the store.
pub(crate) struct Proxy {
    extension: SocketAddr,
    store: Store,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) named: Vec<(String, Secret)>,
    pub(crate) inbox: Mutex<Option<Inbox>>,
    lines: bool,
}

async fn created(Payload(payload): Payload, context: Context) -> Result<Reply, HandlerError> {
    context.endpoints().log_event("issue.created", json!({ "title": payload["issue"]["title"] })).await?;
    Ok(Reply::json(json!({ "noted": payload["issue"]["title"], "id": payload["id"] })))
}

async fn updated(Payload(payload): Payload) -> Result<Reply, HandlerError> {
    if payload["issue"]["title"].is_null() {
        return Err(Error::retry("the CRM is down: 503 from https://crm.example.com").into());
    }
    Ok(Reply::ok())
}

/// The handlers of the extension, as its program lists them.
pub(crate) fn handlers() -> Vec<Handler> {
    let handler = |event: &str, function: &str, line, scopes: &[&str]| Handler {
        event: event.to_owned(),
        version: "v1".to_owned(),
        function: format!("crm::{function}"),
        file: "src/main.rs".to_owned(),
        line,
        timeout_ms: 10_000,
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        deduplicated: true,
        deferred: false,
    };
    vec![
        handler("issue.created", "on_issue_created", 21, &[]),
        handler("issue.updated", "on_issue_updated", 34, &[]),
        handler("case.created", "on_case_created", 52, &["cases:read"]),
    ]
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Vec::new())
    }

    /// One that knows these secrets, too.
    pub(crate) fn with(named: Vec<(String, Secret)>) -> Self {
        let store = open_store(
            Secrets {
                webhook: vec![SECRET.into()],
                retired: vec!["canary_retired_0000000002".into()],
                named: named.clone(),
            },
            Clock::system(),
        );
        let calls = store.clone();
        let platform = FakePlatform::builder().on_call(move |call| calls.call(call)).start().unwrap();
        let builder = Extension::builder()
            .on("issue.created", "v1", created)
            .on("issue.updated", "v1", updated)
            .on("case.created", "v1", async || Reply::ok());
        let builder = platform.extension(builder).webhook_secret(SECRET).without_manifest();
        let builder =
            builder.id("com.example.crm").version("1.4.0").telemetry(|telemetry| telemetry.enabled(false));
        let extension = builder.http(|http| http.host("127.0.0.1").port(0).workers(1)).build().unwrap();
        let (send, receive) = channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = extension.bind().unwrap();
                send.send((server.addresses()[0], server.handle())).unwrap();
                server.run().await.unwrap();
            });
        });
        let (address, handle) = receive.recv().unwrap();
        let proxy = Arc::new(Proxy {
            extension: address,
            store: store.clone(),
            folder: tempfile::tempdir().unwrap(),
            named,
            inbox: Mutex::default(),
            lines: true,
        });
        store.status(Status {
            extension: Some("com.example.crm 1.4.0".to_owned()),
            state: State::Running,
            url: Some("http://127.0.0.1:8000".to_owned()),
            platform: Some(platform.url().to_owned()),
        });
        let token = Some("0123456789abcdef".repeat(4));
        let mut options = Options { port: 0, token };
        let console = Console::serve(store.clone(), proxy.clone(), options.clone()).unwrap();
        options.port = console.address().port();
        let stop: Box<dyn FnOnce() + Send> = Box::new(move || handle.stop());
        Self { store, console: Some(console), proxy, platform, options, stop: Some(stop) }
    }

    pub(crate) fn console(&self) -> &Console {
        self.console.as_ref().unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.console().address()
    }

    /// Ends the console.
    pub(crate) fn stop_console(&mut self) {
        self.console = None;
    }

    /// Starts it again, at the same port with the same token, over the same store.
    pub(crate) fn start_console(&mut self) {
        let begun = Instant::now();
        let console = loop {
            // The listener before may need a moment to close.
            match Console::serve(self.store.clone(), self.proxy.clone(), self.options.clone()) {
                Ok(console) => break console,
                Err(error) => assert!(begun.elapsed() < Duration::from_secs(20), "{error}"),
            }
            thread::yield_now();
        };
        self.console = Some(console);
    }

    /// Delivers this body, signed now, and waits until it is recorded.
    pub(crate) fn deliver(&self, event: &str, body: &Value) -> DeliveryId {
        let signed = delivery(event, "v1", body).sign(SECRET, now());
        self.pass(&signed.path, signed.headers, &signed.body, Origin::Machine)
    }

    /// Delivers the documented body of an event, with this id.
    pub(crate) fn documented(&self, event: &str, id: &str) -> DeliveryId {
        let mut body = kiket_testing::fixture(event).unwrap();
        body["id"] = id.into();
        self.deliver(event, &body)
    }

    #[expect(clippy::needless_pass_by_value, reason = "what was signed is delivered once")]
    pub(crate) fn pass(
        &self,
        target: &str,
        headers: Vec<(String, String)>,
        body: &[u8],
        origin: Origin,
    ) -> DeliveryId {
        let id = self.proxy.pass(target, &headers, body, origin);
        self.store.settle();
        id
    }

    /// A page that has the cookie and the proof.
    pub(crate) fn session(&self) -> Session {
        Session::open(self.address(), self.console().url().split('#').nth(1).unwrap())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.take().unwrap()();
    }
}

pub(crate) fn now() -> u64 {
    Clock::system().unix_seconds()
}

impl Proxy {
    pub(crate) fn pass(
        &self,
        target: &str,
        headers: &[(String, String)],
        body: &[u8],
        origin: Origin,
    ) -> DeliveryId {
        let id = self.store.arrived(Arrival {
            at: SystemTime::now(),
            method: "POST".to_owned(),
            target: target.to_owned(),
            headers: headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect(),
            body: body.to_vec().into(),
            is_whole: true,
            from: origin,
        });
        let begun = Instant::now();
        let lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let headers = lines.concat();
        let head = format!(
            "POST {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
            self.extension,
            body.len()
        );
        let response = exchange(self.extension, &[head.as_bytes(), body].concat());
        let took = begun.elapsed();
        if self.lines {
            self.line(body, response.status, took);
        }
        let pairs = response.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let headers: Headers = pairs.collect();
        let end =
            End::Response { status: response.status, headers, body: response.body.into(), by_proxy: false };
        self.store.responded(id, ResponseSeen { took, end });
        id
    }

    /// The line that the extension would print.
    fn line(&self, body: &[u8], status: u16, took: Duration) {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return };
        let function = match body["event"].as_str() {
            Some("issue.created") => "crm::on_issue_created",
            Some("issue.updated") => "crm::on_issue_updated",
            _ => return,
        };
        let (level, message) =
            if status < 300 { ("INFO", "delivery handled") } else { ("ERROR", "delivery failed") };
        let span = json!({ "name": "delivery", "event": body["event"], "version": "v1", "delivery_id": body["id"], "handler": function });
        let line = json!({ "timestamp": "2026-11-26T04:12:33.104512Z", "level": level, "message": message, "status": status,
            "duration_ms": took.as_secs_f64() * 1000.0, "span": span });
        self.store.log_line(&line.to_string());
    }
}

impl Control for Proxy {
    fn send(&self, outgoing: Outgoing) -> Result<DeliveryId, String> {
        Ok(self.pass(&outgoing.target, &outgoing.headers, &outgoing.body, outgoing.origin))
    }

    fn webhook_secret(&self) -> Option<Secret> {
        Some(SECRET.into())
    }

    fn secret(&self, name: &str) -> Option<Secret> {
        self.named.iter().find(|(known, _)| known == name).map(|(_, secret)| secret.clone())
    }

    fn runtime_token(&self, _scopes: &[String]) -> Option<Secret> {
        None
    }

    fn handlers(&self) -> Vec<Handler> {
        handlers()
    }

    fn save(&self, name: &str, capture: &Capture) -> Result<PathBuf, String> {
        let path = self.folder.path().join(format!("{name}.json"));
        if path.exists() {
            return Err(format!("there is a capture `{name}` already"));
        }
        capture.save(&path).map_err(|error| error.to_string())?;
        Ok(PathBuf::from(format!("captures/{name}.json")))
    }

    fn inbox(&self) -> Option<Inbox> {
        self.inbox.lock().unwrap().clone()
    }
}

/// A response, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends these bytes, and reads until the connection is closed.
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> Received {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // It may be refused before it is read.
    let _ = stream.write_all(bytes);
    let mut all = Vec::new();
    let mut chunk = [0; 8192];
    // Some servers leave the connection open, although they say that they close it.
    while !is_whole(&all) {
        match stream.read(&mut chunk) {
            Ok(count) if count > 0 => all.extend_from_slice(&chunk[..count]),
            _ => break,
        }
    }
    received(&all)
}

/// Whether a response has as many bytes as it announces.
fn is_whole(all: &[u8]) -> bool {
    let Some(end) = all.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&all[..end]).to_ascii_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| all.len() >= end + 4 + length)
}

pub(crate) fn received(all: &[u8]) -> Received {
    let end = all
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("{:?}", String::from_utf8_lossy(all)));
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    let headers: Vec<_> = headers.collect();
    let mut body = all[end + 4..].to_vec();
    if headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked") {
        body = unchunked(&body);
    }
    Received { status, headers, body }
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[(end + 4 + size).min(bytes.len())..];
    }
    body
}

/// What a page has after it showed its token.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) address: SocketAddr,
    pub(crate) cookie: String,
    pub(crate) proof: String,
}

impl Session {
    pub(crate) fn open(address: SocketAddr, token: &str) -> Self {
        let body = json!({ "token": token }).to_string();
        let headers = [("x-kiket-console", "1"), ("content-type", "application/json")];
        let response = request(address, "POST", "/api/session", &headers, &body);
        assert_eq!(response.status, 200, "{response:?}");
        let cookie = response.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        Self { address, cookie, proof: response.json()["proof"].as_str().unwrap().to_owned() }
    }

    /// The headers that the page sends.
    pub(crate) fn headers(&self) -> [(&str, &str); 2] {
        [("cookie", &self.cookie), ("x-kiket-console", &self.proof)]
    }

    pub(crate) fn get(&self, path: &str) -> Received {
        request(self.address, "GET", path, &self.headers(), "")
    }

    #[track_caller]
    pub(crate) fn json(&self, path: &str) -> Value {
        let response = self.get(path);
        assert_eq!(response.status, 200, "{path}: {response:?}");
        response.json()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Received {
        let [cookie, proof] = self.headers();
        let headers = [cookie, proof, ("content-type", "application/json")];
        request(self.address, "POST", path, &headers, &body.to_string())
    }

    /// The first messages of the stream, until one fits.
    pub(crate) fn events(&self, query: &str, mut fits: impl FnMut(&Value) -> bool) -> Value {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = head(self.address, "GET", &format!("/api/events?{query}"), &self.headers(), 0);
        stream.write_all(head.as_bytes()).unwrap();
        let mut all = Vec::new();
        let mut chunk = [0; 8192];
        loop {
            let count = stream.read(&mut chunk).unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&all));
            all.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&all).into_owned();
            let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
            let messages = whole.split("\n\n").filter_map(|it| it.split_once("data: "));
            let messages = messages.map(|(_, json)| serde_json::from_str::<Value>(json).unwrap());
            if let Some(found) = messages.into_iter().find(|message| fits(message)) {
                return found;
            }
        }
    }
}

fn head(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> String {
    let has_host = headers.iter().any(|(name, _)| *name == "host");
    let host = if has_host { String::new() } else { format!("host: {address}\r\n") };
    let lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let lines = lines.concat();
    format!("{method} {path} HTTP/1.1\r\n{host}{lines}content-length: {length}\r\n\r\n")
}

/// One request with exactly these headers, `host` and `content-length`.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Received {
    exchange(address, format!("{}{body}", head(address, method, path, headers, body.len())).as_bytes())
}
