//! Verifies the signature of Standard Webhooks.

use base64ct::{Base64, Encoding as _};

use super::{
    provider::{Key, Provider, check_time, malformed, unusable},
    webhook::ExternalWebhook,
};
use crate::{auth::MacKey, error::VerificationError, types::Secret};

/// [Standard Webhooks](https://www.standardwebhooks.com), which many services send: `webhook-signature`, the HMAC-SHA256 of
/// `webhook-id`, `webhook-timestamp` and the body, with dots between them. The time may be 300 s from when Kiket
/// received it. While a secret is rotated there are several signatures, and one must match. The older names `svix-id`,
/// `svix-timestamp` and `svix-signature` are read as well.
///
/// ```
/// use kiket_runtime::external_webhook::{ExternalWebhook, StandardWebhooks};
/// use serde_json::json;
///
/// let webhook: ExternalWebhook = serde_json::from_value(json!({
///     "received_at": 1_614_265_342,
///     "external_webhook": { "body": r#"{"test": 2432232314}"#, "headers": {
///         "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
///         "webhook-timestamp": "1614265330",
///         "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
///     } },
/// }))?;
/// assert!(webhook.verify(&StandardWebhooks::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).is_ok());
/// assert!(webhook.verify(&StandardWebhooks::new("whsec_YW5vdGhlciBzZWNyZXQ=")).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct StandardWebhooks(Key);

/// The headers of id, time and signature.
const HEADERS: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
/// Their names before the standard, which Svix still sends.
const OLDER: [&str; 3] = ["svix-id", "svix-timestamp", "svix-signature"];

impl StandardWebhooks {
    /// Standard Webhooks, with the secret of the endpoint: base64, behind `whsec_` or alone.
    pub fn new(secret: impl Into<Secret>) -> Self {
        Self(Key::new(&secret.into(), |text| {
            let base64 = text.strip_prefix("whsec_").unwrap_or(text);
            match Base64::decode_vec(base64) {
                Ok(key) if !key.is_empty() => Ok(MacKey::new(&key)),
                _ => Err(unusable("it is not `whsec_` and base64")),
            }
        }))
    }
}

impl Provider for StandardWebhooks {
    fn verify(&self, webhook: &ExternalWebhook) -> Result<(), VerificationError> {
        let is_there = |name| webhook.headers().all(name).next().is_some();
        let older = OLDER.into_iter().any(is_there) && !HEADERS.into_iter().any(is_there);
        let [id_header, time_header, signature_header] = if older { OLDER } else { HEADERS };
        let (id, time) = (webhook.header(id_header)?, webhook.header(time_header)?);
        // With a dot in the id, other parts could have the same signed text.
        if id.is_empty() || id.contains('.') {
            return Err(malformed(id_header, "an id without dots"));
        }
        let macs = read(webhook.header(signature_header)?)
            .ok_or_else(|| malformed(signature_header, "a list like `v1,…` with base64 of 32 bytes"))?;
        check_time(webhook, time_header, time)?;
        self.0.check(&macs, &[id.as_bytes(), b".", time.as_bytes(), b".", webhook.text().as_bytes()])
    }
}

/// ```text
/// signatures = signature *( " " signature )
/// signature  = "v1," base64 / version "," text
/// ```
///
/// There is at least one `v1` that can be read; other parts are ignored (wire contract, signature-lists).
fn read(header: &str) -> Option<Vec<[u8; 32]>> {
    let macs = header.split_ascii_whitespace().filter_map(|signature| {
        let mut mac = [0; 32];
        let decoded = Base64::decode(signature.strip_prefix("v1,")?, &mut mac).ok()?.len();
        (decoded == mac.len()).then_some(mac)
    });
    Some(macs.collect()).filter(|macs: &Vec<_>| !macs.is_empty())
}
