//! Nothing twice: who runs a delivery, and what was answered.
//!
//! Kiket delivers at least once. A [`DedupeStore`] remembers what became of each delivery, so that a repeated one
//! waits for the first or gets its answer again:
//!
//! ```text
//!            begin                    commit
//! absent ───────────► leased(token) ─────────► done(answer)
//!   ▲                   │   │                     │
//!   └───────────────────┘   └── begin by another, │
//!     release                   once it expired   │
//!   ▲                                             │
//!   └─────────────────────────────────────────────┘
//!                      time to keep is over
//! ```
//!
//! - A lease has one owner, who holds its [`LeaseToken`]. Once it has expired, anybody may take the delivery over, and
//!   the former owner can neither commit nor release any more, even if nobody did.
//! - An answer never changes once it is stored.
//! - [`MemoryStore`] is for one process. `RedisStore` (feature `redis`) and `PostgresStore` (feature `postgres`) are
//!   for several, and outlive them. Whoever brings another one runs
//!   `kiket::testing::dedupe_store_conformance` on it.

mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod thread;
mod url;

#[cfg(feature = "postgres")]
pub use self::postgres::PostgresStore;
#[cfg(feature = "redis")]
pub use self::redis::RedisStore;
pub use self::{memory::MemoryStore, url::store_from_url};
pub use crate::store::{
    BeginOutcome, DedupeKey, DedupeStore, LeaseState, LeaseToken, LeaseTokenError, Retention, StoreError,
    StoreFuture, StoredReply,
};
