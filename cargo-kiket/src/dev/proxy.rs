//! The proxy: holds the public port, and passes each request to the process that serves, byte for byte.
//!
//! A connection of a client has one connection to a process. What cannot be framed, like an upgrade, goes through as it is.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{
    exchange::{Cut, Next, Reading, RequestSeen, ResponseSeen, Shown, Side, exchange},
    framing::{RequestHead, fields, request_line},
    upstream::{Lease, NoProcess, Upstream, Upstreams},
};

/// How many connections are served at the same time; more wait.
const MOST_CONNECTIONS: usize = 1024;
/// How long a process on this machine may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection to a process is used again: less than an extension keeps it.
const REUSE: Duration = Duration::from_secs(30);
/// How long what cannot be framed may take.
const OPAQUE: Duration = Duration::from_secs(60 * 60);

/// A delivery whose last byte was passed on, or that is refused.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) at: SystemTime,
    pub(super) head: Bytes,
    /// The body without the framing of chunks, up to [`MOST_SHOWN`](super::exchange::MOST_SHOWN).
    pub(super) body: Bytes,
    /// Whether that is all of it: it may be longer, or its sender may have left.
    pub(super) is_whole: bool,
    /// The address of the sender's end.
    pub(super) client: SocketAddr,
}

/// How a delivery ended.
#[derive(Debug, Clone)]
pub(super) enum Ended {
    Response { head: Bytes, body: Bytes, by_proxy: bool },
    Nothing { why: &'static str, sender_left: bool },
}

impl Ended {
    /// The body of the response, as much of it as is shown.
    pub(super) fn body(&self) -> &[u8] {
        match self {
            Self::Response { body, .. } => body,
            Self::Nothing { .. } => &[],
        }
    }
}

/// Gets what the proxy saw. It must not block.
pub(super) trait Observe: Send + Sync + 'static {
    /// What belongs to a delivery from its arrival to its end.
    type Delivery: Send;

    fn arrived(&self, arrived: Arrived) -> Self::Delivery;

    /// It ended, so long after it arrived.
    fn ended(&self, delivery: Self::Delivery, took: Duration, end: Ended);
}

/// The proxy, before it serves.
pub(super) struct Proxy<O> {
    listener: std::net::TcpListener,
    upstreams: Arc<Upstreams>,
    observer: Arc<O>,
}

/// Listens on a port of the loopback address.
pub(super) fn listen(port: u16) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

impl<O: Observe> Proxy<O> {
    pub(super) fn new(listener: std::net::TcpListener, upstreams: Arc<Upstreams>, observer: Arc<O>) -> Self {
        Self { listener, upstreams, observer }
    }

    /// Serves until the future is dropped.
    pub(super) async fn serve(self) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let connections = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        loop {
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return Ok(()) };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let (upstreams, observer) = (Arc::clone(&self.upstreams), Arc::clone(&self.observer));
                    let client = Side::new(stream);
                    tokio::spawn(async move {
                        Connection { client, peer, process: None, upstreams, observer }.serve().await;
                        drop(permit);
                    });
                }
                // There may be too many open files: others must close first.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

/// A connection of a client.
struct Connection<O> {
    client: Side,
    peer: SocketAddr,
    process: Option<Process>,
    upstreams: Arc<Upstreams>,
    observer: Arc<O>,
}

/// The connection to a process that goes with it.
struct Process {
    side: Side,
    upstream: Arc<Upstream>,
    used: Instant,
}

impl<O: Observe> Connection<O> {
    async fn serve(mut self) {
        loop {
            match self.client.next_request().await {
                Next::Request(head) => {
                    if !self.pass(&head).await {
                        return self.client.close().await;
                    }
                }
                Next::Unclear => return self.pass_opaque().await,
                Next::End => return,
            }
        }
    }

