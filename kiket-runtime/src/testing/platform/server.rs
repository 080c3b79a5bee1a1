//! The platform on the wire: requests in, answers out, in a thread of its own.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, HeaderName, HeaderValue},
    },
    web,
};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::{answer::Answer, call::Call, shared::Shared, wire::Ending};

/// A server that answers until it is dropped.
pub(super) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// The largest body that is read, in bytes.
const LARGEST_BODY: usize = 8 * 1024 * 1024;
/// How long a connection may stay without a request: longer than any client's pool keeps it.
const KEEP_ALIVE: Duration = Duration::from_secs(600);

impl Server {
    /// Listens on `port` of the loopback address; 0 is any free one.
    pub(super) fn start(port: u16, shared: Arc<Shared>) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (listening, ready) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("kiket-platform".to_owned())
            .spawn(move || run(port, shared, &listening, stopped))?;
        let address =
            ready.recv().unwrap_or_else(|_| Err(io::Error::other("the thread of the server died")))?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    /// Closes every connection, whatever it waits for.
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // It panicked if it could: a test that fails already must not be ended by this.
            let _ = thread.join();
        }
    }
}

fn run(
    port: u16,
    shared: Arc<Shared>,
    listening: &mpsc::Sender<io::Result<SocketAddr>>,
    stopped: oneshot::Receiver<()>,
) {
    let shared = web::Data::from(shared);
    actix_web::rt::System::new().block_on(async move {
        let server =
            HttpServer::new(move || App::new().app_data(shared.clone()).default_service(web::to(serve)))
                .workers(1)
                .keep_alive(KEEP_ALIVE)
                .client_request_timeout(Duration::ZERO)
                // Who hung up waits for nothing: what was delayed for him is dropped.
                .h1_allow_half_closed(false)
                .disable_signals()
                .bind((Ipv4Addr::LOCALHOST, port));
        let bound = server.and_then(|server| {
            let address = server.addrs().first().copied();
            Ok((address.ok_or_else(|| io::Error::other("the server has no address"))?, server.run()))
        });
        let server = match bound {
            Ok((address, server)) => {
                let _ = listening.send(Ok(address));
                server
            }
            Err(error) => {
                let _ = listening.send(Err(error));
                return;
            }
        };
        let handle = server.handle();
        actix_web::rt::spawn(async move {
            let _ = stopped.await;
            handle.stop(false).await;
        });
        let _ = server.await;
    });
}

async fn serve(request: HttpRequest, payload: web::Payload, shared: web::Data<Shared>) -> HttpResponse {
    let (body, refusal) = match payload.to_bytes_limited(LARGEST_BODY).await {
        Ok(Ok(body)) => (body, None),
        Ok(Err(_)) => (Bytes::new(), Some(Answer::error(400, "incomplete_body", "the body did not arrive"))),
        Err(_) => (Bytes::new(), Some(Answer::error(413, "body_too_large", "the body is larger than 8 MiB"))),
    };
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let target = (request.uri().path(), request.uri().query().unwrap_or_default());
    let call = Call::new(shared.clock.unix_seconds(), request.method().as_str(), target, headers, body);
    let number = shared.arrived(&call);
    let (answer, ending) = match (refusal, shared.failures.meet(&call)) {
        (Some(refusal), _) => (refusal, Ending::Whole),
        (None, None) => (shared.carry_out(&call), Ending::Whole),
        (None, Some(failure)) => {
            if !failure.waits().is_zero() {
                tokio::time::sleep(failure.waits()).await;
            }
            failure.answer(|| shared.carry_out(&call))
        }
    };
    if ending == Ending::Never {
        std::future::pending::<()>().await;
    }
    if ending != Ending::ClosedBefore {
        shared.answered(number, call, answer.status);
    }
    respond(answer, &shared.headers(number), ending)
}

fn respond(answer: Answer, more: &[(&str, String)], ending: Ending) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let has_body = !answer.body.is_empty() || ending == Ending::Endless;
    let mut response = HttpResponse::with_body(status, ending.body(answer.body));
    let headers = response.headers_mut();
    if has_body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let more = more.iter().map(|(name, value)| (*name, value.as_str()));
    // What the answer itself says comes last: a failure may say otherwise.
    for (name, value) in
        more.chain(answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            headers.insert(name, value);
        }
    }
    response
}
