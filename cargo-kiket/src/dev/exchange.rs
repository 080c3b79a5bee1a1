//! One request and its response, passed on byte for byte while they arrive.

use std::{
    io,
    time::{Duration, SystemTime},
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    time::{Instant, timeout},
};

use super::framing::{Body, RequestHead, ResponseHead, Unclear, head_end};

/// The largest head that is looked at, in bytes. A larger one goes through as it is.
const LARGEST_HEAD: usize = 128 * 1024;
/// How much of a body is shown, in bytes; all of it goes through.
pub(super) const MOST_SHOWN: usize = 1024 * 1024;
/// How long a connection may be idle: longer than an extension keeps it.
const IDLE: Duration = Duration::from_secs(90);
/// How long a head may take until the process decides about it.
const HEAD_WAIT: Duration = Duration::from_secs(10);
/// How long the next piece of a body may take: longer than an extension waits for it.
const BODY_WAIT: Duration = Duration::from_secs(60);
/// How long the next piece of a response may take: routes of the extension may stream.
const RESPONSE_WAIT: Duration = Duration::from_secs(600);
/// How long the other side may take to read.
const WRITE_WAIT: Duration = Duration::from_secs(60);
/// How long the rest of a delivery may take that no process gets.
const REFUSED_WAIT: Duration = Duration::from_secs(5);
/// How much is read at once, in bytes.
const PIECE: usize = 16 * 1024;

/// A connection, and what was read from it and not passed on.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) stream: TcpStream,
    pub(super) buffer: BytesMut,
}

/// What comes next from a client.
pub(super) enum Next {
    Request(RequestHead),
    /// No request that can be framed.
    Unclear,
    /// The connection ended.
    End,
}

/// How an exchange ended without its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The client left.
    Client,
    /// The process ended the connection, or did not respond, before the response began.
    NoResponse,
    /// The same within the response.
    Incomplete,
}

/// What a request was, to be shown.
#[derive(Debug)]
pub(super) struct RequestSeen {
    pub(super) at: SystemTime,
    pub(super) head: Bytes,
    pub(super) body: Shown,
    /// Whether its last byte was read.
    pub(super) is_complete: bool,
    /// When its last byte was passed on.
    pub(super) ended: Option<Instant>,
}

/// What a response was, to be shown.
#[derive(Debug, Default)]
pub(super) struct ResponseSeen {
    pub(super) head: Bytes,
    pub(super) body: Shown,
}

/// The content of a body, up to [`MOST_SHOWN`].
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) bytes: BytesMut,
    /// The bytes of the whole body.
    pub(super) whole: u64,
}

/// How far a request is read that begins in a buffer.
pub(super) struct Reading {
    body: Body,
    /// How many bytes of the buffer were looked at.
    ready: usize,
}

impl Reading {
    /// At the end of the head.
    pub(super) fn new(head: &RequestHead) -> Self {
        Self { body: Body::new(head.body), ready: head.bytes }
    }

    /// Looks at what is new in the buffer.
    fn take(&mut self, buffer: &[u8], seen: &mut Option<RequestSeen>) {
        let content = |content: &[u8]| {
            if let Some(seen) = seen {
                seen.body.add(content);
            }
        };
        self.ready += self.body.take(&buffer[self.ready..], content).unwrap_or_else(|Unclear| {
            // The process decides what it is.
            self.body = Body::UntilClose;
            buffer.len() - self.ready
        });
        if let Some(seen) = seen {
            seen.is_complete = self.body.is_complete();
        }
    }
}

impl Shown {
    fn add(&mut self, content: &[u8]) {
        self.whole += content.len() as u64;
        let more = content.len().min(MOST_SHOWN.saturating_sub(self.bytes.len()));
        self.bytes.extend_from_slice(&content[..more]);
    }

    /// Whether all of it that came is shown.
    pub(super) fn is_all(&self) -> bool {
        self.whole == self.bytes.len() as u64
    }
}

impl Side {
    pub(super) fn new(stream: TcpStream) -> Self {
        // A delay of the last piece would count as the extension's.
        let _ = stream.set_nodelay(true);
        Self { stream, buffer: BytesMut::new() }
    }