    /// Passes one request on; returns whether another one may follow.
    async fn pass(&mut self, head: &RequestHead) -> bool {
        let bytes = &self.client.buffer[..head.bytes];
        let (mut request, mut response) = if is_delivery(bytes) {
            let head = Bytes::copy_from_slice(bytes);
            let (at, body) = (SystemTime::now(), Shown::default());
            (
                Some(RequestSeen { at, head, body, is_complete: false, ended: None }),
                Some(ResponseSeen::default()),
            )
        } else {
            (None, None)
        };
        let (observer, peer) = (Arc::clone(&self.observer), self.peer);
        let mut arrival = None;
        let mut arrived = |seen: &mut Option<RequestSeen>| {
            if let Some(RequestSeen { at, head, body, is_complete, ended }) = seen.take() {
                let is_whole = is_complete && body.is_all();
                let body = body.bytes.freeze();
                let delivery = observer.arrived(Arrived { at, head, body, is_whole, client: peer });
                arrival = Some((delivery, ended.unwrap_or_else(Instant::now)));
            }
        };
        let mut reading = Reading::new(head);
        let (leased, result) = match connected(&self.upstreams, &mut self.process).await {
            Ok((lease, process)) => {
                let passed = exchange(
                    &mut self.client,
                    &mut process.side,
                    head,
                    &mut reading,
                    &mut request,
                    &mut response,
                    &mut arrived,
                );
                let passed = passed.await;
                process.used = Instant::now();
                (Some(lease), passed.map_err(Failure::Cut))
            }
            Err(why) => (None, Err(Failure::NoProcess(why))),
        };
        if !matches!(result, Ok(true)) {
            self.process = None;
        }
        // What is sent on may come again, and has to be whole for that.
        if matches!(result, Err(Failure::NoProcess(_) | Failure::Cut(Cut::NoResponse))) {
            self.client.read_on(reading, &mut request).await;
        }
        // A request that was refused, or cut off.
        arrived(&mut request);
        let (end, goes_on) = match result {
            Ok(goes_on) => {
                let ResponseSeen { head, body } = response.unwrap_or_default();
                (Ended::Response { head, body: body.bytes.freeze(), by_proxy: false }, goes_on)
            }
            Err(Failure::Cut(Cut::Client)) => {
                (Ended::Nothing { why: "the sender left", sender_left: true }, false)
            }
            Err(Failure::Cut(Cut::Incomplete)) => {
                let why = "the process ended in the middle of its response";
                (Ended::Nothing { why, sender_left: false }, false)
            }
            Err(failure) => (self.respond(&failure).await, false),
        };
        drop(leased);
        if let Some((delivery, since)) = arrival {
            self.observer.ended(delivery, since.elapsed(), end);
        }
        goes_on
    }

    /// Passes on what cannot be framed, until one side ends it.
    async fn pass_opaque(mut self) {
        let connected = connected(&self.upstreams, &mut self.process).await;
        let Ok((lease, process)) = connected else { return self.client.close().await };
        let passed = async {
            process.side.stream.write_all(&self.client.buffer).await?;
            tokio::io::copy_bidirectional(&mut self.client.stream, &mut process.side.stream).await
        };
        let _ = timeout(OPAQUE, passed).await;
        drop(lease);
        self.client.close().await;
    }

    /// Responds in place of the extension.
    async fn respond(&mut self, failure: &Failure) -> Ended {
        let (status, error) = failure.response();
        let body = serde_json::json!({ "error": error }).to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let (head, body) = (Bytes::from(head), Bytes::from(body));
        let response = [&*head, &*body].concat();
        match timeout(CONNECT, self.client.stream.write_all(&response)).await {
            Ok(Ok(())) => Ended::Response { head, body, by_proxy: true },
            _ => Ended::Nothing { why: "the sender left", sender_left: true },
        }
    }
}

/// A connection to the process that serves: that of the request before, where it still stands.
async fn connected<'p>(
    upstreams: &Upstreams,
    process: &'p mut Option<Process>,
) -> Result<(Lease, &'p mut Process), NoProcess> {
    let since = Instant::now();
    let mut gone = None;
    loop {
        let lease = upstreams.lease(since, gone.as_ref()).await?;
        let upstream = lease.upstream();
        let is_usable = |process: &Process| {
            Arc::ptr_eq(&process.upstream, upstream)
                && process.used.elapsed() < REUSE
                && process.side.is_idle()
        };
        let kept = process.take().filter(is_usable);
        let connected = if let Some(kept) = kept {
            Some(kept)
        } else {
            let stream =
                timeout(CONNECT, TcpStream::connect(upstream.address)).await.ok().and_then(Result::ok);
            stream.map(|stream| Process {
                side: Side::new(stream),
                upstream: Arc::clone(upstream),
                used: Instant::now(),
            })
        };
        match connected {
            Some(connected) => return Ok((lease, process.insert(connected))),
            // It ended just now, and another one takes its place.
            None => gone = Some(Arc::clone(upstream)),
        }
    }
}

/// Why a request gets no response of the extension.
enum Failure {
    NoProcess(NoProcess),
    Cut(Cut),
}

