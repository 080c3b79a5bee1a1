//! The URLs of Restate, and clients for them.

use std::{net::IpAddr, time::Duration};

use kiket_runtime::Secret;
use reqwest::{Client, Url, redirect::Policy};

use crate::{RestateError, process};

/// The timeout of connecting.
const CONNECT: Duration = Duration::from_secs(3);

/// The URL of a server, without a slash at its end. An error names it, and does not show it: a password may be in it.
pub(crate) fn url(name: &str, text: &Secret) -> Result<String, RestateError> {
    let parsed = Url::parse(text.expose()).ok();
    if !parsed.is_some_and(|url| ["http", "https"].contains(&url.scheme()) && url.query().is_none()) {
        let message = format!("{name} is not the URL of a server, like `http://127.0.0.1:8080`");
        return Err(RestateError::Invalid(message));
    }
    Ok(text.expose().trim_end_matches('/').to_owned())
}

/// A URL without what may be secret in it.
pub(crate) fn shown(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return String::new() };
    let _ = (url.set_username(""), url.set_password(None));
    url.to_string()
}

/// A client for the server at a URL.
pub(crate) fn client(url: &str) -> Result<Client, RestateError> {
    let url = Url::parse(url).map_err(process)?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback =
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let builder = || {
        let builder = Client::builder().redirect(Policy::none()).connect_timeout(CONNECT);
        // A proxy cannot reach this machine's own addresses.
        if is_loopback { builder.no_proxy() } else { builder }
    };
    // Unless the program has one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let built = builder().build();
    // Without TLS no certificates are needed, and some images have none.
    let is_plain = url.scheme() == "http";
    let built = if is_plain { built.or_else(|_| builder().tls_certs_only([]).build()) } else { built };
    built.map_err(process)
}

#[cfg(test)]
mod tests {
    use std::{
        env,
        io::{BufRead as _, BufReader, Write as _},
        net::TcpListener,
        process::Command,
        thread,
    };

    use super::*;

    /// A proxy that leads nowhere, and no certificates.
    const ENVIRONMENT: [(&str, &str); 4] = [
        ("KIKET_TEST_IN_A_BARE_IMAGE", "1"),
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        ("SSL_CERT_FILE", "/dev/null"),
        ("SSL_CERT_DIR", "/nonexistent"),
    ];

    #[tokio::test]
    #[cfg(target_os = "linux")] // elsewhere the system verifies certificates
    async fn restate_is_called_without_certificates_and_proxy() {
        if env::var_os(ENVIRONMENT[0].0).is_none() {
            let name = "connect::tests::restate_is_called_without_certificates_and_proxy";
            let mut test = Command::new(env::current_exe().unwrap());
            let test = test.args(["--exact", name, "--nocapture"]).envs(ENVIRONMENT).output().unwrap();
            let printed = String::from_utf8_lossy(&test.stdout) + String::from_utf8_lossy(&test.stderr);
            assert!(test.status.success() && printed.contains("1 passed"), "{printed}");
            return;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                assert!(stream.read_line(&mut line).unwrap() > 0, "a whole request");
            }
            let response = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
            stream.get_mut().write_all(response.as_bytes()).unwrap();
        });
        let response = client(&url).unwrap().get(&url).send().await.unwrap();
        assert_eq!(response.status(), 307, "it is not followed");
        server.join().unwrap();
    }

    #[test]
    fn a_url_is_shown_without_its_password() {
        assert_eq!(shown("https://user:canary@a.example:1/b"), "https://a.example:1/b");
        assert_eq!(shown("canary"), "");
    }
}
