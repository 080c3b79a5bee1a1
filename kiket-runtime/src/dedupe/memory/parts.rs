//! The types that the shards are made of; `tests/packages/stores` puts those of a model checker in their place.

pub(super) use std::sync::Mutex;

pub(super) use tokio::time::Instant;

pub(super) use crate::store::{BeginOutcome, DedupeKey, LeaseState, LeaseToken, StoreError, StoredReply};
