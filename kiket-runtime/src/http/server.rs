//! The server of one extension: listens, serves, and shuts down gracefully.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use actix_http::error::{DispatchError, ParseError};
use actix_web::{
    HttpRequest, dev,
    web::{self, ServiceConfig},
};
use tokio::time::Instant;

use super::{
    listener::{CLOSING_SECONDS, Listener, Listening},
    metrics,
    respond::not_found,
    routes::Routes,
    signals::Signals,
};
use crate::{
    error::{Problem, ProblemId, StartupError},
    metrics::traces::traced,
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
    metrics: Option<Listening>,
    routes: Routes,
    stop: tokio::sync::watch::Sender<bool>,
    announce: Announce,
}

/// Prints the report of the start, with the addresses of deliveries and those of metrics. Where the program has no log, it does so
/// only if asked to.
pub(crate) type Announce = Box<dyn FnOnce(&[SocketAddr], &[SocketAddr], bool) + Send>;

/// Stops a [`Server`] from elsewhere.
#[derive(Debug, Clone)]
pub struct ServerHandle(tokio::sync::watch::Sender<bool>);

impl ServerHandle {
    /// Drains the extension and stops its server, as SIGTERM does.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// The longest head timeout: its sum with a time must not overflow.
const LONGEST_HEAD: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the requests of the connections that were accepted last may take.
const LAST_RESPONSES: Duration = Duration::from_millis(100);
/// How long the end may take where nothing of the grace period is left. A thread that hangs does not delay the end of the
/// process further.
const ENDING: Duration = Duration::from_secs(CLOSING_SECONDS + 2);
/// How long the last records of telemetry may take.
const LAST_RECORDS: Duration = Duration::from_secs(2);
/// How long the last spans may take at most, of what is left of the grace period.
const LAST_SPANS: Duration = Duration::from_secs(5);
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
        let Listening { server, addresses } = {
            let routes = routes.clone();
            let head_wait = routes.options.head_timeout.min(LONGEST_HEAD);
            let listener =
                Listener { name: "kiket", workers: routes.options.workers, connections: None, head_wait };
            let pipeline = Arc::clone(&routes.pipeline);
            let configure = move |config: &mut ServiceConfig| configure(&routes, config);
            listener.bind(host, port, configure, move |error| note_unreadable(&pipeline, error))
        }
        .map_err(|error| cannot_listen(host, port, &error))?;
        Ok(Self { addresses, ..Self::of_app(server, routes, announce)? })
    }

    /// The server of an app that `routes` are mounted into.
    pub(crate) fn of_app(app: dev::Server, routes: Routes, announce: Announce) -> Result<Self, StartupError> {
        let stop = tokio::sync::watch::Sender::new(false);
        let metrics = routes.options.metrics.as_ref();
        let metrics = metrics.map(|address| metrics::bind(address, &routes.pipeline)).transpose()?;
        Ok(Self { listening: app, addresses: Vec::new(), metrics, routes, stop, announce })
    }

    /// The addresses that it listens on, with the port that was assigned for port 0.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The addresses that it serves [metrics](crate::extension::HttpOptions::metrics) on; none unless that is set.
    pub fn metrics_addresses(&self) -> &[SocketAddr] {
        self.metrics.as_ref().map_or(&[], |metrics| &metrics.addresses)
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
    #[doc(alias("graceful shutdown", "SIGTERM"))]
    pub async fn run(self) -> io::Result<()> {
        self.announced(false).await
    }

    /// Announces the start, in any case if `always`, and runs.
    pub(crate) async fn announced(self, always: bool) -> io::Result<()> {
        let measured = self.metrics_addresses().to_vec();
        let Self { listening, addresses, metrics, routes, stop, announce } = self;
        let Routes { pipeline, options, .. } = &routes;
        // A supervisor that reads the announcement may send a signal at once.
        let mut signals = Signals::listen()?;
        announce(&addresses, &measured, always);
        let metrics = metrics.map(|metrics| (metrics.server.handle(), tokio::spawn(metrics.server)));
        let mut stopped = stop.subscribe();
        let handle = listening.handle();
        let mut running = tokio::spawn(listening);
        let checked = Arc::clone(pipeline);
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
        let mut is_drained = false;
        let drained = async {
            pipeline.concurrency.drained().await;
            is_drained = true;
            routes.workers_ended().await;
        };
        let cut_off = tokio::select! {
            biased;
            () = drained => None,
            () = tokio::time::sleep(grace) => Some(format!("the grace period of {grace:?} is over")),
            signal = signals.next_apart() => Some(format!("a second signal, {signal}, ended the grace period")),
        };
        routes.cut_off_workers().await;
        let cut_off = cut_off.filter(|_| !is_drained);
        let cut_off = cut_off.map(|why| format!("{why}: {}", pipeline.concurrency.unfinished()));
        if let Some(cut_off) = &cut_off {
            tracing::error!(in_flight = pipeline.concurrency.in_flight(), "{cut_off}");
        }
        let graceful = cut_off.is_none();
        let left = || if graceful { grace.saturating_sub(began.elapsed()) } else { Duration::ZERO };
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
        let ended = tokio::time::timeout(left().max(ENDING), ending).await;
        // Metrics can be read until nothing is counted any more.
        if let Some((handle, serving)) = metrics {
            let _ = tokio::time::timeout(ENDING, async { tokio::join!(handle.stop(true), serving) }).await;
        }
        let patience = left().clamp(LAST_RECORDS, LAST_SPANS);
        let spans = tokio::task::spawn_blocking(move || traced(|traces| traces.flush(patience)));
        let _ = tokio::join!(pipeline.recorder.telemetry.flush(LAST_RECORDS), spans);
        let _ = tokio::task::spawn_blocking(|| flush_output(LAST_LINES)).await;
        if let Ok(ended) = ended {
            ended.map_err(io::Error::other)??;
        }
        cut_off.map_or(Ok(()), |cut_off| Err(io::Error::new(io::ErrorKind::TimedOut, cut_off)))
    }
}

/// The app of connections for deliveries.
fn configure(routes: &Routes, config: &mut ServiceConfig) {
    routes.configure(config);
    let routes = routes.clone();
    config.default_service(web::to(move |request: HttpRequest, payload: web::Payload| {
        routes.note_unrouted(&request);
        not_found(payload)
    }));
}

/// Logs a request that actix-http refused by itself, with 400 or 431: no route has seen it (wire contract,
/// unreadable-request).
fn note_unreadable(pipeline: &Pipeline, error: &DispatchError) {
    let DispatchError::Parse(error) = error else { return };
    let status = if matches!(error, ParseError::TooLarge) { 431 } else { 400 };
    if let Some(count) = pipeline.metrics.unreadable.count(pipeline.recorder.clock.unix_seconds()) {
        tracing::warn!(status, count, "request refused: it is not readable as HTTP: {error}");
    }
}

fn cannot_listen(host: &str, port: u16, error: &io::Error) -> StartupError {
    let mend = match error.kind() {
        io::ErrorKind::AddrInUse => "stop the program that listens there, or set `PORT` to another one",
        io::ErrorKind::PermissionDenied => "set `PORT` to one above 1023",
        _ => "set `HOST` and `PORT` to an address of this machine, like `0.0.0.0` and `8000`",
    };
    StartupError::new(vec![
        Problem::new(ProblemId::CannotListen, format!("cannot listen on {host}:{port}: {error}")).mend(mend),
    ])
}
