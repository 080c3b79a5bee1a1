//! Verifies the signature of Slack.

use super::{
    provider::{Key, Provider, check_time, malformed},
    webhook::ExternalWebhook,
};
use crate::{auth::read_hex, error::VerificationError, types::Secret};

/// Slack: `X-Slack-Signature`, the HMAC-SHA256 of `v0`, the time in `X-Slack-Request-Timestamp` and the body, with
/// colons between them. The time may be 300 s from when Kiket received it.
///
/// ```
/// use kiket_runtime::external_webhook::{ExternalWebhook, Slack};
/// use serde_json::json;
///
/// let webhook: ExternalWebhook = serde_json::from_value(json!({
///     "received_at": 1_700_000_012,
///     "external_webhook": { "body": "text=hello", "headers": {
///         "X-Slack-Signature": "v0=9b32aab8de908e518f98a7fdfb3b061e703ae4645f1c0b89ce66e46c7398c7df",
///         "X-Slack-Request-Timestamp": "1700000000",
///     } },
/// }))?;
/// assert!(webhook.verify(&Slack::new("8f742231b10e8888abcd99yyyzzz85a5")).is_ok());
/// assert!(webhook.verify(&Slack::new("another secret")).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Slack(Key);

const SIGNATURE: &str = "X-Slack-Signature";
const TIMESTAMP: &str = "X-Slack-Request-Timestamp";

impl Slack {
    /// Slack, with the signing secret of the app.
    pub fn new(secret: impl Into<Secret>) -> Self {
        Self(Key::of_text(&secret.into()))
    }
}

impl Provider for Slack {
    fn verify(&self, webhook: &ExternalWebhook) -> Result<(), VerificationError> {
        let time = webhook.header(TIMESTAMP)?;
        let mac = webhook.header(SIGNATURE)?.strip_prefix("v0=").and_then(|hex| read_hex(hex.as_bytes()));
        let mac = mac.ok_or_else(|| malformed(SIGNATURE, "`v0=` and 64 hex digits"))?;
        check_time(webhook, TIMESTAMP, time)?;
        self.0.check(&[mac], &[b"v0:", time.as_bytes(), b":", webhook.text().as_bytes()])
    }
}
