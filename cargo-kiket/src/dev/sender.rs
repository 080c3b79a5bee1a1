//! Deliveries that `dev` sends itself, through its own proxy.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// How long a connection on this machine may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a response may take: longer than a request may wait, and a handler run.
const RESPONSE: Duration = Duration::from_secs(180);

/// Sends a request to `address` and waits for the end of its response. `connected` gets the address of this end first.
pub(super) fn send(
    address: SocketAddr,
    target: &str,
    headers: &[(String, String)],
    body: &[u8],
    connected: impl FnOnce(SocketAddr),
) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, CONNECT)?;
    connected(stream.local_addr()?);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(RESPONSE))?;
    stream.set_write_timeout(Some(RESPONSE))?;
    stream.write_all(&request(address, target, headers, body)?)?;
    // The proxy has the response; this end only has to take it.
    io::copy(&mut stream.take(64 << 20), &mut io::sink())?;
    Ok(())
}

/// The request as bytes.
fn request(
    address: SocketAddr,
    target: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> io::Result<Vec<u8>> {
    let is_line = |text: &str| !text.bytes().any(|byte| byte.is_ascii_control());
    let is_target = target.starts_with('/') && is_line(target) && !target.contains(' ');
    if !is_target || !headers.iter().all(|(name, value)| is_line(name) && is_line(value)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "path and headers are one line each"));
    }
    let framing = ["host", "content-length", "connection", "transfer-encoding", "expect", "upgrade"];
    let headers =
        headers.iter().filter(|(name, _)| !framing.iter().any(|own| name.eq_ignore_ascii_case(own)));
    let headers = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect::<Vec<_>>().concat();
    let head = format!(
        "POST {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    Ok([head.as_bytes(), body].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_cannot_become_two() {
        let address: SocketAddr = ([127, 0, 0, 1], 1).into();
        let header = |name: &str, value: &str| [(name.to_owned(), value.to_owned())];
        let sent = request(address, "/a?b=1", &header("X-A", "1"), b"{}").unwrap();
        assert_eq!(
            String::from_utf8(sent).unwrap(),
            "POST /a?b=1 HTTP/1.1\r\nhost: 127.0.0.1:1\r\nconnection: close\r\ncontent-length: 2\r\nX-A: 1\r\n\r\n{}"
        );
        let sent = request(address, "/", &header("Content-Length", "7"), b"").unwrap();
        assert!(!String::from_utf8(sent).unwrap().contains("Length: 7"));
        for (target, name, value) in [
            ("/ b", "a", "b"),
            ("b", "a", "b"),
            ("/", "a", "b\r\nc: d"),
            ("/", "a\n", "b"),
            ("/\r\n", "a", "b"),
        ] {
            assert!(request(address, target, &header(name, value), b"").is_err(), "{target} {name} {value}");
        }
    }
}
