//! What a handler failed with: an error of kiket, or one of another crate with its retry advice.

use std::{
    any::{Any, type_name},
    error::Error as StdError,
    iter,
};

use super::{
    client::ClientError,
    delivery::Error,
    extractor::PayloadRejection,
    kind::ErrorKind,
    retry::{Advice, Classifiers, ErrorView},
    verification::{VerificationError, VerificationErrorKind},
};

type Boxed = Box<dyn StdError + Send + Sync>;

/// An error by its original type: a boxed `anyhow::Error` no longer shows what it wraps.
pub(super) enum Origin {
    Ours(Error),
    /// An error and the name of its type.
    Boxed(Boxed, &'static str),
    #[cfg(feature = "anyhow")]
    Anyhow(anyhow::Error),
    #[cfg(feature = "eyre")]
    Eyre(eyre::Report),
}

impl Origin {
    pub(super) fn new<E: Into<Boxed> + 'static>(error: E) -> Self {
        let mut error = Some(error);
        let rejection = |error: &mut _| take(error).map(|PayloadRejection(error)| error);
        if let Some(error) = take(&mut error).or_else(|| rejection(&mut error)) {
            return Self::Ours(error);
        }
        #[cfg(feature = "anyhow")]
        if let Some(error) = take(&mut error) {
            return Self::Anyhow(error);
        }
        #[cfg(feature = "eyre")]
        if let Some(report) = take(&mut error) {
            return Self::Eyre(report);
        }
        Self::Boxed(error.map_or_else(|| "handler failed".into(), Into::into), type_name::<E>())
    }

    pub(super) fn outermost(&self) -> &(dyn StdError + 'static) {
        match self {
            Self::Ours(error) => error,
            Self::Boxed(error, _) => &**error,
            #[cfg(feature = "anyhow")]
            Self::Anyhow(error) => &**error,
            #[cfg(feature = "eyre")]
            Self::Eyre(report) => &**report,
        }
    }

    /// The whole error if it shows more than its levels, then its levels, outermost first.
    fn views(&self) -> impl Iterator<Item = ErrorView<'_>> {
        let whole = match self {
            Self::Ours(_) | Self::Boxed(..) => None,
            #[cfg(feature = "anyhow")]
            Self::Anyhow(error) => Some(ErrorView::Anyhow(error)),
            #[cfg(feature = "eyre")]
            Self::Eyre(report) => Some(ErrorView::Eyre(report)),
        };
        let levels = iter::successors(Some(self.outermost()), |&level| level.source());
        whole.into_iter().chain(levels.map(ErrorView::Level))
    }

    /// The first advice that a type of kiket's or `classifiers` give, outermost first; else a retry by the schedule.
    pub(super) fn advice(&self, classifiers: &Classifiers) -> Error {
        let advised = self.views().find_map(|error| advice(error, classifiers));
        advised.unwrap_or_else(|| Error::of_kind(ErrorKind::Retryable))
    }

    /// Makes this the cause of `error`.
    pub(super) fn cause_of(self, error: Error) -> Error {
        match self {
            Self::Ours(cause) => error.because(cause),
            Self::Boxed(cause, type_name) => error.caused_by(cause, type_name),
            #[cfg(feature = "anyhow")]
            Self::Anyhow(cause) => error.caused_by(cause.into(), type_name::<anyhow::Error>()),
            #[cfg(feature = "eyre")]
            Self::Eyre(report) => error.caused_by(report.into(), type_name::<eyre::Report>()),
        }
    }
}

fn advice(error: ErrorView<'_>, classifiers: &Classifiers) -> Option<Error> {
    let rejection = || error.downcast_ref().map(|PayloadRejection(error)| error);
    if let Some(error) = error.downcast_ref::<Error>().or_else(rejection) {
        return Some(error.repeated());
    }
    let called = || {
        let wait = error.downcast_ref::<ClientError>()?.retry_after();
        Some(wait.map_or(ErrorKind::Retryable, ErrorKind::RetryAfter))
    };
    let unverified = || match error.downcast_ref().map(VerificationError::kind)? {
        VerificationErrorKind::InvalidSecret => Some(ErrorKind::Retryable),
        _ => Some(ErrorKind::Permanent),
    };
    let kind = classifiers.advice(error).map(Advice::kind).or_else(called).or_else(unverified);
    kind.map(Error::of_kind)
}

/// Takes `error` as a `T`, if that is what it is.
fn take<T: 'static, E: 'static>(error: &mut Option<E>) -> Option<T> {
    (error as &mut dyn Any).downcast_mut::<Option<T>>().and_then(Option::take)
}
