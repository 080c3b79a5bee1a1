//! Who may use the console: a page of its own origin, on this machine, with the token that the terminal prints.
//!
//! Other pages of the browser are kept out by `Host` (no name that an attacker's DNS could point here), by `Origin` and
//! `Sec-Fetch-Site`, and by a header that no form, image or script can send. Cookies go to every port of a host: so the cookie
//! alone is not enough, and the other half is in the storage of the page, which belongs to its port.

use std::{fmt::Write as _, fs, io, path::Path};

use sha2::{Digest as _, Sha256};

use super::http::Request;

/// The header that each request of the page has.
pub(crate) const HEADER: &str = "x-kiket-console";

/// Why a request is refused: the status, and a sentence.
pub(crate) type Refusal = (u16, &'static str);

/// What a request must have.
pub(crate) struct Guard {
    port: u16,
    token: [u8; 32],
    session: String,
    proof: String,
}

impl Guard {
    pub(crate) fn new(port: u16, token: &str) -> Self {
        let derived = |name: &str| hex(&Sha256::digest(format!("kiket console {name} {token}")));
        Self {
            port,
            token: Sha256::digest(token).into(),
            session: derived("session"),
            proof: derived("proof"),
        }
    }

    /// Checks where a request comes from.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Refusal> {
        let mut hosts = request.all("host");
        let host = hosts.next().unwrap_or_default().to_ascii_lowercase();
        if hosts.next().is_some() || !self.is_own(&host) {
            return Err((421, "this console is at a loopback address with its own port"));
        }
        let forwarded =
            ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via", "cf-connecting-ip"];
        if forwarded.iter().any(|name| request.header(name).is_some()) {
            return Err((
                403,
                "this console is for this machine, and not for those behind a proxy or a tunnel",
            ));
        }
        let own = format!("http://{host}");
        if request.all("origin").any(|origin| origin != own) {
            return Err((403, "another origin"));
        }
        let is_page = request.path == "/" && request.method != "POST";
        let mut sites = request.all("sec-fetch-site");
        let is_own_site = |site: &str| site == "same-origin" || site == "none";
        if !is_page && !sites.all(is_own_site) {
            return Err((403, "another site"));
        }
        let mut destinations = request.all("sec-fetch-dest");
        if is_page && destinations.any(|it| !["document", "empty"].contains(&it)) {
            return Err((403, "this page is never in a frame"));
        }
        Ok(())
    }

    fn is_own(&self, host: &str) -> bool {
        let name = host.strip_suffix(&format!(":{}", self.port));
        name.is_some_and(|name| ["127.0.0.1", "localhost", "[::1]"].contains(&name))
    }

    /// Checks that a request comes from a page that has shown the token.
    pub(crate) fn admit(&self, request: &Request) -> Result<(), Refusal> {
        let cookies = request.all("cookie").flat_map(|line| line.split(';'));
        let own = format!("{}={}", self.cookie_name(), self.session);
        let has_cookie = cookies.map(str::trim).any(|cookie| same(cookie, &own));
        let has_proof = request.header(HEADER).is_some_and(|proof| same(proof, &self.proof));
        if has_cookie && has_proof { Ok(()) } else { Err((401, "open the link that the terminal prints")) }
    }

    /// Exchanges the token for the cookie, and the proof that goes into the header.
    pub(crate) fn exchange(&self, request: &Request, token: &str) -> Result<(String, &str), Refusal> {
        if request.header(HEADER).is_none() {
            return Err((403, "the header of the page is missing"));
        }
        let shown: [u8; 32] = Sha256::digest(token).into();
        if shown != self.token {
            return Err((401, "open the link that the terminal prints"));
        }
        let cookie = format!("{}={}; Path=/; SameSite=Strict; HttpOnly", self.cookie_name(), self.session);
        Ok((cookie, &self.proof))
    }

    fn cookie_name(&self) -> String {
        format!("kiket-console-{}", self.port)
    }
}

