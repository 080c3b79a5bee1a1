//! Deduplication: each delivery runs once, and a redelivery gets the stored reply.
//!
//! Kiket delivers at least once. A [`DedupeStore`] keeps a lease for each running delivery and then its reply, so that a
//! redelivery is refused while the first attempt runs, and gets the stored reply afterwards:
//!
//! ```text
//!            begin                    commit
//! absent ───────────► leased(token) ─────────► done(reply)
//!   ▲                   │   │                     │
//!   └───────────────────┘   └── begin by another, │
//!     release                   after it expired  │
//!   ▲                                             │
//!   └─────────────────────────────────────────────┘
//!                      retention is over
//! ```
//!
//! - A lease has one owner, which holds its [`LeaseToken`]. After it has expired, another process may take the delivery
//!   over, and the former owner can neither commit nor release, even if no other process took over.
//! - A reply never changes once it is stored.
//! - [`MemoryStore`] is for one process. `RedisStore` (feature `redis`) and `PostgresStore` (feature `postgres`) are shared by
//!   several processes, and outlive them. Test a store of your own with
//!   `kiket::testing::dedupe_store_conformance`.

mod memory;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod probe;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "postgres")]
mod thread;
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(crate) mod timeout;
mod url;

pub(crate) use self::memory::Name;

#[cfg(feature = "postgres")]
pub use self::postgres::PostgresStore;
#[cfg(feature = "postgres")]
#[doc(hidden)] // `params!` names it here
pub use self::postgres::param::Param;
#[cfg(feature = "redis")]
pub use self::redis::RedisStore;
pub use self::{memory::MemoryStore, url::store_from_url};
pub use crate::store::{
    BeginOutcome, DedupeKey, DedupeStore, LeaseState, LeaseToken, LeaseTokenError, Retention, StoreError,
    StoreErrorKind, StoreFuture, StoredReply,
};
