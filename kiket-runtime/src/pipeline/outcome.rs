//! The outcome of a delivery: the response of its handler, or why there is none.

use super::response::Response;
#[cfg(feature = "inbox")]
use crate::metrics::ACCEPTED;
use crate::{
    error::{Error, Rejection},
    metrics::REPLAYED,
    store::StoredReply,
    telemetry::Failed,
    types::caught,
};

/// The response of the handler, or why there is none.
pub(super) type Outcome = Result<Response, Stop>;

/// Why a delivery does not end with the reply of its handler.
pub(super) enum Stop {
    /// Another attempt has a reply.
    Replayed(StoredReply),
    /// Its handler runs later, and it is stored until then.
    #[cfg(feature = "inbox")]
    Accepted,
    /// It may not run, or not now. Boxed, because most deliveries have none.
    Refused(Box<Rejection>),
    /// It counts as a run of the handler, which failed.
    Failed(Failure),
}

/// Why a handler failed, or could not be called.
pub(super) enum Failure {
    /// The body is not JSON, or of another event; or the handler ran past its deadline.
    Rejected(Box<Rejection>),
    Handler(Error),
    /// It panicked with this text.
    Panicked(String),
}

impl Stop {
    pub(super) fn refused(rejection: Rejection) -> Self {
        Self::Refused(Box::new(rejection))
    }

    pub(super) fn rejected(rejection: Rejection) -> Self {
        Self::Failed(Failure::Rejected(Box::new(rejection)))
    }

    /// The stable code of the response.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Replayed(_) => REPLAYED,
            #[cfg(feature = "inbox")]
            Self::Accepted => ACCEPTED,
            Self::Refused(rejection) => rejection.code.unwrap_or_default(),
            Self::Failed(failure) => failure.code(),
        }
    }

    /// What the log says: its code, and everything that is known. `None` for what is no failure.
    pub(super) fn logged(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Replayed(_) => None,
            #[cfg(feature = "inbox")]
            Self::Accepted => None,
            Self::Refused(rejection) => Some(of_rejection(rejection)),
            Self::Failed(failure) => Some(failure.logged()),
        }
    }
}

fn of_rejection(rejection: &Rejection) -> (&'static str, String) {
    let missing = rejection.missing_scopes.as_deref().map(|scopes| format!(": {scopes}")).unwrap_or_default();
    (rejection.code.unwrap_or_default(), format!("{}{missing}", rejection.text))
}

impl Failure {
    pub(super) fn deadline_exceeded() -> Self {
        Self::Rejected(Box::new(Rejection::DEADLINE_EXCEEDED))
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Rejected(rejection) => rejection.code.unwrap_or_default(),
            Self::Handler(error) => error.code().unwrap_or_else(|| error.kind().code()),
            Self::Panicked(_) => "handler_panicked",
        }
    }

    fn logged(&self) -> (&'static str, String) {
        match self {
            Self::Rejected(rejection) => of_rejection(rejection),
            Self::Handler(error) => {
                let missing = error.missing_scopes().map(|scopes| format!(": {scopes}")).unwrap_or_default();
                let shown = caught(|| format!("{error:?}"));
                let shown = shown
                    .unwrap_or_else(|text| format!("an error that panicked when it was written: {text}"));
                (self.code(), format!("{shown}{missing}"))
            }
            Self::Panicked(text) => (self.code(), format!("panicked: {text}")),
        }
    }

    /// What telemetry says: only texts that were written for the caller.
    pub(super) fn reported(&self, redacted: impl Fn(String) -> String) -> Failed {
        let (message, class) = match self {
            Self::Rejected(rejection) => (&*rejection.text, rejection.code.unwrap_or("refused")),
            Self::Handler(error) => (error.message().unwrap_or("handler failed"), error.class()),
            Self::Panicked(_) => ("the handler panicked", "handler_panicked"),
        };
        Failed { message: redacted(message.to_owned()), class: class.to_owned() }
    }
}
