//! Statements for a transaction of another library.

use crate::dedupe::postgres::param::Param;

/// A statement that a transaction of your own library runs, so that it ends with the stored reply, or with the row; see
/// [`Tx::statements`](super::Tx::statements).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Statement {
    /// The SQL, with the values as `$1`, `$2` and so on.
    pub sql: &'static str,
    /// The values.
    pub params: Vec<Param>,
    /// How many rows it has to change; if it changes another number, the lease is lost: roll the transaction back.
    pub rows: Option<u64>,
}
