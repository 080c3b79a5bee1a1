//! A connection whose waits are bounded: for the head of a request, and for the client to read the responses.
//!
//! actix-http has timeouts of its own, with gaps: that of the first head is taken from a clock that stands still while a
//! handler blocks its worker, and ends with a 408, which Kiket does not retry; a later head has none; and a client that
//! reads nothing is waited for without end, while more of its requests are read. So the stream and the requests of a
//! connection share its stage, by which the stream decides:
//!
//! - A head that is incomplete for too long closes the connection, unless bytes wait to be read: those come first.
//! - Nothing is read while a write is pending, nor while a request is handled whose body has been read. At most a
//!   [`PIECE`] is read before what has arrived is handled, so that few requests are in memory at once, more only of a
//!   body whose length is known, and less of a client that sends requests without waiting for responses.
//! - A write without progress for [`WRITE_WAIT`] closes the connection.
//!
//! A head that begins in the same read as the end of the request before it counts as begun with its next byte. Until then
//! the idle timeout covers its connection.

use std::{
    cell::Cell,
    io, mem,
    pin::Pin,
    rc::Rc,
    str::FromStr,
    task::{Context, Poll},
    time::Duration,
};

use actix_http::{
    Extensions, HttpMessage as _, Payload, Request,
    header::{CONTENT_LENGTH, HeaderMap},
};
use actix_service::{ServiceFactory, apply_fn_factory};
use actix_web::{
    Error, HttpRequest,
    dev::{Service as _, ServiceResponse},
    rt::net::TcpStream,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take},
    time::{Sleep, sleep},
};

use super::respond::Keeping;

/// How much is read before what has arrived is handled, in bytes: the head and body of most deliveries.
const PIECE: u64 = 4 * 1024;
/// The same behind a pipelined request, in bytes. Each request that waits takes about 1 KiB, and in a [`PIECE`] there may be
/// a hundred.
const PIPELINED_PIECE: u64 = 256;
/// How much of a body is read at once, in bytes: half of what actix-http buffers of a connection before it stops to read.
const BODY_PIECE: u64 = 64 * 1024;
/// How long a client may read nothing of a response.
const WRITE_WAIT: Duration = Duration::from_secs(30);

/// A stream with a timeout for every head and every write.
pub(super) struct Connection {
    /// Its limit is what may still be read before the next flush.
    stream: Take<TcpStream>,
    stage: Rc<Cell<Stage>>,
    head_wait: Duration,
    /// Whether a read was put off, and is to be tried after a flush.
    put_off: bool,
    /// Runs while a head is incomplete. Most heads arrive in one read and need no timer.
    head_timer: Option<Pin<Box<Sleep>>>,
    /// Runs while a write is pending.
    write_timer: Option<Pin<Box<Sleep>>>,
}

/// The stage of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A head has begun, or is the first.
    Arriving,
    /// That head has exceeded its timeout. Only bytes that have arrived in the meantime can still complete it.
    Late,
    /// A request is being handled, and its body is arriving, of which at most so many bytes are left.
    Receiving { left: u64 },
    /// A request is being handled, and nothing of it is left to read.
    Busy,
    /// The response is written.
    Idle,
    /// The same, and its request was pipelined: it was read together with the one before.
    Pipelined,
}

impl Connection {
    /// A `head_wait` of zero is no timeout.
    pub(super) fn new(stream: TcpStream, head_wait: Duration) -> Self {
        let stage = Rc::new(Cell::new(Stage::Arriving));
        Self {
            stream: stream.take(PIECE),
            stage,
            head_wait,
            put_off: false,
            head_timer: None,
            write_timer: None,
        }
    }

    /// Shares the stage with the requests of the connection.
    pub(super) fn share_stage(&self, requests: &mut Extensions) {
        requests.insert(Rc::clone(&self.stage));
    }

