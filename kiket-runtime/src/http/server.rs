//! A server for one extension: it listens, answers, and drains when it is told to stop.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs as _},
    time::Duration,
};

use actix_http::HttpService;
use actix_server::{GracefulShutdownSignal, ServerBuilder};
use actix_service::{ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{
    App,
    dev::{self, AppConfig},
    rt::net::TcpStream,
    web,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    connection::{Connection, answering},
    respond::not_found,
    routes::configure,
};
use crate::{
    error::{Error, Problem, StartupError},
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
///     .on("issue.created", "v1", async || Reply::ok())
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

    /// Listens and answers until SIGTERM or SIGINT, then drains; see [`Server::run`].
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on, deliveries had to be cut off, or the operating system fails.
    pub async fn serve(&self) -> Result<(), Error> {
        Ok(self.bind()?.run().await?)
    }
}

/// How long a connection may stay without a request: longer than a load balancer keeps it, so that it is the
/// balancer who closes, and never in the moment a delivery is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// The longest that anybody waits for a head. It is added to a time, which must not overflow.
const LONGEST_HEAD: Duration = Duration::from_secs(24 * 60 * 60);
/// How far the clock of actix-http is behind: it would cut a first head off as much too early.
const CLOCK_LAG: Duration = Duration::from_millis(500);
/// How long a connection that is being closed may take to send what it has, and to hear out its sender.
const DISCONNECTING: Duration = Duration::from_secs(1);
/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;
/// How long what was accepted last may take to be answered, once nobody runs and nobody else is let in.
const LAST_ANSWERS: Duration = Duration::from_millis(100);
/// How long connections may take to close after the last delivery was answered.
const CLOSING_SECONDS: u64 = 2;
/// How long threads may take to end after that. One that never comes back does not keep the process.
const ENDING: Duration = Duration::from_secs(CLOSING_SECONDS + 2);

/// How long the last records of telemetry may take.
const LAST_RECORDS: Duration = Duration::from_secs(2);

impl Server {
    fn bind(extension: Extension) -> Result<Self, StartupError> {
        let (host, port) = (extension.config().host().to_owned(), extension.config().port());
        let mut server = ServerBuilder::new().shutdown_timeout(CLOSING_SECONDS).disable_signals();
        if let Some(workers) = extension.limits().workers {
            server = server.workers(workers);
        }
        let mut addresses = Vec::new();
        let listening = listen(&host, port).and_then(|sockets| {
            for socket in sockets {
                let address = socket.local_addr()?;
                let (extension, stopping) = (extension.clone(), server.graceful_shutdown_signal());
                let service = move || service(&extension, address, stopping.clone());
                server = server.listen("kiket", socket, service)?;
                addresses.push(address);
            }
            Ok(server.run())
        });
        let listening = listening.map_err(|error| cannot_listen(&host, port, &error))?;
        Ok(Self { listening, addresses, extension, stop: tokio::sync::watch::Sender::new(false) })
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
    /// 503, and running ones finish within the grace period, which a second signal ends at once.
    ///
    /// # Errors
    ///
    /// When deliveries had to be cut off, for they outlived the grace period; Kiket sends them again. When the
    /// operating system fails.
    pub async fn run(self) -> io::Result<()> {
        let signals = Signals::listen()?;
        self.run_until(signals).await
    }

    pub(crate) async fn run_until(self, mut signals: Signals) -> io::Result<()> {
        let Self { listening, extension, stop, .. } = self;
        let mut stopped = stop.subscribe();
        let handle = listening.handle();
        let mut running = tokio::spawn(listening);
        let checked = extension.clone();
        tokio::spawn(async move { checked.check_store().await });
        tokio::select! {
            ended = &mut running => return ended.map_err(io::Error::other)?,
            signal = signals.next() => tracing::info!(signal, "draining"),
            _ = stopped.wait_for(|stop| *stop) => tracing::info!("draining"),
        }
        extension.drain();
        let grace = extension.limits().grace;
        let cut_off = tokio::select! {
            () = extension.drained() => None,
            () = tokio::time::sleep(grace) => Some(format!("the grace period of {grace:?} is over")),
            signal = signals.next() => Some(format!("a second signal, {signal}, ended the grace period")),
        };
        if let Some(why) = &cut_off {
            tracing::error!(
                in_flight = extension.in_flight(),
                "{why}: deliveries are cut off, and Kiket will send them again"
            );
        } else {
            // The server reads once more from every connection when it stops, and forgets what it read: whoever
            // was accepted a moment ago is answered before that.
            handle.pause().await;
            tokio::time::sleep(LAST_ANSWERS).await;
        }
        let stopping = handle.stop(cut_off.is_none());
        let ended = tokio::time::timeout(ENDING, async {
            stopping.await;
            running.await
        });
        if let Ok(ended) = ended.await {
            ended.map_err(io::Error::other)??;
        }
        extension.flush(LAST_RECORDS).await;
        match cut_off {
            None => Ok(()),
            Some(why) => {
                let what = format!("{why}, and deliveries were cut off: {}", extension.in_flight());
                Err(io::Error::new(io::ErrorKind::TimedOut, what))
            }
        }
    }
}

/// What answers connections; as `HttpServer` would make it, but over connections of ours.
fn service(
    extension: &Extension,
    address: SocketAddr,
    stopping: GracefulShutdownSignal,
) -> impl ServiceFactory<TcpStream, Config = ()> + use<> {
    let head_wait = extension.limits().head_wait.min(LONGEST_HEAD);
    let first_head_wait = if head_wait.is_zero() { head_wait } else { head_wait + CLOCK_LAG };
    let app = App::new().configure(|config| configure(config, extension)).default_service(web::to(not_found));
    let http = HttpService::build()
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(first_head_wait)
        .client_disconnect_timeout(DISCONNECTING)
        .local_addr(address)
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        })
        .on_connect_ext(Connection::introduce)
        .h1(answering(map_config(app, |()| AppConfig::default())));
    fn_service(move |stream: TcpStream| async move {
        let peer = stream.peer_addr().ok();
        Ok((Connection::new(stream, head_wait), peer))
    })
    .and_then(http)
}

/// Listens on every address of `host` that can be listened on.
fn listen(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    let mut sockets = Vec::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for address in (host, port).to_socket_addrs()? {
        match listen_at(address) {
            Ok(socket) => sockets.push(socket),
            Err(error) => failure = error,
        }
    }
    if sockets.is_empty() { Err(failure) } else { Ok(sockets) }
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Not kept from starting again by connections of the process before.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The signals that tell a process to stop. They are kept from killing it as soon as this exists.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one, and names it.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_a_name_is_listened_on() {
        let expected: Vec<_> =
            ("localhost", 0).to_socket_addrs().unwrap().filter(|&at| listen_at(at).is_ok()).collect();
        let sockets = listen("localhost", 0).unwrap();
        let found: Vec<_> = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
        assert!(found.iter().map(SocketAddr::ip).eq(expected.iter().map(SocketAddr::ip)), "{found:?}");
        assert!(!found.is_empty() && found.iter().all(|address| address.port() != 0), "{found:?}");
    }

    #[test]
    fn an_address_that_is_taken_is_an_error() {
        let taken = listen("127.0.0.1", 0).unwrap();
        let port = taken[0].local_addr().unwrap().port();
        assert_eq!(listen("127.0.0.1", port).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
