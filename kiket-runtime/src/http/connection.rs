//! A connection with a timeout for the head of every request.
//!
//! actix-http times the head of the first request of a connection, and how long a connection stays without a request.
//! But what keeps a used connection without a request ends with the first byte of the next one, and a client that
//! sends only that byte would stay for ever. So here the stream and the requests of a connection share its stage, and
//! the stream breaks when the rest of a head does not come.
//!
//! A head that begins in the same piece as the end of a request before it counts as begun with its next byte. Until
//! that comes, its connection stays as long as one without a request, which is no longer than its sender could stay
//! anyway.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_http::{Extensions, Request};
use actix_service::{ServiceFactory, apply_fn_factory};
use actix_web::{
    Error,
    dev::{Service as _, ServiceResponse},
    rt::net::TcpStream,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::respond::Keeping;

/// A stream that breaks when a head takes longer to arrive than it may.
pub(super) struct Connection {
    stream: TcpStream,
    stage: Rc<Cell<Stage>>,
    head_wait: Duration,
    /// Runs while a head is incomplete. Most heads come in one piece and need none.
    timer: Option<Pin<Box<Sleep>>>,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A request is being handled; or the first one has not arrived yet, which actix-http times.
    Busy,
    /// The response is written.
    Idle,
    /// The next head has begun.
    Arriving,
    /// It has not come to its end in time.
    Late,
}

impl Connection {
    /// With a `head_wait` of zero it waits for ever, as actix-http does.
    pub(super) fn new(stream: TcpStream, head_wait: Duration) -> Self {
        Self { stream, stage: Rc::new(Cell::new(Stage::Busy)), head_wait, timer: None }
    }

    /// Shares the stage with the requests of the connection.
    pub(super) fn introduce(&self, requests: &mut Extensions) {
        requests.insert(Rc::clone(&self.stage));
    }

    /// Looks at the time when a head is incomplete.
    fn look_at_the_time(&mut self, context: &mut Context<'_>) {
        if self.stage.get() != Stage::Arriving {
            self.timer = None;
            return;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.head_wait)));
        if timer.as_mut().poll(context).is_ready() {
            self.stage.set(Stage::Late);
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
        let stream = Pin::new(&mut connection.stream);
        match connection.stage.get() {
            Stage::Busy | Stage::Arriving => stream.poll_read(context, buffer),
            Stage::Idle => {
                let before = buffer.filled().len();
                ready!(stream.poll_read(context, buffer))?;
                if buffer.filled().len() > before && !connection.head_wait.is_zero() {
                    connection.stage.set(Stage::Arriving);
                }
                Poll::Ready(Ok(()))
            }
            Stage::Late => {
                tracing::debug!("connection closed: the head of its next request was too slow");
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    /// actix-http flushes after it has read what there is and made requests of it: then it is known, and not when it
    /// reads, whether a head is incomplete. So a client that is cut off was read to its last byte.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        connection.look_at_the_time(context);
        Pin::new(&mut connection.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// An app whose requests update the stage of their connection.
pub(super) fn answering<A>(
    app: A,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = ServiceResponse<Keeping<Answering>>,
    Error = Error,
    InitError = A::InitError,
    Service: 'static,
    Future: 'static,
>
where
    A: ServiceFactory<Request, Config = (), Response = ServiceResponse, Error = Error> + 'static,
{
    apply_fn_factory(app, |request: Request, app: &A::Service| {
        let answering = Answering::new(&request);
        let response = app.call(request);
        async move { Ok(response.await?.map_body(|_, body| Keeping::new(body, answering))) }
    })
}

/// A request that is being handled, until its response is written or dropped.
pub(super) struct Answering(Option<Rc<Cell<Stage>>>);

impl Answering {
    fn new(request: &Request) -> Self {
        let stage = request.conn_data::<Rc<Cell<Stage>>>().cloned();
        if let Some(stage) = &stage {
            stage.set(Stage::Busy);
        }
        Self(stage)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let Some(stage) = &self.0 {
            stage.set(Stage::Idle);
        }
    }
}
