//! HTTP for the console: one request on each connection, with limits and deadlines for everything.
//!
//! A thread serves each of at most 64 connections, and writes with a deadline: a reader that never reads is dropped, and has no
//! queue that could grow.

use std::{
    fmt::Write as _,
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// All values of a header, whose name is in small letters.
    pub(crate) fn all<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A response.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// What becomes of a request.
pub(crate) enum Reply {
    Whole(Response),
    /// Pieces, until the function has no more of them. An empty piece asks only whether the reader is there.
    Stream(Response, Box<dyn FnMut() -> Option<Vec<u8>>>),
}

/// The largest head of a request, in bytes.
const HEAD: usize = 16 << 10;
/// The largest body of a request, in bytes.
const BODY: usize = 1 << 20;
/// How many headers a request may have.
const HEADERS: usize = 64;
/// How many connections there may be.
const CONNECTIONS: usize = 64;
/// How long a request may take to arrive, and a piece of a response to be taken.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 5 });

/// The listener, until it is dropped.
pub(crate) struct Server {
    stopped: Arc<AtomicBool>,
    address: std::net::SocketAddr,
}

impl Server {
    /// Serves connections with `reply`.
    pub(crate) fn start(
        listener: TcpListener,
        reply: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let stopped = Arc::new(AtomicBool::new(false));
        let server = Self { stopped: Arc::clone(&stopped), address: listener.local_addr()? };
        let (reply, open) = (Arc::new(reply), Arc::new(AtomicUsize::new(0)));
        thread::Builder::new().name("kiket-console".to_owned()).spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else {
                    // No descriptors are left, perhaps for a moment.
                    thread::sleep(Duration::from_millis(50));
                    continue;
                };
                let slot = Slot::take(&open);
                let (reply, stopped) = (Arc::clone(&reply), Arc::clone(&stopped));
                if let Some(slot) = slot {
                    let _ = thread::Builder::new().name("kiket-console-reader".to_owned()).spawn(move || {
                        let _ = serve(&stream, &*reply, &stopped);
                        let _ = stream.shutdown(Shutdown::Both);
                        drop(slot);
                    });
                }
            }
        })?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

/// A place among the connections.
struct Slot(Arc<AtomicUsize>);

impl Slot {
    fn take(open: &Arc<AtomicUsize>) -> Option<Self> {
        let slot = Self(Arc::clone(open));
        (open.fetch_add(1, Ordering::Relaxed) < CONNECTIONS).then_some(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn serve(stream: &TcpStream, reply: &dyn Fn(&Request) -> Reply, stopped: &AtomicBool) -> io::Result<()> {
    let _ = stream.set_nodelay(true);
    let deadline = Instant::now() + PATIENCE;
    let (request, reply) = match read(stream, deadline)? {
        Ok(request) => {
            let reply = reply(&request);
            (request, reply)
        }
        Err(status) => {
            let response = Response { status, headers: Vec::new(), body: Vec::new() };
            (Request::default(), Reply::Whole(response))
        }
    };
    match reply {
        Reply::Whole(mut response) => {
            response.headers.push(("content-length", response.body.len().to_string()));
            let mut bytes = head(&response);
            if request.method != "HEAD" {
                bytes.extend_from_slice(&response.body);
            }
            write(stream, &bytes)?;
            linger(stream)
        }
        Reply::Stream(response, mut next) => {
            write(stream, &head(&response))?;
            stream.set_nonblocking(false)?;
            while let Some(piece) = next() {
                if stopped.load(Ordering::Relaxed) || is_gone(stream) {
                    break;
                }
                write(stream, &piece)?;
            }
            Ok(())
        }
    }
}

/// Reads what is still on its way, a second at most: a connection that is closed before takes its response with it.
fn linger(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    let (mut chunk, deadline) = ([0; 4096], Instant::now() + Duration::from_secs(1));
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        if stream.read(&mut chunk)? == 0 {
            return Ok(());
        }
    }
}

/// Whether the reader has closed the connection. It has nothing more to send.
fn is_gone(stream: &TcpStream) -> bool {
    let peeked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
    let _ = stream.set_nonblocking(false);
    match peeked {
        Ok(bytes) => bytes == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

/// Reads a request, or finds the status of its refusal.
fn read(mut stream: &TcpStream, deadline: Instant) -> io::Result<Result<Request, u16>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    let mut more = |bytes: &mut Vec<u8>| -> io::Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let count = stream.read(&mut chunk)?;
        bytes.extend_from_slice(&chunk[..count]);
        Ok(count > 0)
    };
    let (mut request, begin) = loop {
        if !more(&mut bytes)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match parse(&bytes) {
            Ok(Some((_, begin))) if begin > HEAD => return Ok(Err(431)),
            Ok(Some(parsed)) => break parsed,
            Ok(None) if bytes.len() > HEAD => return Ok(Err(431)),
            Ok(None) => {}
            Err(status) => return Ok(Err(status)),
        }
    };
    let length = match length(&request) {
        Ok(length) => length,
        Err(status) => return Ok(Err(status)),
    };
    while bytes.len() < begin + length {
        if !more(&mut bytes)? {
            return Ok(Err(400));
        }
    }
    request.body = bytes.get(begin..begin + length).unwrap_or_default().to_vec();
    Ok(Ok(request))
}

/// The request without its body, and where the body begins; `None` where the head is not complete.
fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, u16> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let begin = match head.parse(bytes) {
        Ok(httparse::Status::Complete(begin)) => begin,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(431),
        Err(_) => return Err(400),
    };
    let target = head.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let fields = head.headers.iter().map(|header| {
        let value = std::str::from_utf8(header.value).map_err(|_| 400_u16)?;
        Ok((header.name.to_ascii_lowercase(), value.to_owned()))
    });
    let request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: fields.collect::<Result<_, u16>>()?,
        body: Vec::new(),
    };
    Ok(Some((request, begin)))
}

/// The length of the body: announced once, and not in chunks.
fn length(request: &Request) -> Result<usize, u16> {
    if request.header("transfer-encoding").is_some() {
        return Err(411);
    }
    let mut lengths = request.all("content-length");
    let (first, second) = (lengths.next(), lengths.next());
    match (first.map(str::parse::<usize>), second) {
        (None, _) => Ok(0),
        (Some(Ok(length)), None) if length <= BODY => Ok(length),
        (Some(Ok(_)), None) => Err(413),
        _ => Err(400),
    }
}

fn head(response: &Response) -> Vec<u8> {
    let status = http::StatusCode::from_u16(response.status).ok();
    let reason = status.and_then(|status| status.canonical_reason()).unwrap_or("Refused");
    let mut text = format!("HTTP/1.1 {} {reason}\r\nconnection: close\r\n", response.status);
    for (name, value) in &response.headers {
        // A text takes everything that is written to it.
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// Writes all of it, until the deadline.
fn write(mut stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !bytes.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        match stream.write(bytes)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => bytes = &bytes[count..],
        }
    }
    stream.flush()
}
