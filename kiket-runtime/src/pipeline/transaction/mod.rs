//! Transactions of handlers: opened at their first statement, and committed with what ends the delivery.

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
