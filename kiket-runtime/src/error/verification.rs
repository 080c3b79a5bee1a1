//! Why a webhook of another service is not from its sender.

use std::borrow::Cow;

/// Why an external webhook does not verify: for the log, never for its sender.
///
/// It contains no secret, and nothing of the signature that would have been right. `?` in a handler makes it
/// permanent (422), except [`VerificationErrorKind::UnusableSecret`], which is retried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct VerificationError {
    kind: VerificationErrorKind,
    text: Cow<'static, str>,
}

/// What kept an external webhook from being verified.
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
    /// The payload does not say when Kiket received it, so that the provider's timestamp cannot be checked.
    Untimed,
    /// The signature does not match the body.
    Mismatch,
    /// The secret cannot be used. The only kind that is retried: a corrected secret can still serve the retry.
    UnusableSecret,
}

impl VerificationError {
    /// An error of a [`Provider`](crate::external_webhook::Provider) of your own. `text` goes to the log and must
    /// not contain a secret.
    pub fn new(kind: VerificationErrorKind, text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, text: text.into() }
    }

    /// What kept the webhook from being verified.
    pub fn kind(&self) -> VerificationErrorKind {
        self.kind
    }
}
