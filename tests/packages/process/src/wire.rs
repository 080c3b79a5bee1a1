//! HTTP/1.1 over a raw socket, so that a test sees how a connection ends.

use std::{
    io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use kiket::testing::SignedDelivery;
use serde_json::Value;

use crate::PATIENCE;

/// A signed delivery as bytes.
#[must_use]
pub fn post(delivery: &SignedDelivery) -> Vec<u8> {
    let mut head = format!("POST {} HTTP/1.1\r\nhost: test\r\n", delivery.path);
    for (name, value) in &delivery.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    let length = delivery.body.len().to_string();
    head.extend(["content-length: ", &length, "\r\n\r\n"]);
    [head.as_bytes(), &delivery.body].concat()
}

/// A `GET` as bytes.
#[must_use]
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n").into_bytes()
}

/// A whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Response {
    /// The header `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is not JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Whether the server asks for another connection next time.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// How a connection ended that should have brought a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoResponse {
    /// Not a byte, and a reset: the other side was closed while bytes of ours were unread.
    Reset,
    /// Not a byte, and an orderly end: the other side had read all that we sent before.
    Ended,
    /// A part of a response.
    Partial(String),
    /// Nothing for longer than [`PATIENCE`](crate::PATIENCE), or what [`Connection::give_up_after`] set.
    Silence,
}

/// A connection, for one request at a time.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends bytes.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Waits for each piece of a response this long, instead of [`PATIENCE`](crate::PATIENCE).
    ///
    /// # Panics
    ///
    /// When the operating system fails.
    pub fn give_up_after(&mut self, silence: Duration) {
        self.stream.get_ref().set_read_timeout(Some(silence)).expect("it is a socket");
    }

    /// Whether nothing has come back so far.
    ///
    /// # Panics
    ///
    /// When the operating system fails.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        let stream = self.stream.get_ref();
        stream.set_nonblocking(true).expect("it is a socket");
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false).expect("it is a socket");
        matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Reads one response.
    ///
    /// # Errors
    ///
    /// How the connection ended instead.
    pub fn response(&mut self) -> Result<Response, NoResponse> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match self.stream.read_line(&mut head) {
                Ok(0) if head.is_empty() => return Err(NoResponse::Ended),
                Ok(0) => return Err(NoResponse::Partial(head)),
                Ok(_) => {}
                Err(error) => return Err(no_response(&error, head)),
            }
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let Some(status) = status else { return Err(NoResponse::Partial(head)) };
        let mut response = Response { status, head, body: String::new() };
        let length = response.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        if let Err(error) = self.stream.read_exact(&mut body) {
            return Err(no_response(&error, response.head));
        }
        response.body = String::from_utf8_lossy(&body).into_owned();
        Ok(response)
    }
}

fn no_response(error: &io::Error, arrived: String) -> NoResponse {
    match error.kind() {
        _ if !arrived.is_empty() => NoResponse::Partial(arrived),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => NoResponse::Silence,
        _ => NoResponse::Reset,
    }
}
