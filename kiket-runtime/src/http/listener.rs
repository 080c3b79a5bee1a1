//! Sockets that listen on every address of a name.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs as _},
};

use socket2::{Domain, Protocol, Socket, Type};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;
/// How much of its responses the kernel keeps for a client that does not read, in bytes: by itself it keeps megabytes.
const SEND_BUFFER: usize = 128 * 1024;

/// Listens on every address of `host` that this machine has (wire contract, listen-address).
pub(super) fn listen(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
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
