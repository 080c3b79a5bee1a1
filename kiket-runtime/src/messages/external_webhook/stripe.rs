//! Verifies the signature of Stripe.

use super::{
    provider::{Key, Provider, check_time, malformed},
    webhook::ExternalWebhook,
};
use crate::{auth::read_hex, error::VerificationError, types::Secret};

/// Stripe: `Stripe-Signature`, the HMAC-SHA256 of a time and the body, with a dot between them. The time may be
/// 300 s from when Kiket received it. While a secret is rotated there are several signatures, and one must
/// match.
///
/// ```
/// use kiket_runtime::external_webhook::{ExternalWebhook, Stripe};
/// use serde_json::json;
///
/// let webhook: ExternalWebhook = serde_json::from_value(json!({
///     "received_at": 1_700_000_012,
///     "external_webhook": { "body": r#"{"id":"evt_1"}"#, "headers": {
///         "Stripe-Signature":
///             "t=1700000000,v1=248a374f50f943a28b0f6ab50faf9a7e7e29b710fa26df9fb1618b9bf8ea9c9a",
///     } },
/// }))?;
/// assert!(webhook.verify(&Stripe::new("whsec_test_secret")).is_ok());
/// assert!(webhook.verify(&Stripe::new("whsec_another")).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Stripe(Key);

const SIGNATURE: &str = "Stripe-Signature";

impl Stripe {
    /// Stripe, with the secret of the endpoint, `whsec_…` and all.
    pub fn new(secret: impl Into<Secret>) -> Self {
        Self(Key::of_text(&secret.into()))
    }
}

impl Provider for Stripe {
    fn verify(&self, webhook: &ExternalWebhook) -> Result<(), VerificationError> {
        let (time, macs) = read(webhook.header(SIGNATURE)?)
            .ok_or_else(|| malformed(SIGNATURE, "like `t=1700000000,v1=…` with 64 hex digits"))?;
        check_time(webhook, SIGNATURE, time)?;
        self.0.check(&macs, &[time.as_bytes(), b".", webhook.text().as_bytes()])
    }
}

/// ```text
/// signature = part *( "," part )
/// part      = "t=" time / "v1=" 64HEXDIG / scheme "=" text
/// ```
///
/// There is one time, and at least one `v1` that can be read; other parts are ignored (wire contract, signature-lists).
fn read(header: &str) -> Option<(&str, Vec<[u8; 32]>)> {
    let mut time = None;
    let mut macs = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", _)) if time.is_some() => return None,
            Some(("t", text)) => time = Some(text),
            Some(("v1", hex)) => macs.extend(read_hex(hex.as_bytes())),
            _ => {}
        }
    }
    time.filter(|_| !macs.is_empty()).map(|time| (time, macs))
}
