//! Why a delivery was not answered by its handler, and how that is told.

use crate::{
    error::{Error, Rejection},
    handler::Interrupted,
    telemetry::Failed,
};

/// Why a delivery that had a handler was not answered by it.
pub(crate) enum Failure {
    /// Boxed, for most deliveries have none, and all have room for one.
    Refused(Box<Rejection>),
    Handler(Error),
    Interrupted(Interrupted),
}

impl Failure {
    /// What telemetry tells of it: nothing that nobody wrote for a reader.
    pub(crate) fn told(&self, redacted: impl Fn(String) -> String) -> Failed {
        let (message, class) = match self {
            Self::Refused(rejection) => (&*rejection.text, rejection.code.unwrap_or("refused")),
            Self::Handler(error) => (error.message().unwrap_or("handler failed"), error.class()),
            Self::Interrupted(Interrupted::DeadlineExceeded) => {
                ("the handler ran past its deadline", "deadline_exceeded")
            }
            Self::Interrupted(Interrupted::Panicked(_)) => ("the handler panicked", "handler_panicked"),
        };
        Failed { message: redacted(message.to_owned()), class: class.to_owned() }
    }

    /// What the log tells of it: its code, and everything that is known.
    pub(crate) fn logged(&self) -> (&'static str, String) {
        match self {
            Self::Refused(rejection) => {
                let missing = rejection.missing_scopes.as_deref();
                let missing = missing.map(|scopes| format!(": {scopes}")).unwrap_or_default();
                (rejection.code.unwrap_or_default(), format!("{}{missing}", rejection.text))
            }
            Self::Handler(error) => {
                let missing = error.missing_scopes().map(|scopes| format!(": {scopes}")).unwrap_or_default();
                (error.code().unwrap_or_else(|| error.kind().code()), format!("{error:?}{missing}"))
            }
            Self::Interrupted(Interrupted::DeadlineExceeded) => {
                ("deadline_exceeded", "the handler ran past its deadline".to_owned())
            }
            Self::Interrupted(Interrupted::Panicked(text)) => {
                ("handler_panicked", format!("panicked: {text}"))
            }
        }
    }
}

/// The most bytes of a text that tells of a failure: one may quote a whole body.
const LONGEST_TEXT: usize = 4096;

/// A text that somebody can read. It is cut when no secret is in it any more, for half a secret is one that nobody finds.
pub(crate) fn legible(mut text: String) -> String {
    if text.len() > LONGEST_TEXT {
        let end = (0..=LONGEST_TEXT).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
    text
}
