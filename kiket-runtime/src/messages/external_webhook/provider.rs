//! Providers: services that sign their webhooks, and the checks that their signatures share.

use std::{fmt::Display, time::UNIX_EPOCH};

use super::webhook::ExternalWebhook;
use crate::{
    auth::{MacKey, read_time},
    error::{VerificationError, VerificationErrorKind},
    types::{Repeated, Secret, SecretError},
};

/// A service that signs its webhooks.
///
/// It is implemented for [`GitHub`](super::GitHub), [`Slack`](super::Slack), [`Stripe`](super::Stripe),
/// [`StandardWebhooks`](super::StandardWebhooks), [`Twilio`](super::Twilio) and, for a token that is sent as it is,
/// [`SharedToken`](super::SharedToken). Implement it for another service:
///
/// ```
/// use hmac::{Hmac, KeyInit, Mac};
/// use kiket_runtime::{Secret, external_webhook::{ExternalWebhook, Provider, VerificationErrorKind, VerificationError}};
/// use sha2::Sha256;
///
/// struct Linear(Secret);
///
/// impl Provider for Linear {
///     fn verify(&self, webhook: &ExternalWebhook) -> Result<(), VerificationError> {
///         let malformed = || VerificationError::new(VerificationErrorKind::Malformed, "`Linear-Signature` is not hex");
///         let mut mac = [0; 32];
///         base16ct::lower::decode(webhook.header("Linear-Signature")?, &mut mac).map_err(|_| malformed())?;
///         let mut expected = Hmac::<Sha256>::new_from_slice(self.0.expose().as_bytes()).unwrap();
///         expected.update(webhook.text().as_bytes());
///         // In constant time: the time of `==` depends on how many bytes are right.
///         expected.verify_slice(&mac).map_err(|_| VerificationError::new(VerificationErrorKind::Mismatch, "it is not signed by Linear"))
///     }
/// }
/// ```
pub trait Provider {
    /// Verifies that the service signed the webhook.
    ///
    /// # Errors
    ///
    /// The signature is missing, malformed or wrong.
    fn verify(&self, webhook: &ExternalWebhook) -> Result<(), VerificationError>;
}

impl ExternalWebhook {
    /// Verifies the signature of `provider` over the text of the body.
    ///
    /// A provider's time is compared with [`received_at`](Self::received_at) and not with now, in both directions: a
    /// delivery that Kiket sends again eight hours later still verifies, and a recorded webhook that is sent to Kiket later
    /// does not. `received_at` is only as trustworthy as the authentication of the delivery.
    ///
    /// With two live secrets, verify with one and then with the other:
    /// `webhook.verify(&new).or_else(|_| webhook.verify(&old))?`.
    ///
    /// # Errors
    ///
    /// The webhook does not verify. The error holds nothing that helps to forge a signature. With `?` the response is 422, and
    /// Kiket does not send the delivery again; where the provider's secret cannot be used, the delivery is retried.
    pub fn verify(&self, provider: &(impl Provider + ?Sized)) -> Result<(), VerificationError> {
        provider.verify(self)
    }

    /// The header `name`, which must not repeat.
    ///
    /// # Errors
    ///
    /// The header is missing or repeats: with two values, the signed one may not be the one that is read.
    pub fn header(&self, name: &str) -> Result<&str, VerificationError> {
        match self.headers().only(name) {
            Ok(Some(value)) => std::str::from_utf8(value).map_err(|_| malformed(name, "text")),
            Ok(None) => Err(unfit(VerificationErrorKind::Missing, "header", name, "is missing")),
            Err(Repeated) => {
                Err(unfit(VerificationErrorKind::Repeated, "header", name, "is there more than once"))
            }
        }
    }
}

pub(super) fn malformed(header: &str, expected: &str) -> VerificationError {
    unfit(VerificationErrorKind::Malformed, "header", header, &format!("is not {expected}"))
}

pub(super) fn unfit(kind: VerificationErrorKind, place: &str, name: &str, why: &str) -> VerificationError {
    VerificationError::new(kind, format!("the {place} `{name}` {why}"))
}

pub(super) fn mismatch(why: &'static str) -> VerificationError {
    VerificationError::new(VerificationErrorKind::Mismatch, why)
}

/// The text of a secret. One that is blank or has white space at an end is refused.
pub(super) fn usable(secret: &Secret) -> Result<&str, VerificationError> {
    SecretError::check(secret).map_err(unusable)
}

pub(super) fn unusable(why: impl Display) -> VerificationError {
    let text = format!("the provider's secret cannot be used: {why}");
    VerificationError::new(VerificationErrorKind::InvalidSecret, text)
}

/// How far the provider's time may be from when Kiket received the webhook, in either direction, in seconds: the
/// tolerance that Slack, Stripe and Standard Webhooks document.
const TOLERANCE_SECONDS: u64 = 300;

/// The key of a provider, or why its secret cannot be used.
#[derive(Debug, Clone)]
pub(super) struct Key(Result<MacKey, VerificationError>);

impl Key {
    /// A key of the text of a secret, not trimmed and not decoded.
    pub(super) fn of_text(secret: &Secret) -> Self {
        Self::new(secret, |text| Ok(MacKey::new(text.as_bytes())))
    }

    /// The key that `read` makes of the text of a secret, if that is [usable].
    pub(super) fn new(secret: &Secret, read: impl FnOnce(&str) -> Result<MacKey, VerificationError>) -> Self {
        Self(usable(secret).and_then(read))
    }

    /// Checks that one of `claimed` is the MAC of `parts`.
    pub(super) fn check(&self, claimed: &[[u8; 32]], parts: &[&[u8]]) -> Result<(), VerificationError> {
        let key = self.0.as_ref().map_err(Clone::clone)?;
        let made = key.made_any(claimed, parts);
        if made {
            Ok(())
        } else {
            Err(mismatch("the provider's secret makes no such signature of this body"))
        }
    }
}

/// Checks that `time`, which stands in `header`, is about when Kiket received the webhook.
pub(super) fn check_time(
    webhook: &ExternalWebhook,
    header: &str,
    time: &str,
) -> Result<(), VerificationError> {
    let signed =
        read_time(time.as_bytes()).ok_or_else(|| malformed(header, "Unix seconds in plain digits"))?;
    let received = webhook.received_at().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let received = received.ok_or_else(|| {
        let text = "`received_at` does not say when Kiket received the webhook";
        VerificationError::new(VerificationErrorKind::Untimed, text)
    })?;
    if signed.abs_diff(received.as_secs()) <= TOLERANCE_SECONDS {
        return Ok(());
    }
    let text = format!(
        "the time in `{header}` is more than {TOLERANCE_SECONDS} s from when Kiket received the webhook"
    );
    Err(VerificationError::new(VerificationErrorKind::OutsideWindow, text))
}
