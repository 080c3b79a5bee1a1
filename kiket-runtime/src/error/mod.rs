//! Failures, one type per reader: [`Error`] for whoever writes a handler, [`StartupError`] for whoever starts
//! the extension, `Rejection` for Kiket.

mod client;
mod rejection;
mod retry;
mod signature;
mod startup;
mod token;

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

use http::StatusCode;

pub use self::{
    client::{ClientError, ClientErrorKind, FieldError},
    retry::{Advice, Classifier, Retry},
    signature::SignatureError,
    startup::{Place, Problem, StartupError},
};
pub(crate) use self::{rejection::Rejection, token::TokenError};
use crate::{
    messages::external_webhook::{Reason, Unverified},
    types::Lack,
};

/// What a handler returns: a value, or an [`Error`] that says whether Kiket should try again.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a handler failed, and whether Kiket should try again.
///
/// Anything that `?` converts is retried: Kiket sends the delivery again after 30 s, 1 m, 5 m, 30 m, 2 h and 8 h. The
/// exception is a webhook that its provider did not sign ([`Unverified`]), which is permanent.
/// Its text goes to the log with the delivery id, and never to the caller. What the constructors here are given
/// is written for the caller and shown, 4,096 bytes of it at most, without the secrets that the extension knows.
///
/// ```
/// use std::time::Duration;
/// use kiket_runtime::{Error, ErrorKind, StatusCode};
///
/// fn parse(text: &str) -> kiket_runtime::Result<u32> {
///     Ok(text.parse()?) // retried; the caller reads `handler failed`
/// }
///
/// assert_eq!(parse("x").unwrap_err().kind(), ErrorKind::Retryable);
/// assert_eq!(Error::permanent("no such project").kind(), ErrorKind::Permanent);
/// assert_eq!(Error::reject(StatusCode::CONFLICT, "already linked").kind(), ErrorKind::Rejected(StatusCode::CONFLICT));
/// let busy = Error::retry_after(Duration::from_secs(60), "the mail server is busy");
/// assert_eq!(busy.kind(), ErrorKind::RetryAfter(Duration::from_secs(60)));
/// ```
///
/// Like `anyhow::Error` it does not implement [`std::error::Error`], so that it can be made from anything that
/// does; [`source`](Self::source) gives the cause.
pub struct Error(Box<Failure>);

struct Failure {
    kind: ErrorKind,
    code: Option<&'static str>,
    /// Written for the caller; absent where only a cause is known.
    message: Option<Cow<'static, str>>,
    cause: Option<Cause>,
    /// The scopes that the delivery lacks.
    lack: Option<Lack>,
}

struct Cause {
    error: Box<dyn StdError + Send + Sync>,
    type_name: &'static str,
}

/// What an [`Error`] asks of Kiket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Try again by the platform's schedule: 500.
    Retryable,
    /// Try again, not before this time: 503 and `Retry-After`.
    RetryAfter(Duration),
    /// Do not try again: 422.
    Permanent,
    /// Do not try again, with this 4xx.
    Rejected(StatusCode),
    /// The payload does not decode into the handler's type: 500, so that a corrected build can still catch the
    /// retry; a setting of the extension makes it 422.
    Undecodable,
}

impl ErrorKind {
    /// The stable code of an answer that the handler gave none.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Retryable => "handler_failed",
            Self::RetryAfter(_) => "handler_busy",
            Self::Permanent => "handler_failed_permanently",
            Self::Rejected(_) => "rejected",
            Self::Undecodable => "undecodable_payload",
        }
    }
}