/// Compares hashes, so that the time says nothing about the texts.
fn same(one: &str, other: &str) -> bool {
    Sha256::digest(one) == Sha256::digest(other)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A new token: 256 bits of the system's randomness.
pub(crate) fn fresh_token() -> io::Result<String> {
    let random = ring::rand::generate::<[u8; 32]>(&ring::rand::SystemRandom::new());
    let random = random.map_err(|_| io::Error::other("the system has no randomness"))?;
    Ok(hex(&random.expose()))
}

/// The token in a file that only its owner can read; made where it is not there. With the same token, an open page goes on
/// after a restart.
///
/// # Errors
///
/// When it cannot be read or made.
pub fn token(file: &Path) -> io::Result<String> {
    match fs::read_to_string(file) {
        Ok(text) if text.trim().len() >= 32 && text.trim().bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            return Ok(text.trim().to_owned());
        }
        Ok(_) => fs::remove_file(file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let token = fresh_token()?;
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    io::Write::write_all(&mut options.open(file)?, token.as_bytes())?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, headers: &[(&str, &str)]) -> Request {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Request { method: "GET".into(), path: path.into(), headers, ..Request::default() }
    }

    #[test]
    fn only_pages_of_this_address_come_in() {
        let guard = Guard::new(4001, "t");
        let own = ("host", "127.0.0.1:4001");
        for (headers, expected) in [
            (&[own][..], None),
            (&[("host", "LOCALHOST:4001")], None),
            (&[("host", "[::1]:4001"), ("origin", "http://[::1]:4001")], None),
            (&[own, ("sec-fetch-site", "same-origin")], None),
            (&[], Some(421)),
            (&[own, own], Some(421)),
            (&[("host", "127.0.0.1:4002")], Some(421)),
            (&[("host", "127.0.0.1")], Some(421)),
            (&[("host", "evil.example:4001")], Some(421)),
            (&[("host", "127.0.0.1.evil.example:4001")], Some(421)),
            (&[("host", "a@127.0.0.1:4001")], Some(421)),
            (&[own, ("origin", "http://evil.example")], Some(403)),
            (&[own, ("origin", "http://127.0.0.1:4002")], Some(403)),
            (&[own, ("origin", "http://localhost:4001")], Some(403)),
            (&[own, ("origin", "https://127.0.0.1:4001")], Some(403)),
            (&[own, ("origin", "null")], Some(403)),
            (&[own, ("origin", "")], Some(403)),
            (&[own, ("sec-fetch-site", "same-site")], Some(403)),
            (&[own, ("sec-fetch-site", "cross-site")], Some(403)),
            (&[own, ("x-forwarded-for", "10.0.0.1")], Some(403)),
        ] {
            let refused = guard.check(&request("/api/events", headers)).err().map(|(status, _)| status);
            assert_eq!(refused, expected, "{headers:?}");
        }
        // A link leads to the page, from wherever; a frame never.
        assert!(
            guard
                .check(&request(
                    "/",
                    &[own, ("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "document")]
                ))
                .is_ok()
        );
        assert!(guard.check(&request("/", &[own, ("sec-fetch-dest", "iframe")])).is_err());
    }

    #[test]
    fn neither_half_of_the_session_is_enough() {
        let guard = Guard::new(4001, "t");
        let (cookie, proof) = guard.exchange(&request("/", &[(HEADER, "1")]), "t").unwrap();
        assert!(cookie.ends_with("; Path=/; SameSite=Strict; HttpOnly"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap();
        let both = [("cookie", &*format!("a=b; {cookie}")), (HEADER, proof)];
        assert!(guard.admit(&request("/", &both)).is_ok());
        for headers in [&both[..1], &both[1..], &[], &[("cookie", proof), (HEADER, cookie)]] {
            assert!(guard.admit(&request("/", headers)).is_err());
        }
        assert!(guard.exchange(&request("/", &[(HEADER, "1")]), "other").is_err());
        assert!(guard.exchange(&request("/", &[]), "t").is_err());
        assert!(Guard::new(4001, "other").admit(&request("/", &both)).is_err());
    }

    #[test]
    fn a_token_is_kept_in_a_file_of_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/console-token");
        let made = token(&file).unwrap();
        assert_eq!((made.len(), token(&file).unwrap()), (64, made.clone()));
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions()) & 0o777,
            0o600
        );
        fs::write(&file, "short").unwrap();
        assert_ne!(token(&file).unwrap(), made);
    }
}
