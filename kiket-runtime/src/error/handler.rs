//! The error of handlers, into which `?` converts any error.

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

use http::StatusCode;

use super::{chain::Chain, delivery::Error, kind::ErrorKind, origin::Origin, retry::Classifiers};

/// The result of a handler: a value, or a [`HandlerError`], into which `?` converts any error.
pub type Result<T, E = HandlerError> = std::result::Result<T, E>;

/// The error of handlers. `?` converts any error into it: standard errors, `anyhow::Error`, `eyre::Report`,
/// `Box<dyn Error + Send + Sync>`, `String` and `&'static str`.
///
/// Whether Kiket should send the delivery again is found along the source chain of the error, outermost first: an
/// [`Error`], a [`ClientError`](crate::ClientError) or [`VerificationError`](crate::external_webhook::VerificationError),
/// a type with [`Retry`](crate::Retry) advice or one that was given to
/// [`ExtensionBuilder::classify`](crate::ExtensionBuilder::classify). With the features `anyhow` and `eyre` that includes the values of
/// contexts. Any other error is retried by the platform's schedule.
///
/// The text of an error is logged with the delivery id and is never in the response, except the text of an [`Error`] and
/// of the constructors here, which is for the caller.
///
/// Like `anyhow::Error`, it is no [`std::error::Error`] itself, so that every error converts into it;
/// [`into_error`](Self::into_error) converts it into one.
///
/// ```
/// use kiket_runtime::{HandlerError, error::ErrorKind};
///
/// fn parse(text: &str) -> kiket_runtime::Result<u32> {
///     Ok(text.parse()?) // retried; the response says `handler failed`
/// }
///
/// fn find(id: u32) -> kiket_runtime::Result<()> {
///     Err(HandlerError::permanent(format!("no project {id}")))
/// }
///
/// assert_eq!(parse("x").unwrap_err().kind(), ErrorKind::Retryable);
/// assert_eq!(find(7).unwrap_err().kind(), ErrorKind::Permanent);
/// assert_eq!(find(7).unwrap_err().into_error().message(), Some("no project 7"));
/// ```
pub struct HandlerError(Box<Origin>);

impl HandlerError {
    /// See [`Error::retry`].
    pub fn retry(message: impl Into<Cow<'static, str>>) -> Self {
        Self::ours(Error::retry(message))
    }

    /// See [`Error::retry_after`].
    pub fn retry_after(delay: Duration, message: impl Into<Cow<'static, str>>) -> Self {
        Self::ours(Error::retry_after(delay, message))
    }

    /// See [`Error::permanent`].
    pub fn permanent(message: impl Into<Cow<'static, str>>) -> Self {
        Self::ours(Error::permanent(message))
    }

    /// See [`Error::reject`].
    pub fn reject(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::ours(Error::reject(status, message))
    }

    fn ours(error: Error) -> Self {
        Self(Box::new(Origin::Ours(error)))
    }

    /// See [`Error::because`].
    #[must_use]
    pub fn because<E: StdError + Send + Sync + 'static>(self, cause: E) -> Self {
        Self::ours(self.into_error().because(cause))
    }

    /// See [`Error::with_code`].
    #[must_use]
    pub fn with_code(self, code: &'static str) -> Self {
        Self::ours(self.into_error().with_code(code))
    }

    /// The kind of the error, without the advice of [`ExtensionBuilder::classify`](crate::ExtensionBuilder::classify).
    pub fn kind(&self) -> ErrorKind {
        if let Origin::Ours(error) = &*self.0 {
            return error.kind();
        }
        self.0.advice(&Classifiers::default()).kind()
    }

    /// The error as a standard error, for callers with other error types and for tests. It has the advice that
    /// [`kind`](Self::kind) gives, and any other error as its source.
    ///
    /// ```
    /// # async fn handler() -> kiket_runtime::Result<()> { Ok(()) }
    /// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
    /// handler().await.map_err(kiket_runtime::HandlerError::into_error)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_error(self) -> Error {
        self.advised(&Classifiers::default())
    }

    /// Like [`into_error`](Self::into_error), with the advice of `classifiers` too.
    pub(crate) fn advised(self, classifiers: &Classifiers) -> Error {
        if let Origin::Ours(error) = *self.0 {
            return error;
        }
        let error = self.0.advice(classifiers);
        self.0.cause_of(error)
    }
}

