//! Verifies the signature of GitHub.

use super::{
    provider::{Key, Provider, malformed},
    webhook::ExternalWebhook,
};
use crate::{auth::read_hex, error::VerificationError, types::Secret};

/// GitHub: `X-Hub-Signature-256`, the HMAC-SHA256 of the body.
///
/// It signs no time: a recorded webhook verifies forever. Where a replay matters, store its `X-GitHub-Delivery`.
///
/// ```
/// use kiket_runtime::external_webhook::{ExternalWebhook, GitHub};
/// use serde_json::json;
///
/// // The example of GitHub's documentation.
/// let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
/// let webhook: ExternalWebhook = serde_json::from_value(json!({
///     "external_webhook": { "body": "Hello, World!", "headers": { "X-Hub-Signature-256": signature } },
/// }))?;
/// assert!(webhook.verify(&GitHub::new("It's a Secret to Everybody")).is_ok());
/// assert!(webhook.verify(&GitHub::new("another secret")).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct GitHub(Key);

const SIGNATURE: &str = "X-Hub-Signature-256";

impl GitHub {
    /// GitHub, with the secret of the webhook.
    pub fn new(secret: impl Into<Secret>) -> Self {
        Self(Key::of_text(&secret.into()))
    }
}

impl Provider for GitHub {
    fn verify(&self, webhook: &ExternalWebhook) -> Result<(), VerificationError> {
        let mac = webhook.header(SIGNATURE)?.strip_prefix("sha256=").and_then(|hex| read_hex(hex.as_bytes()));
        let mac = mac.ok_or_else(|| malformed(SIGNATURE, "`sha256=` and 64 hex digits"))?;
        self.0.check(&[mac], &[webhook.text().as_bytes()])
    }
}
