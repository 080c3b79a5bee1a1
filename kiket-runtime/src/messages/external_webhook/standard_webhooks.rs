//! Verifies the signature of Standard Webhooks.

use base64ct::{Base64, Encoding as _};

use super::{
    provider::{Key, Provider, check_time, malformed, unusable_secret},
    webhook::ExternalWebhook,
};
use crate::{auth::MacKey, error::VerificationError, types::Secret};

/// [Standard Webhooks](https://www.standardwebhooks.com), which many services send: `webhook-signature`, the HMAC-SHA256 of
/// `webhook-id`, `webhook-timestamp` and the body, with dots between them. The time may be 300 s from when Kiket
/// received it. While a secret is rotated there are several signatures, and one must match.
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

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

impl StandardWebhooks {
    /// Standard Webhooks, with the secret of the endpoint: base64, behind `whsec_` or alone.
    pub fn new(secret: impl Into<Secret>) -> Self {
        Self(Key::new(&secret.into(), |text| {
            let base64 = text.strip_prefix("whsec_").unwrap_or(text);
            match Base64::decode_vec(base64) {
                Ok(key) if !key.is_empty() => Ok(MacKey::new(&key)),
                _ => Err(unusable_secret("it is not `whsec_` and base64")),
            }
        }))
    }
}

impl Provider for StandardWebhooks {
    fn verify(&self, webhook: &ExternalWebhook) -> Result<(), VerificationError> {
        let (id, time) = (webhook.header(ID)?, webhook.header(TIMESTAMP)?);
        // With a dot in the id, other parts could have the same signed text.
        if id.is_empty() || id.contains('.') {
            return Err(malformed(ID, "an id without dots"));
        }
        let macs = read(webhook.header(SIGNATURE)?)
            .ok_or_else(|| malformed(SIGNATURE, "a list like `v1,…` with base64 of 32 bytes"))?;
        check_time(webhook, TIMESTAMP, time)?;
        self.0.check(&macs, &[id.as_bytes(), b".", time.as_bytes(), b".", webhook.text().as_bytes()])
    }
}

/// ```text
/// signatures = signature *( " " signature )
/// signature  = "v1," base64 / version "," text
/// ```
///
/// There is at least one `v1`; other versions are ignored.
fn read(header: &str) -> Option<Vec<[u8; 32]>> {
    let mut macs = Vec::new();
    for signature in header.split(' ') {
        if let ("v1", base64) = signature.split_once(',')? {
            let mut mac = [0; 32];
            let decoded = Base64::decode(base64, &mut mac).ok()?.len();
            macs.push((decoded == mac.len()).then_some(mac)?);
        }
    }
    Some(macs).filter(|macs| !macs.is_empty())
}
