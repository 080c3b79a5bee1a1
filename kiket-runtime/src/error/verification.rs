//! The error of the verification of an external webhook.

use std::borrow::Cow;

/// The error of the verification of an external webhook, for the log and not for the sender.
///
/// It contains no secret and no part of the expected signature. `?` in a handler makes it permanent (422), except
/// [`VerificationErrorKind::InvalidSecret`], which is retried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct VerificationError {
    kind: VerificationErrorKind,
    text: Cow<'static, str>,
}

/// The kind of a [`VerificationError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VerificationErrorKind {
    /// A required header is missing.
    Missing,
    /// A header that may be present once is present more than once.
    Repeated,
    /// A header does not have the provider's format.
    Malformed,
    /// The provider's timestamp is too far from the time at which Kiket received the webhook.
    OutsideWindow,
    /// The payload has no time of receipt by Kiket, so that the provider's timestamp cannot be checked.
    Untimed,
    /// The signature does not match the body.
    Mismatch,
    /// The secret is invalid. The only kind that is retried: a corrected secret can still serve the retry.
    InvalidSecret,
}

impl VerificationError {
    /// An error of a [`Provider`](crate::external_webhook::Provider) of your own. `text` is logged and must
    /// not contain a secret.
    pub fn new(kind: VerificationErrorKind, text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, text: text.into() }
    }

    /// The kind of the error.
    pub fn kind(&self) -> VerificationErrorKind {
        self.kind
    }
}
