//! The error of a delivery, with its retry advice.

use std::{any::type_name, borrow::Cow, error::Error as StdError, fmt, time::Duration};

use http::StatusCode;

use super::{chain::Chain, kind::ErrorKind, startup::StartupError};
use crate::types::{MissingScopes, conversions};

/// A failure with retry advice: what kiket itself returns, and what a handler returns to say whether Kiket should send
/// the delivery again.
///
/// It is a [`std::error::Error`], so that `?` converts it into `Box<dyn Error>`, `anyhow::Error` and
/// [`HandlerError`](crate::HandlerError). A handler that fails with an error whose source chain contains an `Error`
/// fails with the advice of that.
///
/// The message is written for the caller and appears in the response, 4,096 bytes of it at most, without the secrets that
/// the extension knows. The [cause](Self::because) goes to the log only.
///
/// ```
/// use std::time::Duration;
/// use kiket_runtime::{Error, StatusCode, error::ErrorKind};
///
/// assert_eq!(Error::retry("no connection").kind(), ErrorKind::Retryable);
/// assert_eq!(Error::permanent("no such project").kind(), ErrorKind::Permanent);
/// assert_eq!(Error::reject(StatusCode::CONFLICT, "already linked").kind(), ErrorKind::Rejected(StatusCode::CONFLICT));
/// let busy = Error::retry_after(Duration::from_secs(60), "the mail server is busy");
/// assert_eq!(busy.kind(), ErrorKind::RetryAfter(Duration::from_secs(60)));
/// ```
///
/// `Display` prints the message, `Debug` the whole source chain.
pub struct Error(Box<Failure>);

struct Failure {
    kind: ErrorKind,
    code: Option<&'static str>,
    /// The text for the caller; `None` if only a cause is known.
    message: Option<Cow<'static, str>>,
    cause: Option<Cause>,
    missing_scopes: Option<MissingScopes>,
}

struct Cause {
    error: Box<dyn StdError + Send + Sync>,
    type_name: &'static str,
}

/// Code and message of a response to a delivery without the required scopes.
pub(super) const INSUFFICIENT_SCOPES: (&str, &str) = ("insufficient_scopes", "Insufficient scopes");