impl Failure {
    fn response(&self) -> (&'static str, String) {
        match self {
            Self::NoProcess(NoProcess::TooMany) => (
                "503 Service Unavailable",
                "cargo kiket dev: too many requests wait for the extension".to_owned(),
            ),
            Self::NoProcess(NoProcess::TooLong) => {
                ("503 Service Unavailable", "cargo kiket dev: the extension did not start in time".to_owned())
            }
            Self::NoProcess(NoProcess::Down(why)) => {
                ("503 Service Unavailable", format!("cargo kiket dev: {why}"))
            }
            Self::Cut(_) => {
                ("502 Bad Gateway", "cargo kiket dev: the extension ended without a response".to_owned())
            }
        }
    }
}

/// Whether a request is a delivery: by its signature, or by its path.
fn is_delivery(head: &[u8]) -> bool {
    let Some((_, target, _)) = request_line(head) else { return false };
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    path.split(|byte| *byte == b'/').any(|segment| segment == b"webhooks")
        || fields(head).any(|(name, _)| name.eq_ignore_ascii_case(b"x-kiket-signature"))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{Shutdown, TcpListener, TcpStream},
        sync::{
            Mutex,
            atomic::{AtomicUsize, Ordering},
            mpsc::{Receiver, channel},
        },
        thread,
    };

    use super::{super::upstream::LONGEST_HELD, *};

    /// How long anything may take on a machine that is busy.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Notes what was observed, and counts what arrived.
    #[derive(Default)]
    struct Notes(Mutex<Vec<String>>, AtomicUsize);

    impl Observe for Notes {
        type Delivery = String;

        fn arrived(&self, arrived: Arrived) -> String {
            self.1.fetch_add(1, Ordering::SeqCst);
            let body = String::from_utf8_lossy(&arrived.body).into_owned();
            let whole = if arrived.is_whole { "whole" } else { "in part" };
            format!("{} head, {body} {whole}", arrived.head.len())
        }

        fn ended(&self, delivery: String, _: Duration, end: Ended) {
            let end = match end {
                Ended::Response { head, body, by_proxy } => {
                    let status = String::from_utf8_lossy(&head[9..12]).into_owned();
                    format!("{status} {} {by_proxy}", String::from_utf8_lossy(&body))
                }
                Ended::Nothing { why, sender_left } => format!("{why} {sender_left}"),
            };
            self.0.lock().unwrap().push(format!("{delivery}: {end}"));
        }
    }

    struct Served {
        address: SocketAddr,
        upstreams: Arc<Upstreams>,
        notes: Arc<Notes>,
    }

    impl Served {
        /// A proxy in a thread of its own, which ends with the tests.
        fn start() -> Self {
            let (upstreams, notes) = (Arc::new(Upstreams::new(LONGEST_HELD)), Arc::new(Notes::default()));
            let listener = listen(0).unwrap();
            let address = listener.local_addr().unwrap();
            let proxy = Proxy::new(listener, Arc::clone(&upstreams), Arc::clone(&notes));
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(proxy.serve()).unwrap();
            });
            Self { address, upstreams, notes }
        }

        /// From now on requests go to a process that plays `script` on each connection.
        fn serve(&self, script: impl Fn(&mut TcpStream) + Send + 'static) {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            thread::spawn(move || {
                for stream in listener.incoming() {
                    script(&mut patient(stream.unwrap()));
                }
            });
            self.upstreams.serve(Arc::new(Upstream::new(address)));
        }

        fn connect(&self) -> TcpStream {
            patient(TcpStream::connect(self.address).unwrap())
        }

        /// What was observed, once there is so much of it.
        fn observed(&self, count: usize) -> Vec<String> {
            let deadline = std::time::Instant::now() + PATIENCE;
            loop {
                let notes = self.notes.0.lock().unwrap().clone();
                if notes.len() >= count || std::time::Instant::now() > deadline {
                    return notes;
                }
                thread::yield_now();
            }
        }
    }

    fn patient(stream: TcpStream) -> TcpStream {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn read(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
        let mut read = vec![0; bytes];
        stream.read_exact(&mut read).unwrap();
        read
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// Sends a request, and compares what arrives on both sides with what was sent.
    #[track_caller]
    fn passes(request: &str, response: &str) {
        let served = Served::start();
        let (send, received): (_, Receiver<Vec<u8>>) = channel();
        let (bytes, replies) = (request.len(), response.to_owned());
        served.serve(move |stream| {
            send.send(read(stream, bytes)).unwrap();
            stream.write_all(replies.as_bytes()).unwrap();
            let _ = stream.shutdown(Shutdown::Write);
        });
        let mut client = served.connect();
        // In two pieces.
        let (first, second) = request.as_bytes().split_at(request.len() / 2);
        client.write_all(first).unwrap();
        client.write_all(second).unwrap();
        assert_eq!(text(&received.recv_timeout(PATIENCE).unwrap()), request);
        assert_eq!(text(&read(&mut client, response.len())), response);
    }

    #[test]
    fn requests_and_responses_pass_byte_for_byte() {
        let plain = "HTTP/1.1 200 Fine\r\nX-ODD-case:   kept  \r\nContent-Length: 2\r\n\r\n{}";
        for (request, response) in [
            ("GET /a?b=%2f HTTP/1.1\r\nHOST: x\r\nx-Twice: 1\r\nX-Twice: 2\r\nempty:\r\n\r\n", plain),
            ("POST /v/v1/webhooks/a HTTP/1.1\r\nContent-Length: 5\r\nhost: x\r\n\r\n{\"\u{e9}\"", plain),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: x\r\n\r\n", plain),
            (
                "GET / HTTP/1.1\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            ),
            ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nuntil the end"),
            (
                "GET / HTTP/1.1\r\n\r\n",
                "HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            ),
            ("HEAD / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"),
            // What cannot be framed.
            (
                "GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
                "HTTP/1.1 101 Switching\r\n\r\n\0\u{1}",
            ),
            (
                "POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
                "HTTP/1.1 400 Bad\r\n\r\n",
            ),
            ("\u{1}\u{2}\n\n", "220 hello"),
            ("GET / HTTP/1.1\r\n\r\n", "no HTTP"),
        ] {
            passes(request, response);
        }
    }

    #[test]
    fn a_delivery_has_arrived_before_the_process_has_it() {
        const REQUEST: &[u8] = b"POST /v/v1/webhooks/a HTTP/1.1\r\nContent-Length: 2\r\nhost: x\r\n\r\n{}";
        const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let served = Served::start();
        let (notes, (send, arrived)) = (Arc::clone(&served.notes), channel());
        served.serve(move |stream| {
            for _ in 0..200 {
                read(stream, REQUEST.len());
                send.send(notes.1.load(Ordering::SeqCst)).unwrap();
                stream.write_all(RESPONSE).unwrap();
            }
        });
        let mut client = served.connect();
        for delivery in 1..=200 {
            client.write_all(REQUEST).unwrap();
            read(&mut client, RESPONSE.len());
            assert_eq!(arrived.recv_timeout(PATIENCE), Ok(delivery));
        }
    }

    #[test]
    fn a_connection_is_kept_and_follows_the_process() {
        let served = Served::start();
        let replies = |name: &'static str| {
            move |stream: &mut TcpStream| {
                let request = "POST /webhooks/a HTTP/1.1\r\ncontent-length: 1\r\n\r\n1".len();
                let mut bytes = vec![0; request];
                // Until the proxy leaves it.
                while stream.read_exact(&mut bytes).is_ok() {
                    let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len());
                    stream.write_all(response.as_bytes()).unwrap();
                }
            }
        };
        served.serve(replies("one"));
        let mut client = served.connect();
        let request = |number: u8| format!("POST /webhooks/a HTTP/1.1\r\ncontent-length: 1\r\n\r\n{number}");
        let response = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n".len() + 3;
        // Two at once.
        client.write_all((request(1) + &request(2)).as_bytes()).unwrap();
        assert!(text(&read(&mut client, 2 * response)).ends_with("one"));
        served.serve(replies("two"));
        client.write_all(request(3).as_bytes()).unwrap();
        assert!(text(&read(&mut client, response)).ends_with("two"));
        assert_eq!(
            served.observed(3),
            [
                "48 head, 1 whole: 200 one false",
                "48 head, 2 whole: 200 one false",
                "48 head, 3 whole: 200 two false"
            ]
        );
    }

    #[test]
    fn a_refusal_reaches_a_client_that_still_sends() {
        let served = Served::start();
        let refusal = "HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbig";
        served.serve(move |stream| {
            read(stream, 10);
            stream.write_all(refusal.as_bytes()).unwrap();
        });
        let mut client = served.connect();
        client.write_all(b"POST /webhooks/a HTTP/1.1\r\ncontent-length: 9999999\r\n\r\n").unwrap();
        for _ in 0..64 {
            // The other side may have closed.
            let _ = client.write_all(&[b'x'; 1024]);
        }
        assert_eq!(text(&read(&mut client, refusal.len())), refusal);
        assert!(served.observed(1)[0].contains("in part: 413 "), "{:?}", served.observed(1));
    }

    #[test]
    fn what_a_process_leaves_unsaid_is_said() {
        let ask = "POST /webhooks/a HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}";
        let served = Served::start();
        served.serve(move |stream| drop(read(stream, ask.len())));
        let mut client = served.connect();
        client.write_all(ask.as_bytes()).unwrap();
        let mut response = String::new();
        client.read_to_string(&mut response).unwrap();
        assert!(
            response.starts_with("HTTP/1.1 502 ") && response.contains("without a response"),
            "{response}"
        );
        assert!(served.observed(1)[0].ends_with(" true"), "{:?}", served.observed(1));

        // A half of a response is no whole one.
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc";
        served.serve(move |stream| {
            read(stream, ask.len());
            stream.write_all(half.as_bytes()).unwrap();
        });
        let mut client = served.connect();
        client.write_all(ask.as_bytes()).unwrap();
        let mut response = String::new();
        client.read_to_string(&mut response).unwrap();
        assert_eq!(response, half);
        assert!(served.observed(2)[1].ends_with("in the middle of its response false"));
    }

    #[test]
    fn a_delivery_that_no_process_gets_is_seen_whole() {
        let served = Served::start();
        served.upstreams.refuse("it does not build");
        for (head, rest) in [
            ("content-length: 4\r\n\r\n{", "\"a\""),
            ("transfer-encoding: chunked\r\n\r\n1\r\n{\r\n", "3\r\n\"a\"\r\n0\r\n\r\n"),
        ] {
            let mut client = served.connect();
            client.write_all(format!("POST /webhooks/a HTTP/1.1\r\n{head}").as_bytes()).unwrap();
            client.write_all(rest.as_bytes()).unwrap();
            let mut response = String::new();
            client.read_to_string(&mut response).unwrap();
            assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
        }
        let refused = "{\"error\":\"cargo kiket dev: it does not build\"} true";
        assert_eq!(
            served.observed(2),
            [
                format!("48 head, {{\"a\" whole: 503 {refused}"),
                format!("57 head, {{\"a\" whole: 503 {refused}")
            ]
        );

        // One that loses its process in the middle of its body.
        let head = "POST /webhooks/a HTTP/1.1\r\ncontent-length: 4\r\n\r\n";
        let (send, left) = channel();
        served.serve(move |stream| {
            read(stream, head.len() + 1);
            let _ = stream.shutdown(Shutdown::Both);
            send.send(()).unwrap();
        });
        let mut client = served.connect();
        client.write_all(format!("{head}{{").as_bytes()).unwrap();
        left.recv_timeout(PATIENCE).unwrap();
        client.write_all(b"\"a\"").unwrap();
        let mut response = String::new();
        client.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 502 "), "{response}");
        assert!(served.observed(3)[2].starts_with("48 head, {\"a\" whole: 502 "), "{:?}", served.observed(3));
    }

    #[test]
    fn a_client_that_leaves_in_its_body_is_seen_in_part() {
        let served = Served::start();
        served.upstreams.refuse("it does not build");
        let leave = || {
            let mut client = served.connect();
            client.write_all(b"POST /webhooks/a HTTP/1.1\r\ncontent-length: 4\r\n\r\n{}").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let _ = client.read_to_string(&mut String::new());
        };
        leave();
        assert!(served.observed(1)[0].starts_with("48 head, {} in part: 503 "), "{:?}", served.observed(1));
        served.serve(|stream| drop(stream.read_to_end(&mut Vec::new())));
        leave();
        assert_eq!(served.observed(2)[1], "48 head, {} in part: the sender left true");
    }

    #[test]
    fn only_deliveries_are_observed_and_without_chunks() {
        let served = Served::start();
        let requests = [
            "GET /health HTTP/1.1\r\n\r\n",
            "POST /own HTTP/1.1\r\ntransfer-encoding: chunked\r\nX-Kiket-Signature: a\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
        ];
        served.serve(|stream| {
            let mut piece = [0; 4096];
            while let Ok(1..) = stream.read(&mut piece) {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
                    .unwrap();
            }
        });
        for request in requests {
            let mut client = served.connect();
            client.write_all(request.as_bytes()).unwrap();
            read(
                &mut client,
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".len(),
            );
        }
        assert_eq!(served.observed(1), ["72 head, ab whole: 200 ok false"]);
    }

    #[test]
    fn a_process_that_just_ended_is_waited_for() {
        let served = Served::start();
        // A port on which nothing listens any more.
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        served.upstreams.serve(Arc::new(Upstream::new(gone)));
        let mut client = served.connect();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        while served.upstreams.held() == 0 {
            thread::yield_now();
        }
        served.serve(|stream| {
            read(stream, 10);
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        });
        assert_eq!(text(&read(&mut client, 27)), "HTTP/1.1 204 No Content\r\n\r\n");
    }
}
