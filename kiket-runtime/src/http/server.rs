//! A server for one extension: it listens, answers, and drains when it is told to stop.

use std::{io, net::SocketAddr, time::Duration};

use actix_web::{App, HttpServer, dev, web};
use tokio::signal::unix::{SignalKind, signal};

use super::{configure, not_found};
use crate::{
    error::{Problem, StartupError},
    extension::Extension,
};

/// A server that listens and has not begun to answer.
///
/// ```
/// # use kiket_runtime::{Extension, Reply};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let extension = Extension::builder()
///     .webhook_secret("sh_123")
///     .port(0)
///     .handler("issue.created", "v1", async || Reply::ok())
///     .build()?;
/// let server = extension.bind()?;
/// println!("listening on {}", server.addresses()[0]);
/// # let handle = server.handle();
/// # handle.stop();
/// server.run().await?; // until SIGTERM, SIGINT or `handle.stop()`
/// # Ok(())
/// # }
/// ```
#[must_use = "a server answers nobody until `run`"]
pub struct Server {
    listening: dev::Server,
    addresses: Vec<SocketAddr>,
    extension: Extension,
    stop: tokio::sync::watch::Sender<bool>,
}

/// Stops a [`Server`] from elsewhere.
#[derive(Debug, Clone)]
pub struct ServerHandle(tokio::sync::watch::Sender<bool>);

impl ServerHandle {
    /// Drains the extension and stops its server, as SIGTERM does.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Extension {
    /// Listens where the extension is configured to, and answers from [`Server::run`] on.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub fn bind(&self) -> Result<Server, StartupError> {
        Server::bind(self.clone())
    }

    /// Listens and answers until SIGTERM or SIGINT, then drains: readiness is false, new deliveries get 503, and
    /// running ones finish within the grace period.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on, or the operating system fails.
    pub async fn serve(&self) -> crate::Result<()> {
        Ok(self.bind()?.run().await?)
    }
}

/// How long a connection may stay without a request: longer than a load balancer keeps it, so that it is the
/// balancer who closes, and never in the moment a delivery is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long connections may take to close after the last delivery was answered.
const CLOSING_SECONDS: u64 = 2;

impl Server {
    fn bind(extension: Extension) -> Result<Self, StartupError> {
        let (host, port) = (extension.config().host().to_owned(), extension.config().port());
        let limits = extension.limits();
        let served = extension.clone();
        let mut http = HttpServer::new(move || {
            App::new().configure(|config| configure(config, &served)).default_service(web::to(not_found))
        })
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(limits.head_wait)
        .shutdown_timeout(CLOSING_SECONDS)
        .disable_signals();
        if let Some(workers) = limits.workers {
            http = http.workers(workers);
        }
        let http = http.bind((host.as_str(), port)).map_err(|error| cannot_listen(&host, port, &error))?;
        let addresses = http.addrs();
        Ok(Self { listening: http.run(), addresses, extension, stop: tokio::sync::watch::Sender::new(false) })
    }

    /// Where it listens; with port 0, which port it got.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A handle that stops it.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle(self.stop.clone())
    }

    /// Answers until SIGTERM, SIGINT or [`ServerHandle::stop`], then drains: readiness is false, new deliveries get
    /// 503, and running ones finish within the grace period.
    ///
    /// # Errors
    ///
    /// When the operating system fails.
    pub async fn run(self) -> io::Result<()> {
        let Self { listening, extension, stop, .. } = self;
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let mut stopped = stop.subscribe();
        let handle = listening.handle();
        let running = tokio::spawn(listening);
        tokio::select! {
            _ = terminate.recv() => tracing::info!(signal = "SIGTERM", "draining"),
            _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "draining"),
            _ = stopped.wait_for(|stop| *stop) => tracing::info!("draining"),
        }
        extension.drain();
        if tokio::time::timeout(extension.limits().grace, extension.drained()).await.is_err() {
            tracing::error!(
                in_flight = extension.in_flight(),
                "the grace period is over: deliveries are cut off, and Kiket will send them again"
            );
        }
        handle.stop(true).await;
        running.await.map_err(io::Error::other)?
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