impl Error {
    /// A failure to try again by the platform's schedule, with a text for the caller.
    pub fn retry(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Retryable, message.into())
    }

    /// A failure to try again, but not before `delay`. Whole seconds count, rounded up.
    pub fn retry_after(delay: Duration, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::RetryAfter(delay), message.into())
    }

    /// A failure that no retry mends: the event is given up.
    pub fn permanent(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Permanent, message.into())
    }

    /// Refuses the request with a 4xx of the handler's choice. Kiket retries 429 and no other 4xx.
    ///
    /// A status that is not a 4xx counts as 422: a handler that wants a retry says so with [`Error::retry`].
    pub fn reject(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        let status = if status.is_client_error() { status } else { StatusCode::UNPROCESSABLE_ENTITY };
        Self::new(ErrorKind::Rejected(status), message.into())
    }

    pub(crate) fn undecodable(message: String, cause: impl StdError + Send + Sync + 'static) -> Self {
        Self::new(ErrorKind::Undecodable, message.into()).because(cause)
    }

    /// The delivery may not do what was asked: 403, with the scopes.
    pub(crate) fn insufficient_scopes(lack: Lack) -> Self {
        let (code, text) = rejection::INSUFFICIENT_SCOPES;
        let mut error = Self::reject(StatusCode::FORBIDDEN, text).with_code(code);
        error.0.lack = Some(lack);
        error
    }

    pub(crate) fn lack(&self) -> Option<&Lack> {
        self.0.lack.as_ref()
    }

    fn new(kind: ErrorKind, message: Cow<'static, str>) -> Self {
        Self(Box::new(Failure { kind, code: None, message: Some(message), cause: None, lack: None }))
    }

    /// Adds the cause, which goes to the log and never to the caller.
    #[must_use]
    pub fn because<E: StdError + Send + Sync + 'static>(mut self, cause: E) -> Self {
        self.0.cause = Some(Cause { error: Box::new(cause), type_name: std::any::type_name::<E>() });
        self
    }

    /// Replaces the stable `code` of the answer, like `quota_exceeded`.
    #[must_use]
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.0.code = Some(code);
        self
    }

    /// What is asked of Kiket.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable code of the answer, when one was set.
    pub fn code(&self) -> Option<&'static str> {
        self.0.code
    }

    /// The text for the caller, when one was written.
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// The error this one was made from.
    pub fn source(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.cause.as_ref().map(|cause| &*cause.error)
    }

    /// What kind of failure it is, for counting: its code, else the type it was made from.
    pub fn class(&self) -> &'static str {
        self.0.code.or_else(|| self.0.cause.as_ref().map(|cause| cause.type_name)).unwrap_or("kiket::Error")
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(cause: E) -> Self {
        let kind = kind_of(&cause);
        Self(Box::new(Failure { kind, code: None, message: None, cause: None, lack: None })).because(cause)
    }
}

/// Any failure is retried, one that says when, then; a forgery is one for ever.
fn kind_of(cause: &(dyn StdError + 'static)) -> ErrorKind {
    if let Some(called) = cause.downcast_ref::<ClientError>() {
        return called.retry_after().map_or(ErrorKind::Retryable, ErrorKind::RetryAfter);
    }
    match cause.downcast_ref::<Unverified>().map(Unverified::reason) {
        None | Some(Reason::UnusableSecret) => ErrorKind::Retryable,
        Some(_) => ErrorKind::Permanent,
    }
}

/// One level: the text for the caller, else the cause's own text.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.message, &self.0.cause) {
            (Some(message), _) => f.write_str(message),
            (None, Some(cause)) => fmt::Display::fmt(&cause.error, f),
            (None, None) => f.write_str("handler failed"),
        }
    }
}

/// The whole chain, for whoever reads the log.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut next = self.source().map(|source| source as &(dyn StdError + 'static));
        if self.0.message.is_none() {
            next = next.and_then(StdError::source);
        }
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
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
    fn a_converted_error_is_retried_and_has_no_text_for_the_caller() {
        let error = Error::from(Unreachable(Refused));
        assert_eq!(error.kind(), ErrorKind::Retryable);
        assert_eq!(error.message(), None);
        assert_eq!(error.to_string(), "mail server unreachable");
        assert!(error.class().ends_with("Unreachable"));
    }

    #[test]
    fn the_log_reads_the_whole_chain_once() {
        assert_eq!(
            format!("{:?}", Error::from(Unreachable(Refused))),
            "mail server unreachable: connection refused"
        );
        let error = Error::permanent("no mail").because(Unreachable(Refused));
        assert_eq!(format!("{error:?}"), "no mail: mail server unreachable: connection refused");
    }

    #[test]
    fn only_a_client_error_rejects() {
        for (chosen, answered) in [(400, 400), (404, 404), (499, 499), (200, 422), (500, 422), (302, 422)] {
            let error = Error::reject(StatusCode::from_u16(chosen).unwrap(), "no");
            assert_eq!(error.kind(), ErrorKind::Rejected(StatusCode::from_u16(answered).unwrap()));
        }
    }

    #[test]
    fn a_code_names_the_class() {
        assert_eq!(Error::from(Refused).with_code("refused").class(), "refused");
        assert_eq!(Error::permanent("no").class(), "kiket::Error");
    }
}
