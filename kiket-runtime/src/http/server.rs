//! The server of one extension: listens, serves, and shuts down gracefully.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use actix_http::{
    HttpService,
    error::{DispatchError, ParseError},
};
use actix_server::{GracefulShutdownSignal, ServerBuilder};
use actix_service::{ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{
    App, HttpRequest,
    dev::{self, AppConfig},
    rt::net::TcpStream,
    web,
};
use tokio::time::Instant;

use super::{
    connection::{Connection, tracked},
    listener::listen,
    respond::not_found,
    routes::Routes,
    signals::Signals,
};
use crate::{
    error::{Problem, StartupError},
    pipeline::Pipeline,
    telemetry::flush_output,
};

/// A server that listens, and serves once [`run`](Self::run) is called.
///
/// ```
/// # use kiket_runtime::{Extension, Reply};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let extension = Extension::builder()
///     .webhook_secret("sh_123")
///     .http(|http| http.port(0))
///     .on("issue.created", "v1", async || Reply::ok())
///     .build()?;
/// let server = extension.bind()?;
/// println!("listening on {}", server.addresses()[0]);
/// # let handle = server.handle();
/// # handle.stop();
/// server.run().await?; // until SIGTERM or `handle.stop()`
/// # Ok(())
/// # }
/// ```
#[must_use = "a server does not serve until `run`"]
pub struct Server {
    listening: dev::Server,
    addresses: Vec<SocketAddr>,
    routes: Routes,
    stop: tokio::sync::watch::Sender<bool>,
    announce: Announce,
}

/// Prints the report of the start, with these addresses. Where the program has no log, it does so only if asked to.
pub(crate) type Announce = Box<dyn FnOnce(&[SocketAddr], bool) + Send>;

/// Stops a [`Server`] from elsewhere.
#[derive(Debug, Clone)]
pub struct ServerHandle(tokio::sync::watch::Sender<bool>);

impl ServerHandle {
    /// Drains the extension and stops its server, as SIGTERM does.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// How long an idle connection is kept: longer than load balancers keep theirs, so that the balancer closes it, and
/// never at the moment a delivery is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// The longest head timeout: its sum with a time must not overflow.
const LONGEST_HEAD: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a closing connection may take to write the rest, and to read what the client still sends.
const DISCONNECTING: Duration = Duration::from_secs(1);
/// How many bytes of responses may wait in this process before a connection leaves its next request unhandled: the
/// responses to all small requests that it reads at once. A response takes less memory than its request.
const WRITE_BUFFER: usize = 64 * 1024;
/// How long the requests of the connections that were accepted last may take.
const LAST_RESPONSES: Duration = Duration::from_millis(100);
/// How long connections may take to close after the last response.
const CLOSING_SECONDS: u64 = 2;
/// How long the end may take where nothing of the grace period is left. A thread that hangs does not delay the end of the
/// process further.
const ENDING: Duration = Duration::from_secs(CLOSING_SECONDS + 2);
/// How long the last records of telemetry may take.
const LAST_RECORDS: Duration = Duration::from_secs(2);
/// How long the last lines of the log may take.
const LAST_LINES: Duration = Duration::from_secs(1);

impl Server {
    /// Listens on `host` and `port`, and serves `routes` once it runs.
    pub(crate) fn bind(
        routes: Routes,
        host: &str,
        port: u16,
        announce: Announce,
    ) -> Result<Self, StartupError> {
        let mut server = ServerBuilder::new().shutdown_timeout(CLOSING_SECONDS).disable_signals();
        if let Some(workers) = routes.options.workers {
            server = server.workers(workers);
        }
        let mut addresses = Vec::new();
        let listening = listen(host, port).and_then(|sockets| {
            for socket in sockets {
                let address = socket.local_addr()?;
                let (routes, stopping) = (routes.clone(), server.graceful_shutdown_signal());
                let service = move || service(&routes, address, stopping.clone());
                server = server.listen("kiket", socket, service)?;
                addresses.push(address);
            }
            Ok(server.run())
        });
        let listening = listening.map_err(|error| cannot_listen(host, port, &error))?;
        Ok(Self { addresses, ..Self::of_app(listening, routes, announce) })
    }

    /// The server of an app that `routes` are mounted into.
    pub(crate) fn of_app(app: dev::Server, routes: Routes, announce: Announce) -> Self {
        let stop = tokio::sync::watch::Sender::new(false);
        Self { listening: app, addresses: Vec::new(), routes, stop, announce }
    }

    /// The addresses that it listens on, with the port that was assigned for port 0.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A handle that stops the server.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle(self.stop.clone())
    }

    /// Serves until SIGTERM, SIGINT, SIGHUP, SIGQUIT or [`ServerHandle::stop`], then shuts down gracefully: the readiness
    /// probe fails, new deliveries are refused with 503, and running ones complete within the grace period. A signal that
    /// comes 2 s or more after the first ends the grace period.
    ///
    /// On Windows the signals are Ctrl-C and Ctrl-Break. A signal that the process ignored before, as under `nohup`, stays
    /// ignored (Linux).
    ///
    /// # Errors
    ///
    /// When deliveries outlived the grace period and were cut off (Kiket retries them), or requests of own routes or background
    /// tasks did, or when the operating system fails.
    #[doc(alias = "graceful shutdown")]
    #[doc(alias = "SIGTERM")]
    pub async fn run(self) -> io::Result<()> {
        self.announced(false).await
    }

    /// Announces the start, in any case if `always`, and runs.
    pub(crate) async fn announced(self, always: bool) -> io::Result<()> {
        let Self { listening, addresses, routes: Routes { pipeline, options, .. }, stop, announce } = self;
        // A supervisor that reads the announcement may send a signal at once.
        let mut signals = Signals::listen()?;
        announce(&addresses, always);
        let mut stopped = stop.subscribe();
        let handle = listening.handle();
        let mut running = tokio::spawn(listening);
        let checked = Arc::clone(&pipeline);
        tokio::spawn(async move {
            if let Some(deduplicator) = &checked.deduplicator {
                deduplicator.check().await;
            }
        });
        // An app of the user's may have handled the signal itself.
        let (ended, signal) = tokio::select! {
            ended = &mut running => (Some(ended), None),
            signal = signals.next() => (None, Some(signal)),
            _ = stopped.wait_for(|stop| *stop) => (None, None),
        };
        pipeline.concurrency.drain();
        tracing::info!(signal, "draining");
        let (grace, began) = (options.grace_period, Instant::now());
        let cut_off = tokio::select! {
            biased;
            () = pipeline.concurrency.drained() => None,
            () = tokio::time::sleep(grace) => Some(format!("the grace period of {grace:?} is over")),
            signal = signals.next_apart() => Some(format!("a second signal, {signal}, ended the grace period")),
        };
        let cut_off = cut_off.map(|why| (why, pipeline.concurrency.unfinished()));
        if let Some((why, unfinished)) = &cut_off {
            tracing::error!(in_flight = pipeline.concurrency.in_flight(), "{why}: {unfinished}");
        }
        let (graceful, left) = match cut_off {
            None => (true, grace.saturating_sub(began.elapsed())),
            Some(_) => (false, Duration::ZERO),
        };
        let ending = async {
            if let Some(ended) = ended {
                return ended;
            }
            if graceful {
                // When the server stops, it reads once more from every connection and drops what it read: requests that
                // were accepted last get their response before that.
                handle.pause().await;
                tokio::time::sleep(LAST_RESPONSES).await;
            }
            handle.stop(graceful).await;
            running.await
        };
        let ended = tokio::time::timeout(left.max(ENDING), ending).await;
        pipeline.recorder.telemetry.flush(LAST_RECORDS).await;
        let _ = tokio::task::spawn_blocking(|| flush_output(LAST_LINES)).await;
        if let Ok(ended) = ended {
            ended.map_err(io::Error::other)??;
        }
        match cut_off {
            None => Ok(()),
            Some((why, unfinished)) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, format!("{why}: {unfinished}")))
            }
        }
    }
}

