//! The check at the start: every operation of a store once, so that the log names what its server refuses.

use std::time::Duration;

use http::StatusCode;

use crate::store::{BeginOutcome, DedupeKey, DedupeStore, LeaseToken, StoreError, StoredReply};

/// Runs every operation on a key of its own: what a delivery needs works, or the error says why it does not.
pub(super) async fn probe(store: &dyn DedupeStore) -> Result<(), StoreError> {
    let key = DedupeKey::new("kiket.check", &LeaseToken::unique().to_string());
    let lease = Duration::from_secs(1);
    if let BeginOutcome::Leased(token) = store.begin(&key, lease).await? {
        store.begin(&key, lease).await?; // finds it running
        let _ = store.release(&key, &token).await?;
    }
    if let BeginOutcome::Leased(token) = store.begin(&key, lease).await? {
        let reply = StoredReply::new(StatusCode::OK, "{}");
        let _ = store.commit(&key, &token, &reply, Duration::from_millis(1)).await?;
    }
    Ok(())
}
