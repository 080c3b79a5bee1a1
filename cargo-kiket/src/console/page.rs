//! The page: HTML, style and script in one response, and the headers that let the browser run nothing else.

use std::sync::LazyLock;

use base64ct::{Base64, Encoding as _};
use sha2::{Digest as _, Sha256};

use super::http::Response;

const HTML: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The whole page.
static PAGE: LazyLock<String> =
    LazyLock::new(|| HTML.replace("{{style}}", STYLE).replace("{{script}}", SCRIPT));

/// What the browser may load: nothing but what is in the page, by its hash.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| Base64::encode_string(&Sha256::digest(text));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
});

pub(crate) fn response() -> Response {
    let headers = vec![("content-type", "text/html; charset=utf-8".to_owned())];
    Response { status: 200, headers, body: PAGE.clone().into_bytes() }
}

/// The headers of every response. None of them lets another origin read it.
pub(crate) fn security_headers() -> [(&'static str, String); 7] {
    [
        ("content-security-policy", POLICY.clone()),
        ("x-frame-options", "DENY".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("referrer-policy", "no-referrer".to_owned()),
        ("cross-origin-opener-policy", "same-origin".to_owned()),
        ("cross-origin-resource-policy", "same-origin".to_owned()),
        ("cache-control", "no-store".to_owned()),
    ]
}