    /// Waits for the head of the next request.
    pub(super) async fn next_request(&mut self) -> Next {
        let mut seen = 0;
        loop {
            match head_end(&self.buffer, seen) {
                Ok(Some(end)) => {
                    return RequestHead::read(&self.buffer[..end]).map_or(Next::Unclear, Next::Request);
                }
                Ok(None) if self.buffer.len() < LARGEST_HEAD => seen = self.buffer.len(),
                Ok(None) | Err(Unclear) => return Next::Unclear,
            }
            let patience = if seen == 0 { IDLE } else { HEAD_WAIT };
            self.buffer.reserve(PIECE);
            match timeout(patience, self.stream.read_buf(&mut self.buffer)).await {
                Ok(Ok(1..)) => {}
                Err(_) | Ok(Ok(0)) if seen > 0 => return Next::Unclear,
                _ => return Next::End,
            }
        }
    }

    /// Whether the other side keeps the connection, and sent nothing unasked.
    pub(super) fn is_idle(&self) -> bool {
        let mut byte = [0];
        self.buffer.is_empty()
            && matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads the rest of a delivery that is not passed on, as much as is shown.
    pub(super) async fn read_on(&mut self, mut reading: Reading, seen: &mut Option<RequestSeen>) {
        let reads = async {
            loop {
                reading.take(&self.buffer, seen);
                self.buffer.advance(reading.ready);
                reading.ready = 0;
                let is_enough = seen.as_ref().is_none_or(|seen| seen.is_complete || !seen.body.is_all());
                if is_enough || matches!(reading.body, Body::UntilClose) {
                    return;
                }
                self.buffer.reserve(PIECE);
                let Ok(1..) = self.stream.read_buf(&mut self.buffer).await else { return };
            }
        };
        let _ = timeout(REFUSED_WAIT, reads).await;
    }

    /// Closes the connection so that the other side can read what was sent last.
    pub(super) async fn close(mut self) {
        /// How long, and how much, the other side may still send.
        const LINGER: (Duration, usize) = (Duration::from_secs(1), 4 * 1024 * 1024);
        let lingers = async {
            self.stream.shutdown().await?;
            let (mut piece, mut read) = (vec![0; PIECE], 0);
            while read < LINGER.1 {
                match self.stream.read(&mut piece).await? {
                    0 => break,
                    more => read += more,
                }
            }
            io::Result::Ok(())
        };
        let _ = timeout(LINGER.0, lingers).await;
    }
}

/// Passes a request on, and its response back. Returns whether both connections can go on.
pub(super) async fn exchange(
    client: &mut Side,
    process: &mut Side,
    head: &RequestHead,
    reading: &mut Reading,
    request_seen: &mut Option<RequestSeen>,
    response_seen: &mut Option<ResponseSeen>,
    mut arrived: impl FnMut(&mut Option<RequestSeen>),
) -> Result<bool, Cut> {
    let (mut from_client, mut to_client) = client.stream.split();
    let (mut from_process, mut to_process) = process.stream.split();
    let mut complete = false;
    let received = {
        let response = pass_response(
            &mut from_process,
            &mut process.buffer,
            &mut to_client,
            head.is_head,
            response_seen,
        );
        let request = async {
            let (buffer, seen) = (&mut client.buffer, &mut *request_seen);
            let sent =
                pass_request(&mut from_client, buffer, &mut to_process, reading, seen, &mut arrived).await;
            if let Some(seen) = request_seen {
                seen.ended = Some(Instant::now());
            }
            sent
        };
        tokio::pin!(request, response);
        let mut sending = true;
        loop {
            tokio::select! {
                biased;
                sent = &mut request, if sending => {
                    sending = false;
                    match sent {
                        Ok(whole) => complete = whole,
                        Err(cut) => return Err(cut),
                    }
                }
                received = &mut response => break received?,
            }
        }
    };
    Ok(complete && !received && !head.closes && process.buffer.is_empty())
}

/// Passes the request on, whose head is in `buffer`. Returns whether it is complete; a process that takes no more of it may
/// have responded already. It has arrived before the last of it is passed on.
async fn pass_request(
    from: &mut ReadHalf<'_>,
    buffer: &mut BytesMut,
    to: &mut WriteHalf<'_>,
    reading: &mut Reading,
    seen: &mut Option<RequestSeen>,
    mut arrived: impl FnMut(&mut Option<RequestSeen>),
) -> Result<bool, Cut> {
    loop {
        reading.take(buffer, seen);
        // Before the process has the last of it, and can call others.
        if reading.body.is_complete() {
            arrived(seen);
        }
        if !matches!(timeout(WRITE_WAIT, to.write_all(&buffer[..reading.ready])).await, Ok(Ok(()))) {
            return Ok(false);
        }
        buffer.advance(std::mem::take(&mut reading.ready));
        if reading.body.is_complete() {
            return Ok(true);
        }
        buffer.reserve(PIECE);
        match timeout(BODY_WAIT, from.read_buf(buffer)).await {
            Ok(Ok(1..)) => {}
            _ => return Err(Cut::Client),
        }
    }
}

/// Passes the response back. Returns whether the connection ends with it.
async fn pass_response(
    from: &mut ReadHalf<'_>,
    buffer: &mut BytesMut,
    to: &mut WriteHalf<'_>,
    is_head: bool,
    seen: &mut Option<ResponseSeen>,
) -> Result<bool, Cut> {
    let (mut body, mut ready, closes) = loop {
        match response_head(from, buffer, is_head).await? {
            // `100 Continue` and its like, of which another response is to come.
            Ok(head) if (100..200).contains(&head.status) && head.status != 101 => {
                write(to, &buffer[..head.bytes]).await?;
                buffer.advance(head.bytes);
            }
            Ok(head) if head.status != 101 => break (Body::new(head.body), head.bytes, head.closes),
            Ok(_) | Err(Unclear) => break (Body::UntilClose, 0, true),
        }
    };
    if let Some(seen) = seen {
        seen.head = Bytes::copy_from_slice(&buffer[..ready]);
    }
    let mut closes = closes;
    loop {
        let content = |content: &[u8]| {
            if let Some(seen) = seen {
                seen.body.add(content);
            }
        };
        let taken = body.take(&buffer[ready..], content).unwrap_or_else(|Unclear| {
            (body, closes) = (Body::UntilClose, true);
            buffer.len() - ready
        });
        write(to, &buffer[..ready + taken]).await?;
        buffer.advance(ready + taken);
        ready = 0;
        if body.is_complete() {
            return Ok(closes);
        }
        match read(from, buffer).await {
            Some(1..) => {}
            Some(0) if matches!(body, Body::UntilClose) => return Ok(true),
            _ => return Err(Cut::Incomplete),
        }
    }
}

/// Waits for the head of a response, which is then at the beginning of `buffer`.
async fn response_head(
    from: &mut ReadHalf<'_>,
    buffer: &mut BytesMut,
    is_head: bool,
) -> Result<Result<ResponseHead, Unclear>, Cut> {
    let mut seen = 0;
    loop {
        match head_end(buffer, seen) {
            Ok(Some(end)) => return Ok(ResponseHead::read(&buffer[..end], is_head)),
            Ok(None) if buffer.len() < LARGEST_HEAD => seen = buffer.len(),
            Ok(None) | Err(Unclear) => return Ok(Err(Unclear)),
        }
        match read(from, buffer).await {
            Some(1..) => {}
            _ if seen > 0 => return Ok(Err(Unclear)),
            _ => return Err(Cut::NoResponse),
        }
    }
}

async fn read(from: &mut ReadHalf<'_>, buffer: &mut BytesMut) -> Option<usize> {
    buffer.reserve(PIECE);
    timeout(RESPONSE_WAIT, from.read_buf(buffer)).await.ok()?.ok()
}

async fn write(to: &mut WriteHalf<'_>, bytes: &[u8]) -> Result<(), Cut> {
    match timeout(WRITE_WAIT, to.write_all(bytes)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(Cut::Client),
    }
}
