//! Transactions: effects in PostgreSQL that happen exactly once.
//!
//! A handler with a [`Tx`] writes rows of its own in the database of the deduplication store, or for a `later` handler in that of the
//! inbox. The stored reply, or the end of the row, is committed in the same transaction: a delivery that is sent again, by Kiket or
//! after a crash, finds both or neither.
//!
//! This is so for the statements of the transaction alone. What else the handler does, like a call, happens at least once.

mod error;
mod held;
mod param;
mod row;
mod statement;
mod tx;

#[cfg(feature = "inbox")]
pub(crate) use self::held::RowTransactions;
pub(crate) use self::held::{Held, Owner, ReplyTransactions};
pub use self::{
    error::TxError,
    param::{Param, Value},
    row::{Column, TxRow},
    statement::Statement,
    tx::Tx,
};
