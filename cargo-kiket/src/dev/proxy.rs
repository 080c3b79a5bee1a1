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
    exchange::{Cut, Next, RequestSeen, ResponseSeen, Shown, Side, exchange},
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

/// A delivery whose last byte was passed on.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) at: SystemTime,
    pub(super) head: Bytes,
    /// The body without the framing of chunks, up to [`MOST_SHOWN`](super::exchange::MOST_SHOWN).
    pub(super) body: Bytes,
    /// The bytes of the whole body.
    pub(super) whole: u64,
    /// The address of the sender's end.
    pub(super) client: SocketAddr,
}

/// How a delivery ended.
#[derive(Debug)]
pub(super) enum Ended {
    Response { head: Bytes, body: Bytes, by_proxy: bool },
    Nothing { why: &'static str, sender_left: bool },
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
            let seen = RequestSeen { at: SystemTime::now(), head, body: Shown::default(), ended: None };
            (Some(seen), Some(ResponseSeen::default()))
        } else {
            (None, None)
        };
        let (observer, peer) = (Arc::clone(&self.observer), self.peer);
        let mut arrival = None;
        let mut arrived = |seen: &mut Option<RequestSeen>| {
            if let Some(RequestSeen { at, head, body, ended }) = seen.take() {
                let Shown { bytes, whole } = body;
                let delivery =
                    observer.arrived(Arrived { at, head, body: bytes.freeze(), whole, client: peer });
                arrival = Some((delivery, ended.unwrap_or_else(Instant::now)));
            }
        };
        let (leased, result) = match connected(&self.upstreams, &mut self.process).await {
            Ok((lease, process)) => {
                let passed = exchange(
                    &mut self.client,
                    &mut process.side,
                    head,
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
        let connected = match kept {
            Some(kept) => Some(kept),
            None => {
                let stream =
                    timeout(CONNECT, TcpStream::connect(upstream.address)).await.ok().and_then(Result::ok);
                stream.map(|stream| Process {
                    side: Side::new(stream),
                    upstream: Arc::clone(upstream),
                    used: Instant::now(),
                })
            }
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