/// The service of connections, as `HttpServer` would build it, but over our own connection type.
fn service(
    routes: &Routes,
    address: SocketAddr,
    stopping: GracefulShutdownSignal,
) -> impl ServiceFactory<TcpStream, Config = ()> + use<> {
    let head_wait = routes.options.head_timeout.min(LONGEST_HEAD);
    let unrouted = {
        let routes = routes.clone();
        move |request: HttpRequest, payload: web::Payload| {
            routes.note_unrouted(&request);
            not_found(payload)
        }
    };
    let app = App::new().configure(|config| routes.configure(config)).default_service(web::to(unrouted));
    let pipeline = Arc::clone(&routes.pipeline);
    let http = HttpService::build()
        .keep_alive(KEEP_ALIVE)
        .h1_write_buffer_size(WRITE_BUFFER)
        .client_request_timeout(Duration::ZERO) // `Connection` has one
        .client_disconnect_timeout(DISCONNECTING)
        .local_addr(address)
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        })
        .on_connect_ext(Connection::share_stage)
        .h1(tracked(map_config(app, |()| AppConfig::default())));
    fn_service(move |stream: TcpStream| async move {
        let peer = stream.peer_addr().ok();
        Ok((Connection::new(stream, head_wait), peer))
    })
    .and_then(http)
    .map_err(move |error| {
        note_unreadable(&pipeline, &error);
        error
    })
}

/// Logs a request that actix-http refused by itself, with 400 or 431: no route has seen it (wire contract,
/// unreadable-request).
fn note_unreadable(pipeline: &Pipeline, error: &DispatchError) {
    let DispatchError::Parse(error) = error else { return };
    let status = if matches!(error, ParseError::TooLarge) { 431 } else { 400 };
    if let Some(count) = pipeline.requests.unreadable.count(pipeline.recorder.clock.unix_seconds()) {
        tracing::warn!(status, count, "request refused: it is not readable as HTTP: {error}");
    }
}

fn cannot_listen(host: &str, port: u16, error: &io::Error) -> StartupError {
    let mend = match error.kind() {
        io::ErrorKind::AddrInUse => "stop the program that listens there, or set `PORT` to another one",
        io::ErrorKind::PermissionDenied => "set `PORT` to one above 1023",
        _ => "set `HOST` and `PORT` to an address of this machine, like `0.0.0.0` and `8000`",
    };
    StartupError::new(vec![Problem::new(format!("cannot listen on {host}:{port}: {error}")).mend(mend)])
}
