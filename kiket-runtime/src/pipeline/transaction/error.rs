//! The error of a transaction.

use std::{fmt, time::Duration};

use tokio_postgres::error::SqlState;

use crate::{dedupe::postgres::transactions::Failure, error::Error, store::StoreError};

/// Why a statement of a [`Tx`](super::Tx) failed. With `?` the delivery fails, and nothing of the transaction is committed.
///
/// Where the database cannot be reached, has no free connection, or aborted the transaction in favour of another one, the response is
/// 503 with `Retry-After`; otherwise it is 500. After an error of a statement the transaction cannot be used any more.
#[derive(thiserror::Error)]
#[error(transparent)]
pub struct TxError(Box<Kind>);

#[derive(Debug, thiserror::Error)]
enum Kind {
    /// Kiket sends the delivery again.
    #[error("no transaction")]
    Unavailable(#[source] Error),
    #[error("a statement of the transaction failed")]
    Statement(#[source] Failure),
    /// A row or a value is not as it was asked for.
    #[error("{0}")]
    Value(String),
}

/// By then a connection may be free.
const AFTER: Duration = Duration::from_secs(1);

impl TxError {
    pub(super) fn unavailable(error: StoreError) -> Self {
        let why = "the database has no free connection, or cannot be reached";
        Self(Box::new(Kind::Unavailable(Error::retry_after(AFTER, why).because(error))))
    }

    pub(super) fn ended() -> Self {
        Self::value("the transaction has ended: its handler has returned")
    }

    /// Only a handler that is called by hand, or whose deduplication store was down, has none.
    pub(super) fn absent() -> Self {
        let why = "there is no claim or row that a transaction could end with";
        Self(Box::new(Kind::Unavailable(Error::retry_after(AFTER, why))))
    }

    pub(super) fn value(what: impl Into<String>) -> Self {
        Self(Box::new(Kind::Value(what.into())))
    }

    /// The SQLSTATE of the server's refusal, like `23505` for a value that has to be unique.
    ///
    /// ```
    /// use kiket_runtime::transaction::TxError;
    ///
    /// fn is_there_already(error: &TxError) -> bool {
    ///     error.code() == Some("23505")
    /// }
    /// ```
    pub fn code(&self) -> Option<&str> {
        match &*self.0 {
            Kind::Statement(Failure::Statement(error)) => error.code().map(SqlState::code),
            _ => None,
        }
    }
}

impl From<Failure> for TxError {
    fn from(failure: Failure) -> Self {
        let conflict = match &failure {
            Failure::Statement(error) => error.is_closed() || error.code().is_some_and(is_passing),
            Failure::Connection(_) => true,
        };
        Self(Box::new(if conflict {
            let why = "the database has ended the transaction";
            Kind::Unavailable(Error::retry_after(AFTER, why).because(failure))
        } else {
            Kind::Statement(failure)
        }))
    }
}

/// Whether another attempt may succeed.
fn is_passing(code: &SqlState) -> bool {
    let conflicts = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
    conflicts.contains(code) || ["08", "25P03", "53", "57"].iter().any(|class| code.code().starts_with(class))
}

impl fmt::Debug for TxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&crate::error::Chain(self), f)
    }
}
