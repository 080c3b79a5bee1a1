//! The inbox: deliveries that are acknowledged first and worked on later.
//!
//! A delivery of a `later` handler is stored durably before its response, 202. Workers of the same process, or of others, then run
//! the handler, with retries of its own. [`Inbox`] is the trait of the engines; test one of your own with
//! `kiket::testing::inbox_conformance`.

mod limits;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod sqlite;
mod url;

#[cfg(feature = "postgres")]
pub use self::postgres::PostgresInbox;
pub use self::{
    limits::InboxLimits,
    sqlite::SqliteInbox,
    url::{inbox_from_url, schema},
};
pub use crate::{
    delivery::InboxHandle,
    store::inbox::{
        Acceptance, ClaimRequest, ClaimedWork, DeadReason, HandlerName, HandlerNameError, Inbox, InboxCount,
        InboxFilter, InboxRow, NewWork, NotRunError, Now, Redrive, RowId, RowState, Swept, UnknownWordError,
        WorkEnd, WorkLease,
    },
};
