//! A delivery over a socket: one request, one connection, to this machine only.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use http::Uri;
use kiket_runtime::Headers;

use crate::{delivery::SignedDelivery, response::TestResponse};

/// The most bytes of a response that are read.
const LARGEST: usize = 16 * 1024 * 1024;

/// Where deliveries go.
#[derive(Debug, Clone)]
pub(super) struct Target {
    address: SocketAddr,
    authority: String,
    prefix: String,
}

impl Target {
    /// ```text
    /// http://127.0.0.1:8000[/prefix]
    /// ```
    fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        if uri.scheme_str() != Some("http") {
            return None;
        }
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
        let ip: IpAddr = if host == "localhost" { Ipv4Addr::LOCALHOST.into() } else { host.parse().ok()? };
        ip.is_loopback().then(|| Self {
            address: (ip, uri.port_u16().unwrap_or(80)).into(),
            authority: uri.authority().map(ToString::to_string).unwrap_or_default(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The same.
    ///
    /// # Panics
    ///
    /// Unless `url` is like this.
    #[track_caller]
    pub(super) fn expect(url: &str) -> Self {
        Self::parse(url).unwrap_or_else(|| panic!("`{url}` is not like `http://127.0.0.1:8000`"))
    }

    /// Sends `delivery` and reads the response, all within `wait`. It blocks.
    pub(super) fn post(&self, delivery: &SignedDelivery, wait: Duration) -> io::Result<TestResponse> {
        let deadline = Instant::now().checked_add(wait);
        let left = || {
            let left = deadline.and_then(|deadline| deadline.checked_duration_since(Instant::now()));
            left.filter(|left| !left.is_zero()).ok_or(io::ErrorKind::TimedOut)
        };
        let mut stream = TcpStream::connect_timeout(&self.address, left()?)?;
        stream.set_write_timeout(Some(left()?))?;
        stream.write_all(&self.request(delivery))?;
        let (mut response, mut chunk, mut read) = (Vec::new(), [0; 16 * 1024], 1);
        while read > 0 && response.len() < LARGEST {
            stream.set_read_timeout(Some(left()?))?;
            read = stream.read(&mut chunk)?;
            response.extend_from_slice(chunk.get(..read).unwrap_or_default());
        }
        read_response(&response).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// In HTTP/1.0, whose responses end with their connection.
    fn request(&self, delivery: &SignedDelivery) -> Vec<u8> {
        let mut head =
            format!("POST {}{} HTTP/1.0\r\nhost: {}\r\n", self.prefix, delivery.path, self.authority);
        for (name, value) in &delivery.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let length = format!("content-length: {}\r\n\r\n", delivery.body.len());
        [head.as_bytes(), length.as_bytes(), &delivery.body].concat()
    }
}

fn read_response(bytes: &[u8]) -> Option<TestResponse> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = bytes.split_at_checked(end)?;
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim()));
    let headers: Headers = headers.collect();
    let body = body.get(4..)?;
    let announced = headers.get("content-length").and_then(|length| length.parse::<usize>().ok());
    let is_whole = announced.is_none_or(|length| length == body.len());
    is_whole.then(|| TestResponse::new(status, headers, body.to_vec(), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_delivered_to() {
        for url in
            ["http://127.0.0.1:1", "http://localhost:8000/kiket/", "http://[::1]:9", "http://127.1.2.3"]
        {
            assert!(Target::parse(url).is_some(), "{url}");
        }
        for url in
            ["https://127.0.0.1:1", "http://example.com", "http://10.0.0.1:80", "127.0.0.1:80", "", "/x"]
        {
            assert!(Target::parse(url).is_none(), "{url}");
        }
        assert_eq!(Target::parse("http://localhost:8000/kiket/").unwrap().prefix, "/kiket");
    }

    #[test]
    fn a_response_that_is_cut_is_none() {
        let whole = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}";
        let response = read_response(whole).unwrap();
        assert_eq!(
            (response.status(), response.text(), response.headers().get("retry-after")),
            (503, "{}", Some("1"))
        );
        for length in 0..whole.len() {
            assert!(read_response(&whole[..length]).is_none(), "{length}");
        }
    }
}
