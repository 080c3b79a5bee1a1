//! The types that the shards use; `tests/packages/stores` replaces them with those of a model checker.

pub(super) use std::sync::Mutex;

pub(super) use http::StatusCode;
pub(super) use tokio::time::Instant;

pub(super) use crate::store::{
    BeginOutcome, DedupeKey, LeaseState, LeaseToken, StoreError, StoreErrorKind, StoredReply,
};
