//! Errors, one type per reader: handlers, the start of the extension, Kiket, the log.

mod chain;
mod client;
mod delivery;
mod extractor;
mod handler;
mod kind;
mod origin;
mod problem_id;
mod reason;
mod rejection;
mod retry;
mod signature;
mod startup;
mod token;
mod undecodable;
mod verification;

pub(crate) use self::{
    chain::Chain,
    rejection::Rejection,
    retry::Classifiers,
    startup::{Findings, Fix},
    token::TokenError,
    undecodable::{located, undecodable},
};
pub use self::{
    client::{ClientError, ClientErrorKind, FieldError},
    delivery::Error,
    extractor::PayloadRejection,
    handler::{HandlerError, IntoHandlerError, Result},
    kind::ErrorKind,
    problem_id::{ProblemId, ProblemIdError},
    retry::{Advice, Classifier, Retry},
    signature::SignatureError,
    startup::{Place, Problem, StartupError},
    verification::{VerificationError, VerificationErrorKind},
};
