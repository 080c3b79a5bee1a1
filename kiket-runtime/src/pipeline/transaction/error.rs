//! The error of a transaction.

use std::{fmt, time::Duration};

use tokio_postgres::error::SqlState;

use crate::{dedupe::postgres::transactions::Failure, error::Error, store::StoreError};

/// Why a statement of a [`Tx`](super::Tx) failed. With `?` the delivery fails, and nothing of the transaction is committed.
///
/// Where the database cannot be reached, has no free connection, or aborted the transaction in favour of another one, the response is
/// 503 with `Retry-After`; otherwise it is 500. After an error of a statement the transaction cannot be used any more.
///
/// ```
/// use kiket_runtime::{params, transaction::{Tx, TxError, TxErrorKind}};
///
/// /// Whether there is a row of this id; a database that is down fails the delivery.
/// async fn is_there(tx: Tx, id: i64) -> Result<bool, TxError> {
///     match tx.query_one("SELECT 1 FROM issues WHERE id = $1", params![id]).await {
///         Err(error) if error.kind() == TxErrorKind::Mismatch => Ok(false),
///         found => found.map(|_| true),
///     }
/// }
/// # let _ = is_there;
/// ```
#[derive(thiserror::Error)]
#[error(transparent)]
pub struct TxError(Box<Kind>);

/// The kind of a [`TxError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TxErrorKind {
    /// There is no transaction: the database cannot be reached, has no free connection, or has ended it. Kiket sends the delivery again.
    Unavailable,
    /// The server refused a statement; [`TxError::code`] says why.
    Refused,
    /// Rows, a value, a reply, or the time of the call are not as it needs them.
    Mismatch,
}

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

    /// The kind of the error.
    pub fn kind(&self) -> TxErrorKind {
        match &*self.0 {
            Kind::Unavailable(_) => TxErrorKind::Unavailable,
            Kind::Statement(_) => TxErrorKind::Refused,
            Kind::Value(_) => TxErrorKind::Mismatch,
        }
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