impl<E: Into<Box<dyn StdError + Send + Sync>> + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self(Box::new(Origin::new(error)))
    }
}

/// Prints one level: the text for the caller, else that of the error it was made from.
impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0.outermost(), f)
    }
}

/// Prints the whole source chain.
impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Chain(self.0.outermost()), f)
    }
}

/// An error that a handler may return: anything that converts into a [`HandlerError`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a webhook handler",
    label = "not an error that converts into `kiket::HandlerError`",
    note = "a handler fails with any type that converts into `Box<dyn std::error::Error + Send + Sync>`: derive `#[derive(Debug, thiserror::Error)]` for `{Self}`, or return `Box<dyn std::error::Error + Send + Sync>`, `anyhow::Error` or `kiket::Result`"
)]
pub trait IntoHandlerError {
    /// Converts the error.
    fn into_handler_error(self) -> HandlerError;
}

#[diagnostic::do_not_recommend] // the message names the user's type
impl<E: Into<HandlerError>> IntoHandlerError for E {
    fn into_handler_error(self) -> HandlerError {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Advice;

    #[derive(Debug, thiserror::Error)]
    #[error("connection refused")]
    struct Refused;

    #[derive(Debug, thiserror::Error)]
    #[error("mail server unreachable")]
    struct Unreachable(#[source] Refused);

    #[derive(Debug, thiserror::Error)]
    #[error("no ticket")]
    struct Tickets(#[source] Error);

    #[test]
    fn a_converted_error_is_retried_without_text_for_the_caller() {
        let error = HandlerError::from(Unreachable(Refused));
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Retryable, "mail server unreachable".into())
        );
        assert_eq!(format!("{error:?}"), "mail server unreachable: connection refused");
        let error = error.into_error();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Retryable, None));
        assert!(error.class().ends_with("Unreachable"));
        assert!(error.source().unwrap().is::<Unreachable>());
        assert_eq!(format!("{error:?}"), "mail server unreachable: connection refused");
    }

    #[test]
    fn texts_and_boxes_convert() {
        let boxed: Box<dyn StdError + Send + Sync> = Refused.into();
        for error in [HandlerError::from("down"), "down".to_owned().into(), boxed.into()] {
            assert_eq!((error.kind(), error.into_error().message()), (ErrorKind::Retryable, None));
        }
    }

    #[test]
    fn an_error_of_kiket_stays_what_it_is() {
        let error = HandlerError::from(Error::permanent("gone").with_code("gone")).into_error();
        assert_eq!(
            (error.message(), error.code(), error.source().is_none()),
            (Some("gone"), Some("gone"), true)
        );
    }

    #[test]
    fn advice_is_found_along_the_source_chain() {
        let error =
            HandlerError::from(Tickets(Error::reject(StatusCode::GONE, "closed").with_code("closed")));
        assert_eq!(error.kind(), ErrorKind::Rejected(StatusCode::GONE));
        let error = error.into_error();
        assert_eq!((error.message(), error.code()), (Some("closed"), Some("closed")));
        assert_eq!(format!("{error:?}"), "closed: no ticket: closed");
    }

    #[test]
    fn classifiers_of_the_builder_see_every_level() {
        let mut classifiers = Classifiers::default();
        classifiers.push(|_: &Refused| Some(Advice::after(Duration::from_secs(9))));
        let kind = |error: HandlerError| error.advised(&classifiers).kind();
        assert_eq!(kind(Refused.into()), ErrorKind::RetryAfter(Duration::from_secs(9)));
        assert_eq!(kind(Unreachable(Refused).into()), ErrorKind::RetryAfter(Duration::from_secs(9)));
        assert_eq!(kind(fmt::Error.into()), ErrorKind::Retryable);
        assert_eq!(HandlerError::from(Refused).kind(), ErrorKind::Retryable);
    }
}
