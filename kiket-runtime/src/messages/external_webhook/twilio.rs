//! Verifies the signature of Twilio.

use std::{borrow::Cow, collections::BTreeSet};

use base64ct::{Base64, Encoding as _};
use ring::hmac;
use sha2::{Digest as _, Sha256};

use super::{
    provider::{Provider, malformed, mismatch, usable},
    webhook::ExternalWebhook,
};
use crate::{
    error::{VerificationError, VerificationErrorKind},
    types::{Secret, hex},
};

/// Twilio: `X-Twilio-Signature`, the HMAC-SHA1 of the URL and, after it, the sorted names and values of a form. The URL of
/// another body has the parameter `bodySHA256`, the SHA-256 of that body.
///
/// The URL is [`original_url`](ExternalWebhook::original_url), or the one that you [give](Self::url). With and without its
/// port it is the same.
///
/// ```
/// use kiket_runtime::external_webhook::{ExternalWebhook, Twilio};
/// use serde_json::json;
///
/// let webhook: ExternalWebhook = serde_json::from_value(json!({ "external_webhook": {
///     "original_url": "https://mycompany.com/myapp.php?foo=1&bar=2",
///     "content_type": "application/x-www-form-urlencoded",
///     "body": "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212",
///     "headers": { "X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=" },
/// } }))?;
/// assert!(webhook.verify(&Twilio::new("12345")).is_ok());
/// assert!(webhook.verify(&Twilio::new("54321")).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Twilio {
    key: Result<hmac::Key, VerificationError>,
    url: Option<String>,
}

const SIGNATURE: &str = "X-Twilio-Signature";

impl Twilio {
    /// Twilio, with the auth token of the account.
    pub fn new(auth_token: impl Into<Secret>) -> Self {
        let key = usable(&auth_token.into())
            .map(|text| hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()));
        Self { key, url: None }
    }

    /// The URL that Twilio calls, where `original_url` is absent or another one, like that behind a proxy. Its query, unless you
    /// write one, is that of `original_url`.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    fn url_of<'u>(&'u self, webhook: &'u ExternalWebhook) -> Result<Cow<'u, str>, VerificationError> {
        let query = || Some(webhook.original_url()?.split_once('?')?.1);
        match (&self.url, webhook.original_url()) {
            (Some(url), _) => Ok(match query().filter(|_| !url.contains('?')) {
                Some(query) => format!("{url}?{query}").into(),
                None => url.into(),
            }),
            (None, Some(url)) => Ok(url.into()),
            (None, None) => Err(VerificationError::new(
                VerificationErrorKind::Missing,
                "the payload has no `original_url`, which Twilio signs: give the URL by `Twilio::url`",
            )),
        }
    }
}

impl Provider for Twilio {
    fn verify(&self, webhook: &ExternalWebhook) -> Result<(), VerificationError> {
        let key = self.key.as_ref().map_err(Clone::clone)?;
        let mut mac = [0; 20];
        let decoded = Base64::decode(webhook.header(SIGNATURE)?, &mut mac).map_or(0, <[u8]>::len);
        if decoded != mac.len() {
            return Err(malformed(SIGNATURE, "base64 of 20 bytes"));
        }
        let url = self.url_of(webhook)?;
        let form = if webhook.is_form() { signed_form(webhook) } else { String::new() };
        let body_signed = webhook.is_form() || webhook.text().is_empty() || names_body(&url, webhook.text());
        let made = |url: &str| hmac::verify(key, format!("{url}{form}").as_bytes(), &mac).is_ok();
        if body_signed && (made(&url) || made(&other_port(&url))) {
            return Ok(());
        }
        Err(mismatch("the auth token makes no such signature of this URL and body"))
    }
}

/// Names and values, sorted and each pair once.
fn signed_form(webhook: &ExternalWebhook) -> String {
    let pairs: BTreeSet<_> = webhook.form_fields().collect();
    pairs.into_iter().flat_map(|(name, value)| [name, value]).collect()
}

/// Whether the URL has the hash of this body, which is then signed with it.
fn names_body(url: &str, body: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let hash = hex(&Sha256::digest(body.as_bytes()));
    form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name == "bodySHA256" && value.eq_ignore_ascii_case(&hash))
}

/// The URL without its port, or with that of its scheme: Twilio signs either.
fn other_port(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{scheme}://{host}{path}")
        }
        _ => format!("{scheme}://{host}:{}{path}", if scheme == "https" { 443 } else { 80 }),
    }
}
