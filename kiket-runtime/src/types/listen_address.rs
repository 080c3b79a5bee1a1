//! Addresses to listen on: a name or an address, and a port.

use std::{fmt, str::FromStr};

/// A name or an address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListenAddress {
    /// An IPv6 address may be in brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// The error of a text that is no [`ListenAddress`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address and a port, like `127.0.0.1:9464` or `[::]:9464`")]
pub(crate) struct ListenAddressError;

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, ListenAddressError> {
        let (host, port) = text.trim().rsplit_once(':').ok_or(ListenAddressError)?;
        let in_brackets = host.starts_with('[') && host.ends_with(']');
        let is_plain = !host.is_empty() && !host.contains([':', '/', '@', '[', ']', ' ']);
        if !in_brackets && !is_plain || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ListenAddressError);
        }
        Ok(Self { host: host.to_owned(), port: port.parse().map_err(|_| ListenAddressError)? })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for (text, host, port) in [
            ("127.0.0.1:9464", "127.0.0.1", 9464),
            (" localhost:0 ", "localhost", 0),
            ("[::]:65535", "[::]", 65535),
        ] {
            assert_eq!(text.parse(), Ok(ListenAddress { host: host.to_owned(), port }), "{text}");
        }
        for text in [
            "",
            "9464",
            ":9464",
            "localhost",
            "localhost:",
            "a:65536",
            "::1:9464",
            "a:+1",
            "http://a:1",
            "[::1]",
        ] {
            assert_eq!(text.parse::<ListenAddress>(), Err(ListenAddressError), "{text}");
        }
    }
}
