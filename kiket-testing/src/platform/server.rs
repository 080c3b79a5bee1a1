//! The fake platform on the wire: requests in, responses out, in a thread of its own.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::{StatusCode, header},
    web,
};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::{call::Call, failure, response::Response, shared::Shared, wire::Ending};

/// A server that runs until it is dropped.
pub(super) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<io::Result<()>>>,
}

/// The largest body that is read, in bytes.
const LARGEST_BODY: usize = 8 * 1024 * 1024;
/// How long a connection may stay without a request: longer than any client's pool keeps it.
const KEEP_ALIVE: Duration = Duration::from_secs(600);

impl Server {
    /// Listens on `port` of the loopback address; 0 is any free one.
    pub(super) fn start(port: u16, shared: Arc<Shared>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let (address, (stop, stopped)) = (listener.local_addr()?, oneshot::channel());
        let thread = thread::Builder::new()
            .name("kiket-platform".to_owned())
            .spawn(move || actix_web::rt::System::new().block_on(run(listener, shared, stopped)))?;
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

async fn run(listener: TcpListener, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) -> io::Result<()> {
    let shared = web::Data::from(shared);
    let app = move || App::new().app_data(shared.clone()).default_service(web::to(serve));
    let server = HttpServer::new(app)
        .workers(1)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(Duration::ZERO)
        // When a caller hangs up, its delayed response is dropped.
        .h1_allow_half_closed(false)
        .disable_signals()
        .listen(listener)?
        .run();
    let handle = server.handle();
    actix_web::rt::spawn(async move {
        let _ = stopped.await;
        handle.stop(false).await;
    });
    server.await
}

async fn serve(request: HttpRequest, payload: web::Payload, shared: web::Data<Shared>) -> HttpResponse {
    let (body, refusal) = match payload.to_bytes_limited(LARGEST_BODY).await {
        Ok(Ok(body)) => (body, None),
        Ok(Err(_)) => (Bytes::new(), Some((400, "incomplete_body", "the body did not arrive"))),
        Err(_) => (Bytes::new(), Some((413, "body_too_large", "the body is larger than 8 MiB"))),
    };
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let target = (request.uri().path(), request.uri().query().unwrap_or_default());
    let call = Call::new(shared.now(), request.method().as_str(), target, headers, body);
    let number = shared.arrived(&call);
    let (response, ending) = match (refusal, failure::meet(&shared.failures, &call)) {
        (Some((status, code, text)), _) => (Response::error(status, code, text), Ending::Whole),
        (None, None) => (shared.carry_out(&call), Ending::Whole),
        (None, Some(failure)) => {
            if !failure.after.is_zero() {
                tokio::time::sleep(failure.after).await;
            }
            failure.respond(|| shared.carry_out(&call))
        }
    };
    if ending == Ending::Never {
        std::future::pending::<()>().await;
    }
    if ending != Ending::ClosedBefore {
        shared.responded(number, call, &response, ending);
    }
    respond(response, shared.headers(number), ending)
}

fn respond(response: Response, more: Vec<(&'static str, String)>, ending: Ending) -> HttpResponse {
    let Response { status, headers, body } = response;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let more = more.into_iter().map(|(name, value)| (name.to_owned(), value));
    let mut response = HttpResponse::with_body(status, ending.body(body));
    // What the response itself has comes last: a failure may replace a header.
    for (name, value) in more.chain(headers) {
        if let (Ok(name), Ok(value)) =
            (name.parse::<header::HeaderName>(), value.parse::<header::HeaderValue>())
        {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