impl Error {
    /// A failure to retry by the platform's schedule: after 30 s, 1 m, 5 m, 30 m, 2 h and 8 h.
    pub fn retry(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Retryable, Some(message.into()))
    }

    /// A failure to retry: 503 and `Retry-After`, with `delay` rounded up to whole seconds, a day at most. It does not change Kiket's
    /// schedule; a `later` handler is not retried before `delay`.
    pub fn retry_after(delay: Duration, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::RetryAfter(delay), Some(message.into()))
    }

    /// A failure that no retry can fix: Kiket does not send the delivery again.
    pub fn permanent(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Permanent, Some(message.into()))
    }

    /// Refuses the delivery with a 4xx of your choice. Kiket retries 429 and no other 4xx.
    ///
    /// A status that is not a 4xx becomes 422. To ask for a retry, use [`Error::retry`].
    pub fn reject(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::rejected(status), Some(message.into()))
    }

    pub(crate) fn undecodable(message: String, cause: impl StdError + Send + Sync + 'static) -> Self {
        Self::new(ErrorKind::Undecodable, Some(message.into())).because(cause)
    }

    /// A payload that is nested too deeply to be read, by this build or another (wire contract, response-not-json).
    pub(crate) fn too_deep() -> Self {
        let text = "the body is nested more deeply than 128 levels where the handler reads it";
        Self::reject(StatusCode::BAD_REQUEST, text).with_code("too_deep")
    }

    /// A delivery without the scopes that the handler requires: 403.
    pub(crate) fn insufficient_scopes(missing: MissingScopes) -> Self {
        let (code, text) = INSUFFICIENT_SCOPES;
        let mut error = Self::reject(StatusCode::FORBIDDEN, text).with_code(code);
        error.0.missing_scopes = Some(missing);
        error
    }

    pub(crate) fn missing_scopes(&self) -> Option<&MissingScopes> {
        self.0.missing_scopes.as_ref()
    }

    fn new(kind: ErrorKind, message: Option<Cow<'static, str>>) -> Self {
        Self(Box::new(Failure { kind, code: None, message, cause: None, missing_scopes: None }))
    }

    /// An error of this kind, without a text for the caller.
    pub(super) fn of_kind(kind: ErrorKind) -> Self {
        Self::new(kind, None)
    }

    /// The same advice and the same response, for an error that has this one among its sources.
    pub(super) fn repeated(&self) -> Self {
        let Failure { kind, code, message, missing_scopes, .. } = &*self.0;
        let (code, message, missing_scopes) = (*code, message.clone(), missing_scopes.clone());
        Self(Box::new(Failure { kind: *kind, code, message, cause: None, missing_scopes }))
    }

    /// Adds the cause, which is logged and never in the response.
    #[must_use]
    pub fn because<E: StdError + Send + Sync + 'static>(self, cause: E) -> Self {
        self.caused_by(Box::new(cause), type_name::<E>())
    }

    pub(super) fn caused_by(
        mut self,
        error: Box<dyn StdError + Send + Sync>,
        type_name: &'static str,
    ) -> Self {
        self.0.cause = Some(Cause { error, type_name });
        self
    }

    /// Replaces the stable `code` of the response, like `quota_exceeded`.
    #[must_use]
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.0.code = Some(code);
        self
    }

    /// The kind of the error: what Kiket should do with the delivery.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable code of the response, if one was set.
    pub fn code(&self) -> Option<&'static str> {
        self.0.code
    }

    /// The text for the caller, if there is one.
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// A name to count failures by: the code, else the type of the cause.
    pub fn class(&self) -> &'static str {
        self.0.code.or_else(|| self.0.cause.as_ref().map(|cause| cause.type_name)).unwrap_or("kiket::Error")
    }
}

conversions! {
    /// For `?` where an extension is built.
    impl From<StartupError> for Error = |cause| Self::of_kind(ErrorKind::Retryable).because(cause);
    /// For `?` where an extension is served.
    impl From<std::io::Error> for Error = |cause| Self::of_kind(ErrorKind::Retryable).because(cause);
}

/// The text for the caller, else the text of the cause.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.message, &self.0.cause) {
            (Some(message), _) => f.write_str(message),
            (None, Some(cause)) => fmt::Display::fmt(&cause.error, f),
            (None, None) => f.write_str("handler failed"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Chain(self), f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_ref().map(|cause| &*cause.error as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("connection refused")]
    struct Refused;

    #[derive(Debug, thiserror::Error)]
    #[error("mail server unreachable")]
    struct Unreachable(#[source] Refused);

    #[test]
    fn debug_prints_each_level_of_the_source_chain_once() {
        let error = Error::permanent("no mail").because(Unreachable(Refused));
        assert_eq!(format!("{error:?}"), "no mail: mail server unreachable: connection refused");
        let error = Error::from(std::io::Error::other("disk"));
        assert_eq!((format!("{error:?}"), error.to_string()), ("disk".to_owned(), "disk".to_owned()));
    }

    #[test]
    fn a_status_that_is_no_client_error_becomes_422() {
        for (chosen, sent) in [(400, 400), (404, 404), (499, 499), (200, 422), (500, 422), (302, 422)] {
            let error = Error::reject(StatusCode::from_u16(chosen).unwrap(), "no");
            assert_eq!(error.kind(), ErrorKind::Rejected(StatusCode::from_u16(sent).unwrap()));
        }
    }

    #[test]
    fn the_class_is_the_code_or_the_type_of_the_cause() {
        assert_eq!(Error::retry("no").because(Refused).with_code("refused").class(), "refused");
        assert!(Error::retry("no").because(Refused).class().ends_with("Refused"));
        assert_eq!(Error::permanent("no").class(), "kiket::Error");
    }
}
