//! The runtime of [`kiket`](https://docs.rs/kiket), the framework for extensions of the Kiket platform.
//!
//! Use it through `kiket`, which re-exports the public API.

// The derives of the payloads in `events` name `::kiket`, as they do for users.
extern crate self as kiket;

pub mod api;
pub mod auth;
pub mod client;
pub mod config;
pub mod dedupe;
mod delivery;
pub mod error;
pub mod events;
pub mod extension;
pub mod handler;
pub mod http;
#[cfg(feature = "inbox")]
pub mod inbox;
pub mod manifest;
mod messages;
mod metrics;
pub mod model;
mod pipeline;
#[doc(hidden)]
pub mod private;
mod store;
pub mod telemetry;
mod types;
#[cfg(feature = "inbox")]
mod worker;

/// Decisions: the replies of guards.
pub mod guard {
    pub use crate::messages::{Decision, Verdict};
}

/// Transactions: effects in PostgreSQL that happen exactly once.
///
/// A handler with a [`Tx`](transaction::Tx) writes rows of its own in the database of the deduplication store, or for a `later`
/// handler in that of the inbox. The stored reply, or the end of the row, is committed in the same transaction: a delivery that is
/// sent again, by Kiket or after a crash, finds both or neither.
///
/// This is so for the statements of the transaction alone. What else the handler does, like a call, happens at least once.
#[cfg(feature = "postgres")]
pub mod transaction {
    pub use crate::pipeline::transaction::{
        Column, Param, Statement, Tx, TxError, TxErrorKind, TxRow, Value,
    };
}

/// Actions that a reply asks Kiket to carry out.
pub mod actions {
    pub use crate::messages::{Action, ActionKind, Actions};
}

pub use ::http::StatusCode;

#[doc(hidden)]
pub use self::private as __private;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub use self::private::internals;
pub use self::{
    api::merkle,
    auth::signature,
    client::Client,
    config::Settings,
    delivery::Delivery,
    error::{Error, HandlerError, PayloadRejection, Result, Retry},
    extension::{Extension, ExtensionBuilder},
    handler::{Context, FromDelivery, Handler, IntoReply, Json, Payload, RawBody, Reply, State},
    messages::{Decision, external_webhook, notification},
    telemetry::install_panic_hook,
    types::{Event, EventName, EventVersion, Headers, Secret},
};
// These names belong to modules; the test kit, fuzz targets and doc examples have them from the root.
#[doc(hidden)]
pub use self::{
    api::{Endpoints, Level},
    auth::TokenRules,
    config::SettingError,
    error::{ClientError, Problem, StartupError},
    messages::{Action, ActionKind, Actions},
    types::{Authentication, Clock, Id, Timestamp},
};
