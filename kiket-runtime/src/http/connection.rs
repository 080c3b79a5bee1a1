//! A connection with a timeout for the head of every request.
//!
//! actix-http has a timeout for the head of the first request of a connection, and one for an idle connection. But the idle
//! timeout ends with the first byte of the next request: a client that sends only that byte would keep its connection
//! without end. So the stream and the requests of a connection share its stage, and the stream fails when the rest of a
//! head does not arrive in time.
//!
//! A head that begins in the same read as the end of the request before it counts as begun with its next byte. Until then
//! the idle timeout covers its connection.

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

/// A stream that fails when a head exceeds its timeout.
pub(super) struct Connection {
    stream: TcpStream,
    stage: Rc<Cell<Stage>>,
    head_wait: Duration,
    /// Runs while a head is incomplete. Most heads arrive in one read and need no timer.
    timer: Option<Pin<Box<Sleep>>>,
}

/// The stage of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A request is being handled; or the first one has not arrived yet, for which actix-http has a timeout.
    Busy,
    /// The response is written.
    Idle,
    /// The next head has begun.
    Arriving,
    /// That head has exceeded its timeout.
    Late,
}

impl Connection {
    /// A `head_wait` of zero is no timeout, as in actix-http.
    pub(super) fn new(stream: TcpStream, head_wait: Duration) -> Self {
        Self { stream, stage: Rc::new(Cell::new(Stage::Busy)), head_wait, timer: None }
    }

    /// Shares the stage with the requests of the connection.
    pub(super) fn share_stage(&self, requests: &mut Extensions) {
        requests.insert(Rc::clone(&self.stage));
    }

    /// Polls the timer while a head is incomplete.
    fn check_timer(&mut self, context: &mut Context<'_>) {
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

    /// Checks the timer here and not in `poll_read`: actix-http flushes after it has parsed everything that it has read, and
    /// only then is it known whether a head is incomplete.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        connection.check_timer(context);
        Pin::new(&mut connection.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
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
    apply_fn_factory(app, |request: Request, app: &A::Service| {
        let active = ActiveRequest::new(&request);
        let response = app.call(request);
        async move { Ok(response.await?.map_body(|_, body| Keeping::new(body, active))) }
    })
}

/// A request that is being handled, until its response is written or dropped.
pub(super) struct ActiveRequest(Option<Rc<Cell<Stage>>>);

impl ActiveRequest {
    fn new(request: &Request) -> Self {
        let stage = request.conn_data::<Rc<Cell<Stage>>>().cloned();
        if let Some(stage) = &stage {
            stage.set(Stage::Busy);
        }
        Self(stage)
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        if let Some(stage) = &self.0 {
            stage.set(Stage::Idle);
        }
    }
}
