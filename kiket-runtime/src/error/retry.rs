//! Retry advice of error types, and its registration.

use std::{error::Error as StdError, time::Duration};

use http::StatusCode;

use super::kind::ErrorKind;

/// Retry advice of an error type, usually derived: `#[derive(kiket::Retry)]`.
///
/// The error may be anywhere in the source chain of what a handler fails with. For a type of another crate, use
/// [`ExtensionBuilder::classify`](crate::ExtensionBuilder::classify).
///
/// An implementation by hand is found only if it is registered, which the derive does.
pub trait Retry {
    /// The advice of this value. With `None` the sources of the error decide, else the default: a retry by the platform's
    /// schedule.
    fn retry(&self) -> Option<Advice>;
}

/// Advice to Kiket: whether, and when, to send a failed delivery again.
///
/// ```
/// use std::time::Duration;
/// use kiket_runtime::error::Advice;
///
/// assert_ne!(Advice::never(), Advice::after(Duration::from_secs(30)));
/// assert_ne!(Advice::never(), Advice::status(409));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice(ErrorKind);

impl Advice {
    /// Do not send the delivery again: 422.
    pub fn never() -> Self {
        Self(ErrorKind::Permanent)
    }

    /// Send the delivery again: 503 and `Retry-After`, in whole seconds, a day at most. It does not change Kiket's schedule; a `later`
    /// handler is not retried before `delay`.
    pub fn after(delay: Duration) -> Self {
        Self(ErrorKind::RetryAfter(delay))
    }

    /// Do not send the delivery again, with this 4xx; Kiket retries 429 only. Any other number becomes 422.
    pub fn status(status: u16) -> Self {
        Self(ErrorKind::rejected(StatusCode::from_u16(status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY)))
    }

    pub(super) fn kind(self) -> ErrorKind {
        self.0
    }
}

/// An error, as classifiers see it.
#[derive(Clone, Copy)]
pub(crate) enum ErrorView<'e> {
    /// One level of a source chain.
    Level(&'e (dyn StdError + 'static)),
    /// A whole `anyhow::Error`: the values of its contexts are no sources.
    #[cfg(feature = "anyhow")]
    Anyhow(&'e anyhow::Error),
    /// A whole `eyre::Report`: the values that it was wrapped with are no sources.
    #[cfg(feature = "eyre")]
    Eyre(&'e eyre::Report),
}

impl<'e> ErrorView<'e> {
    /// The error as a `T`, if it is one.
    pub(super) fn downcast_ref<T: StdError + Send + Sync + 'static>(self) -> Option<&'e T> {
        match self {
            Self::Level(error) => error.downcast_ref(),
            #[cfg(feature = "anyhow")]
            Self::Anyhow(error) => error.downcast_ref(),
            #[cfg(feature = "eyre")]
            Self::Eyre(report) => report.downcast_ref(),
        }
    }
}

/// A classifier of the program, registered by `#[derive(kiket::Retry)]`.
pub struct Classifier(fn(ErrorView<'_>) -> Option<Advice>);

inventory::collect!(Classifier);

impl Classifier {
    /// The classifier of `T`.
    #[must_use]
    pub const fn new<T: Retry + StdError + Send + Sync + 'static>() -> Self {
        Self(|error| error.downcast_ref().and_then(T::retry))
    }
}

/// The classifiers from the builder, which come before those of the program.
#[derive(Default)]
pub(crate) struct Classifiers(Vec<Box<Classify>>);

type Classify = dyn Fn(ErrorView<'_>) -> Option<Advice> + Send + Sync;

impl Classifiers {
    /// Adds a classifier of `T`.
    pub(crate) fn push<T: StdError + Send + Sync + 'static>(
        &mut self,
        classify: impl Fn(&T) -> Option<Advice> + Send + Sync + 'static,
    ) {
        self.0.push(Box::new(move |error| error.downcast_ref().and_then(&classify)));
    }

    /// The advice of `error` itself.
    pub(super) fn advice(&self, error: ErrorView<'_>) -> Option<Advice> {
        let of_program =
            || inventory::iter::<Classifier>.into_iter().find_map(|classifier| classifier.0(error));
        self.0.iter().find_map(|classify| classify(error)).or_else(of_program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_is_no_client_error_becomes_422() {
        for (status, kind) in [(409, 409), (429, 429), (200, 422), (503, 422), (1, 422), (9999, 422)] {
            let kind = ErrorKind::Rejected(StatusCode::from_u16(kind).unwrap());
            assert_eq!(Advice::status(status).kind(), kind, "{status}");
        }
    }
}
