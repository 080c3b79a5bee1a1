//! Base URLs: of Kiket, or of a server that replaces it.

use std::{fmt, net::IpAddr, str::FromStr};

/// A URL that the paths of calls are appended to: `http` or `https`, a host, perhaps a port and a path.
///
/// ```text
/// https://kiket.dev
/// http://127.0.0.1:4010/kiket
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    /// Without a slash at the end.
    text: String,
    secure: bool,
    /// In lower case.
    host: String,
    port: u16,
}

impl BaseUrl {
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is called over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        match self.host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host == "localhost" || self.host.ends_with(".localhost"),
        }
    }

    /// The same without the path `/api/v1` at its end, which every call adds; `None` where there is none (wire contract,
    /// base-url-api-path).
    pub(crate) fn without_api_path(&self) -> Option<Self> {
        let cut = self.text.strip_suffix("/api/v1")?.trim_end_matches('/');
        Some(Self { text: cut.to_owned(), ..self.clone() })
    }

    /// Whether what is sent can be read on the way: plain `http` to another machine.
    pub(crate) fn is_in_clear(&self) -> bool {
        !self.secure && !self.is_loopback()
    }

    /// Whether both have the same origin: tokens are sent only to one with the same.
    pub(crate) fn has_origin_of(&self, other: &Self) -> bool {
        (self.secure, &self.host, self.port) == (other.secure, &other.host, other.port)
    }
}

/// The address of Kiket (wire contract, base-url).
impl Default for BaseUrl {
    fn default() -> Self {
        Self { text: "https://kiket.dev".to_owned(), secure: true, host: "kiket.dev".to_owned(), port: 443 }
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        let text = text.trim_end_matches('/');
        let uri: http::Uri = text.parse().map_err(|_| BaseUrlError)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(BaseUrlError),
        };
        let authority = uri.authority().ok_or(BaseUrlError)?;
        let odd = authority.as_str().contains('@') || text.contains(['?', '#', '\\']);
        let dots = uri
            .path()
            .split('/')
            .any(|segment| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."));
        // The library's `port` is `None` for an invalid port, too.
        let port =
            match authority.as_str().strip_prefix(authority.host()).and_then(|port| port.strip_prefix(':')) {
                None => Ok(if secure { 443 } else { 80 }),
                Some(port) => port.parse(),
            };
        let port = port.map_err(|_| BaseUrlError)?;
        let host = authority.host().to_ascii_lowercase();
        if odd || dots || host.is_empty() {
            Err(BaseUrlError)
        } else {
            Ok(Self { text: text.to_owned(), secure, host, port })
        }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A text that is not a base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a base URL is `http` or `https` and a host, without a name, a query or a fragment, like `https://kiket.dev`"
)]
pub(crate) struct BaseUrlError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_keeps_its_path_without_the_last_slash() {
        for (text, kept) in [
            ("https://kiket.dev", "https://kiket.dev"),
            ("https://kiket.dev/", "https://kiket.dev"),
            ("http://127.0.0.1:4010/a/b//", "http://127.0.0.1:4010/a/b"),
            ("http://[::1]:80", "http://[::1]:80"),
        ] {
            assert_eq!(text.parse::<BaseUrl>().map(|url| url.to_string()), Ok(kept.to_owned()));
        }
    }

    #[test]
    fn other_texts_are_not_base_urls() {
        for text in [
            "",
            "kiket.dev",
            "/api",
            "ftp://kiket.dev",
            "https://",
            "https://user:pw@kiket.dev",
            "https://kiket.dev?a=b",
            "https://kiket.dev#x",
            "https://kiket.dev:99999",
            "https://kiket.dev/a/../b",
            "https://kiket.dev/%2E%2e/b",
            "https://a b",
            "https://kiket.dev\\@evil.example",
            "javascript:alert(1)",
            "https:kiket.dev",
        ] {
            assert_eq!(text.parse::<BaseUrl>(), Err(BaseUrlError), "{text}");
        }
    }

    #[test]
    fn the_path_that_calls_add_is_cut() {
        let cut = |text: &str| text.parse::<BaseUrl>().unwrap().without_api_path().map(|url| url.to_string());
        assert_eq!(cut("http://a/api/v1/"), Some("http://a".into()));
        assert_eq!(cut("https://a:1/kiket//api/v1"), Some("https://a:1/kiket".into()));
        for kept in
            ["https://a", "https://a/api/v1/ext", "https://a/api/v2", "https://a/xapi/v1", "https://api/v1x"]
        {
            assert_eq!(cut(kept), None, "{kept}");
        }
    }

    #[test]
    fn only_plain_http_to_another_machine_is_in_clear() {
        let clear = |text: &str| text.parse::<BaseUrl>().unwrap().is_in_clear();
        for url in
            ["http://kiket.example", "http://10.0.0.1", "http://[fd00::1]:80", "http://localhost.example"]
        {
            assert!(clear(url), "{url}");
        }
        for url in [
            "https://kiket.example",
            "http://127.9.9.9:1",
            "http://[::1]",
            "http://LOCALHOST/x",
            "http://a.localhost",
        ] {
            assert!(!clear(url), "{url}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = |a: &str, b: &str| a.parse::<BaseUrl>().unwrap().has_origin_of(&b.parse().unwrap());
        assert!(same("https://kiket.dev", "https://KIKET.dev:443/path"));
        assert!(same("http://a:80", "http://a"));
        assert!(!same("https://kiket.dev", "http://kiket.dev"));
        assert!(!same("https://kiket.dev", "https://kiket.dev:8443"));
        assert!(!same("https://kiket.dev", "https://kiket.dev.evil.example"));
        assert!(!same("https://kiket.dev", "https://evil.example/kiket.dev"));
    }
}
