//! Transactions of handlers: opened at their first statement, and committed with what ends the delivery.

mod error;
mod held;
mod row;
mod tx;

#[cfg(feature = "inbox")]
pub(crate) use self::held::RowTransactions;
pub(crate) use self::held::{Held, Owner, ReplyTransactions};
pub use self::{
    error::{TxError, TxErrorKind},
    row::{Column, TxRow},
    tx::Tx,
};
pub use crate::dedupe::postgres::param::{Param, Statement, Value};
