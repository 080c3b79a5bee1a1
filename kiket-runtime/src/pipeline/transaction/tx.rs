//! The extractor of transactions.

use std::{fmt, sync::Arc};

use super::{error::TxError, held::Held, row::TxRow};
use crate::{
    dedupe::postgres::param::{Param, Statement},
    delivery::Delivery,
    error::HandlerError,
    handler::{FromDelivery, IntoReply, Requirements},
    store::StoredReply,
};

/// A transaction in PostgreSQL that is committed with the stored reply of the delivery, or with the end of a `later` delivery's row:
/// its effects happen exactly once.
///
/// It is opened at its first statement, in the database of `KIKET_DEDUPE_URL`, or of `KIKET_INBOX_URL` for a `later` handler, which
/// have to be `postgres://`. If the handler fails, panics or times out, or its lease is lost, it is rolled back. A process has up to
/// 16 of them at once; without a free one the response is 503. The server ends one that nothing is done in until a second after
/// the deadline of the handler.
///
/// What else the handler does, like a call, happens at least once.
///
/// ```
/// use kiket_runtime::{Context, Reply, params, transaction::Tx};
///
/// async fn on_issue_created(context: Context, tx: Tx) -> kiket_runtime::Result<Reply> {
///     let insert = "INSERT INTO issues (delivery, title) VALUES ($1, $2)";
///     tx.execute(insert, params![context.delivery_key(), "Broken"]).await?;
///     Ok(Reply::ok())
/// }
/// # let _ = on_issue_created;
/// ```
pub struct Tx {
    held: Arc<Held>,
    delivery: Delivery,
}

impl Tx {
    /// Runs a statement, and returns how many rows it changed.
    ///
    /// # Errors
    ///
    /// When there is no connection, or the server refuses the statement: see [`TxError`].
    pub async fn execute(&self, sql: &str, params: impl AsRef<[Param]>) -> Result<u64, TxError> {
        let open = self.held.open(self.delivery.remaining()).await?;
        Ok(self.held.counted(open.execute(sql, params.as_ref())).await?)
    }

    /// Runs a statement, and returns its rows, all of which are in memory.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn query(&self, sql: &str, params: impl AsRef<[Param]>) -> Result<Vec<TxRow>, TxError> {
        let open = self.held.open(self.delivery.remaining()).await?;
        let rows = self.held.counted(open.query(sql, params.as_ref())).await?;
        Ok(rows.into_iter().map(TxRow::new).collect())
    }

    /// Runs a statement that returns at most one row.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute); and when it returns several.
    pub async fn query_opt(&self, sql: &str, params: impl AsRef<[Param]>) -> Result<Option<TxRow>, TxError> {
        let mut rows = self.query(sql, params).await?;
        let row = rows.pop();
        if rows.is_empty() { Ok(row) } else { Err(TxError::value("the statement returned several rows")) }
    }

    /// Runs a statement that returns one row.
    ///
    /// # Errors
    ///
    /// As [`query_opt`](Self::query_opt); and when it returns none.
    pub async fn query_one(&self, sql: &str, params: impl AsRef<[Param]>) -> Result<TxRow, TxError> {
        let row = self.query_opt(sql, params).await?;
        row.ok_or_else(|| TxError::value("the statement returned no row"))
    }

    /// The statements for a transaction of another library in the same database, which then replaces this one: run them in their
    /// order, last, and roll back if one does not change its [`rows`](Statement::rows). Then return `reply`; it is stored already.
    ///
    /// For a `later` handler the reply is not stored, and the row is done.
    ///
    /// ```
    /// use kiket_runtime::{Reply, transaction::{Param, Tx, TxError}};
    ///
    /// # struct Connection;
    /// # impl Connection { fn execute(&mut self, _: &str, _: &[Param]) -> u64 { 1 } }
    /// fn end(connection: &mut Connection, tx: &Tx, reply: Reply) -> Result<bool, TxError> {
    ///     for statement in tx.statements(reply)? {
    ///         let rows = connection.execute(statement.sql, &statement.params);
    ///         if statement.rows.is_some_and(|expected| rows != expected) {
    ///             return Ok(false); // roll back
    ///         }
    ///     }
    ///     Ok(true) // commit
    /// }
    /// # let _ = end;
    /// ```
    ///
    /// # Errors
    ///
    /// When the reply is an error, or cannot be written: that is not stored.
    pub fn statements(&self, reply: impl IntoReply) -> Result<Vec<Statement>, TxError> {
        let failed = |error: HandlerError| TxError::value(format!("the reply cannot be stored: {error}"));
        let reply = reply.into_reply().map_err(failed)?;
        let is_decision = reply.is_decision();
        let (status, body) = reply.into_parts().map_err(failed)?;
        let reply = StoredReply::new(status, body)
            .with_decision(is_decision)
            .with_request_hash(self.delivery.fingerprint());
        Ok(self.held.statements(&reply))
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").finish_non_exhaustive()
    }
}

impl<'d> FromDelivery<'d> for Tx {
    type Rejection = TxError;

    fn requirements(requirements: &mut Requirements) {
        requirements.transaction();
    }

    /// After the delivery was claimed.
    async fn from_delivery(delivery: &'d Delivery) -> Result<Self, TxError> {
        let held = delivery.get::<Held>().ok_or_else(TxError::absent)?;
        Ok(Self { held, delivery: delivery.clone() })
    }
}