    fn stream(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.stream.get_mut())
    }

    /// Polls the timer while a head is incomplete.
    fn check_head(&mut self, context: &mut Context<'_>) {
        if self.stage.get() == Stage::Arriving && !self.head_wait.is_zero() {
            let timer = self.head_timer.get_or_insert_with(|| Box::pin(sleep(self.head_wait)));
            if timer.as_mut().poll(context).is_ready() {
                self.stage.set(Stage::Late);
            }
        } else {
            self.head_timer = None;
        }
        if self.stage.get() == Stage::Late {
            context.waker().wake_by_ref();
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        let stage = connection.stage.get();
        if connection.write_timer.is_some() || stage == Stage::Busy {
            connection.put_off = true;
            return Poll::Pending;
        }
        let left = connection.stream.limit();
        if left == 0 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = Pin::new(&mut connection.stream).poll_read(context, buffer);
        if stage == Stage::Late && polled.is_pending() && left == PIECE {
            tracing::debug!("connection closed: the head of a request was too slow");
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        match stage {
            Stage::Idle | Stage::Pipelined if connection.stream.limit() < left => {
                connection.stage.set(Stage::Arriving);
            }
            Stage::Receiving { left: of_body } => {
                let read = left - connection.stream.limit();
                connection.stage.set(Stage::Receiving { left: of_body.saturating_sub(read) });
            }
            _ => {}
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let connection = self.get_mut();
        let polled = connection.stream().poll_write(context, bytes);
        if polled.is_ready() {
            connection.write_timer = None;
            return polled;
        }
        let timer = connection.write_timer.get_or_insert_with(|| Box::pin(sleep(WRITE_WAIT)));
        if timer.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        tracing::debug!("connection closed: its client does not read the responses");
        // The kernel would keep what is unread for longer.
        let _ = connection.stream.get_ref().set_zero_linger();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// actix-http flushes after it has handled everything that it has read, and only then is it known whether a head is
    /// incomplete, and whether more is to be read.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        let stage = connection.stage.get();
        connection.stream.set_limit(match stage {
            Stage::Receiving { left } => left.clamp(PIECE, BODY_PIECE),
            Stage::Pipelined => PIPELINED_PIECE,
            _ => PIECE,
        });
        if stage != Stage::Busy && mem::take(&mut connection.put_off) {
            context.waker().wake_by_ref();
        }
        connection.check_head(context);
        connection.stream().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream().poll_shutdown(context)
    }
}

/// An app whose requests update the stage of their connection.
pub(super) fn tracked<A>(
    app: A,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = ServiceResponse<Keeping<ActiveRequest>>,
    Error = Error,
    InitError = A::InitError,
    Service: 'static,
    Future: 'static,
>
where
    A: ServiceFactory<Request, Config = (), Response = ServiceResponse, Error = Error> + 'static,
{
    apply_fn_factory(app, |mut request: Request, app: &A::Service| {
        let active = ActiveRequest::new(&mut request);
        let response = app.call(request);
        async move { Ok(response.await?.map_body(|_, body| Keeping::new(body, active))) }
    })
}

/// The length of a body by its `Content-Length`.
pub(super) fn announced_length<N: FromStr>(headers: &HeaderMap) -> Option<N> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Notes that the body of `request` has been read.
pub(super) fn body_received(request: &HttpRequest) {
    if let Some(stage) = request.conn_data::<Rc<Cell<Stage>>>() {
        stage.set(Stage::Busy);
    }
}

/// A request that is being handled, until its response is written or dropped: the stage of its connection, and what it is then.
pub(super) struct ActiveRequest(Option<(Rc<Cell<Stage>>, Stage)>);

impl ActiveRequest {
    fn new(request: &mut Request) -> Self {
        let has_body = !matches!(request.payload(), Payload::None);
        let left = announced_length(request.headers()).unwrap_or_default();
        let during = if has_body { Stage::Receiving { left } } else { Stage::Busy };
        let stage = request.conn_data::<Rc<Cell<Stage>>>().cloned();
        Self(stage.map(|stage| {
            let then = then(stage.replace(during));
            (stage, then)
        }))
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        if let Some((stage, then)) = &self.0 {
            stage.set(*then);
        }
    }
}

/// The stage after the response to a request that began in a stage.
fn then(before: Stage) -> Stage {
    // A read for it would have ended these stages.
    if matches!(before, Stage::Idle | Stage::Pipelined) { Stage::Pipelined } else { Stage::Idle }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Waker};

    use tokio::{
        io::AsyncWriteExt as _,
        net::{TcpListener, TcpStream as Client},
        time::Instant,
    };

    use super::*;

    const HEAD_WAIT: Duration = Duration::from_secs(5);

    async fn connected() -> (Connection, Client) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::connect(listener.local_addr().unwrap()).await.unwrap();
        client.set_nodelay(true).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        (Connection::new(stream, HEAD_WAIT), client)
    }

    /// Reads once, and gives how much.
    async fn read(connection: &mut Connection) -> io::Result<usize> {
        let mut bytes = vec![0; 1024 * 1024];
        let mut buffer = ReadBuf::new(&mut bytes);
        poll_fn(|context| Pin::new(&mut *connection).poll_read(context, &mut buffer)).await?;
        Ok(buffer.filled().len())
    }

    fn reads_nothing(connection: &mut Connection) -> bool {
        let mut bytes = [0; 16];
        let context = &mut Context::from_waker(Waker::noop());
        Pin::new(connection).poll_read(context, &mut ReadBuf::new(&mut bytes)).is_pending()
    }

    async fn flush(connection: &mut Connection) {
        poll_fn(|context| Pin::new(&mut *connection).poll_flush(context)).await.unwrap();
    }

    async fn write(connection: &mut Connection, bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|context| Pin::new(&mut *connection).poll_write(context, bytes)).await
    }

    /// Writes until the kernel takes no more, which it has not noticed before `poll_write` says so.
    fn fill(connection: &mut Connection) {
        let context = &mut Context::from_waker(Waker::noop());
        while Pin::new(&mut *connection).poll_write(context, &vec![0; 64 * 1024]).is_ready() {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_without_progress_ends_after_its_time() {
        let (mut connection, client) = connected().await;
        fill(&mut connection);
        let from = Instant::now();
        let error = write(&mut connection, &[0]).await.unwrap_err();
        assert_eq!((error.kind(), from.elapsed().as_secs()), (io::ErrorKind::TimedOut, WRITE_WAIT.as_secs()));
        drop(connection);
        // Reset: what is unread does not stay in the kernel.
        let mut bytes = vec![0; 1024 * 1024];
        while client.readable().await.is_ok() {
            match client.try_read(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
                Ok(read) => assert_ne!(read, 0, "an orderly end"),
            }
        }
    }

    #[tokio::test]
    async fn nothing_is_read_while_a_write_is_pending() {
        let (mut connection, mut client) = connected().await;
        client.write_all(&[1; 100]).await.unwrap();
        connection.stream.get_ref().readable().await.unwrap();
        fill(&mut connection);
        assert!(reads_nothing(&mut connection));
        let reading = async {
            let mut bytes = vec![0; 1024 * 1024];
            loop {
                client.readable().await.unwrap();
                let _ = client.try_read(&mut bytes);
            }
        };
        let writing = async {
            write(&mut connection, &[0]).await.unwrap();
            flush(&mut connection).await;
            read(&mut connection).await.unwrap()
        };
        tokio::select! {
            read = writing => assert_eq!(read, 100),
            () = reading => {}
        }
    }

    #[tokio::test]
    async fn one_piece_is_read_between_two_flushes() {
        let (mut connection, mut client) = connected().await;
        client.write_all(&vec![1; 3 * 4 * 1024]).await.unwrap();
        for _ in 0..3 {
            let mut left = usize::try_from(PIECE).unwrap();
            while left > 0 {
                left -= read(&mut connection).await.unwrap();
            }
            assert!(reads_nothing(&mut connection));
            flush(&mut connection).await;
        }
    }

    #[tokio::test]
    async fn less_is_read_behind_a_pipelined_request() {
        let (mut connection, mut client) = connected().await;
        for (stage, limit) in
            [(Stage::Idle, PIECE), (Stage::Pipelined, PIPELINED_PIECE), (Stage::Pipelined, PIPELINED_PIECE)]
        {
            connection.stage.set(then(connection.stage.get()));
            flush(&mut connection).await;
            assert_eq!((connection.stage.get(), connection.stream.limit()), (stage, limit));
        }
        // The next one is read alone.
        client.write_all(&[1; 9]).await.unwrap();
        assert_eq!(read(&mut connection).await.unwrap(), 9);
        assert_eq!(then(connection.stage.get()), Stage::Idle);
    }

    #[tokio::test]
    async fn of_a_body_as_much_is_read_as_is_left_of_it() {
        let (mut connection, mut client) = connected().await;
        let sent = tokio::spawn(async move {
            client.write_all(&vec![1; 100_000]).await.unwrap();
            client
        });
        connection.stage.set(Stage::Receiving { left: 50_000 });
        flush(&mut connection).await;
        let mut left = 50_000;
        while left > 0 {
            left -= read(&mut connection).await.unwrap();
        }
        assert!(reads_nothing(&mut connection));
        flush(&mut connection).await;
        assert_eq!(
            (connection.stage.get(), connection.stream.limit()),
            (Stage::Receiving { left: 0 }, PIECE)
        );
        drop(sent);
    }

    #[tokio::test]
    async fn nothing_is_read_behind_a_request_until_its_response() {
        let (mut connection, mut client) = connected().await;
        client.write_all(&[1; 9]).await.unwrap();
        connection.stream.get_ref().readable().await.unwrap();
        connection.stage.set(Stage::Busy);
        assert!(reads_nothing(&mut connection));
        flush(&mut connection).await;
        assert!(connection.put_off, "it is still to be read");
        connection.stage.set(Stage::Idle);
        flush(&mut connection).await;
        assert!(!connection.put_off);
        assert_eq!(read(&mut connection).await.unwrap(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_head_is_given_the_bytes_that_wait() {
        let (mut connection, mut client) = connected().await;
        flush(&mut connection).await; // its time begins
        client.write_all(b"GET / HT").await.unwrap();
        connection.stream.get_ref().readable().await.unwrap();
        tokio::time::advance(HEAD_WAIT * 2).await;
        flush(&mut connection).await;
        assert_eq!(connection.stage.get(), Stage::Late);
        assert_eq!(read(&mut connection).await.unwrap(), 8);
        assert!(reads_nothing(&mut connection), "what was read may complete it");
        flush(&mut connection).await;
        assert_eq!(read(&mut connection).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_is_timed_from_the_first_byte_of_each_request() {
        let (mut connection, mut client) = connected().await;
        connection.stage.set(Stage::Idle);
        for _ in 0..3 {
            flush(&mut connection).await;
            tokio::time::advance(HEAD_WAIT * 2).await;
            client.write_all(b"G").await.unwrap();
            assert_eq!(read(&mut connection).await.unwrap(), 1);
            flush(&mut connection).await;
            assert_eq!(connection.stage.get(), Stage::Arriving);
            connection.stage.set(Stage::Idle); // a response
        }
    }
}
