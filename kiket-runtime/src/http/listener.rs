//! Listeners: sockets on every address of a name, and the service of their connections.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs as _},
    time::Duration,
};

use actix_http::{HttpService, error::DispatchError};
use actix_server::{GracefulShutdownSignal, ServerBuilder};
use actix_service::{ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{
    App,
    dev::{self, AppConfig},
    rt::net::TcpStream,
    web::ServiceConfig,
};
use socket2::{Domain, Protocol, Socket, Type};

use super::connection::{Connection, tracked};

/// How long an idle connection is kept: longer than load balancers keep theirs, so that the balancer closes it, and
/// never at the moment a delivery is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a closing connection may take to write the rest, and to read what the client still sends.
const DISCONNECTING: Duration = Duration::from_secs(1);
/// How many bytes of responses may wait in this process before a connection leaves its next request unhandled. With one
/// response more it stays within the 8 KiB that actix-http takes for a connection at first.
const WRITE_BUFFER: usize = 7 * 1024;
/// How long connections may take to close after the last response.
pub(super) const CLOSING_SECONDS: u64 = 2;
/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;
/// How much of its responses the kernel keeps for a client that does not read, in bytes: by itself it keeps megabytes.
const SEND_BUFFER: usize = 128 * 1024;

/// A server that listens, and its addresses.
pub(super) struct Listening {
    pub(super) server: dev::Server,
    pub(super) addresses: Vec<SocketAddr>,
}

/// The options of a listener.
pub(super) struct Listener {
    pub(super) name: &'static str,
    /// Its threads; one for each core unless set.
    pub(super) workers: Option<usize>,
    /// How many connections a worker serves at the same time, if that is limited.
    pub(super) connections: Option<usize>,
    /// How long the head of a request may take to arrive.
    pub(super) head_wait: Duration,
}

impl Listener {
    /// Listens on `host` and `port`, and serves the app that `configure` makes. `note` gets what is no request.
    pub(super) fn bind(
        self,
        host: &str,
        port: u16,
        configure: impl FnOnce(&mut ServiceConfig) + Clone + Send + 'static,
        note: impl Fn(&DispatchError) + Clone + Send + 'static,
    ) -> io::Result<Listening> {
        let Self { name, workers, connections, head_wait } = self;
        let mut server = ServerBuilder::new().shutdown_timeout(CLOSING_SECONDS).disable_signals();
        if let Some(workers) = workers {
            server = server.workers(workers);
        }
        if let Some(connections) = connections {
            server = server.max_concurrent_connections(connections);
        }
        let mut addresses = Vec::new();
        for socket in listen(host, port)? {
            let address = socket.local_addr()?;
            let (stopping, configure, note) =
                (server.graceful_shutdown_signal(), configure.clone(), note.clone());
            let service =
                move || service(configure.clone(), head_wait, address, stopping.clone(), note.clone());
            server = server.listen(name, socket, service)?;
            addresses.push(address);
        }
        Ok(Listening { server: server.run(), addresses })
    }
}

/// The service of connections, as `HttpServer` would build it, but over our own connection type.
fn service<C, N>(
    configure: C,
    head_wait: Duration,
    address: SocketAddr,
    stopping: GracefulShutdownSignal,
    note: N,
) -> impl ServiceFactory<TcpStream, Config = ()> + use<C, N>
where
    C: FnOnce(&mut ServiceConfig),
    N: Fn(&DispatchError) + Clone,
{
    let app = App::new().configure(configure);
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
        note(&error);
        error
    })
}

/// Listens on every address of `host` that this machine has (wire contract, listen-address).
///
/// # Errors
///
/// Where no address can be listened on, or one is in use or not allowed.
#[allow(unreachable_pub)] // `internals` exports it
pub fn listen(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    let host = host.trim();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    listen_on((host, port).to_socket_addrs()?)
}

/// Passes over addresses that the machine lacks, as long as there is another. One that is in use, or that may not be used,
/// is an error: half of the clients would reach another program.
fn listen_on(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<Vec<TcpListener>> {
    let mut sockets = Vec::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for address in addresses {
        match listen_at(address) {
            Ok(socket) => sockets.push(socket),
            Err(error) => {
                failure = io::Error::new(error.kind(), format!("{address}: {error}"));
                if matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) {
                    return Err(failure);
                }
            }
        }
    }
    if sockets.is_empty() { Err(failure) } else { Ok(sockets) }
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Lingering connections of an earlier process must not stop the start. On Windows they do not, and the option would let
    // another program take the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    // Connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sockets: &[TcpListener]) -> Vec<SocketAddr> {
        sockets.iter().map(|socket| socket.local_addr().unwrap()).collect()
    }

    #[test]
    fn every_address_of_a_name_is_listened_on() {
        let expected: Vec<_> =
            ("localhost", 0).to_socket_addrs().unwrap().filter(|&at| listen_at(at).is_ok()).collect();
        let found = found(&listen("localhost", 0).unwrap());
        assert!(found.iter().map(SocketAddr::ip).eq(expected.iter().map(SocketAddr::ip)), "{found:?}");
        assert!(!found.is_empty() && found.iter().all(|address| address.port() != 0), "{found:?}");
    }

    #[test]
    fn an_address_that_the_machine_lacks_is_passed_over() {
        let [lacking, own] = ["192.0.2.1:0", "127.0.0.1:0"].map(|text| text.parse::<SocketAddr>().unwrap());
        for addresses in [[lacking, own], [own, lacking]] {
            let found = found(&listen_on(addresses.into_iter()).unwrap());
            assert!(matches!(&*found, [address] if address.ip() == own.ip()), "{found:?}");
        }
        let error = listen_on([lacking].into_iter()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
        assert!(error.to_string().starts_with("192.0.2.1:0: "), "{error}");
    }

    #[test]
    fn one_address_of_a_name_that_is_taken_is_an_error() {
        let taken = listen("127.0.0.1", 0).unwrap();
        let (taken, free) = (taken[0].local_addr().unwrap(), "127.0.0.2:0".parse().unwrap());
        for addresses in [[taken, free], [free, taken]] {
            let error = listen_on(addresses.into_iter()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            assert!(error.to_string().contains(&taken.to_string()), "{error}");
        }
    }

    #[test]
    fn brackets_and_white_space_are_no_part_of_a_host() {
        for host in ["[127.0.0.1]", " 127.0.0.1", "127.0.0.1\n", " [127.0.0.1] "] {
            assert!(found(&listen(host, 0).unwrap())[0].ip().is_loopback(), "{host:?}");
        }
        // Where the machine has no IPv6, the address is read and then lacking.
        if let Err(error) = listen("[::1]", 0) {
            assert!(error.to_string().starts_with("[::1]:0: "), "{error}");
        }
        for host in ["[127.0.0.1", "127.0.0.1]", "[]", ""] {
            assert!(listen(host, 0).is_err(), "{host:?}");
        }
    }

    #[test]
    fn an_address_that_is_taken_is_an_error() {
        let taken = listen("127.0.0.1", 0).unwrap();
        let port = taken[0].local_addr().unwrap().port();
        assert_eq!(listen("127.0.0.1", port).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
