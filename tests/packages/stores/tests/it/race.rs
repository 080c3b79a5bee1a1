//! Many that deliver the same at the same time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use kiket::{
    dedupe::{BeginOutcome, DedupeKey, DedupeStore, LeaseState, StoredReply},
    http::StatusCode,
};

use crate::namespace;

const LEASE: Duration = Duration::from_secs(60);
const SENDERS: usize = 8;

/// Each of several senders delivers everything, through either of the stores, until it is done. Workers fail now and
/// then, and are run again.
pub(crate) async fn every_delivery_is_done_once(stores: &[Arc<dyn DedupeStore>; 2], deliveries: usize) {
    let namespace = namespace();
    let effects: Arc<Mutex<BTreeMap<usize, Vec<StoredReply>>>> = Arc::default();
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let store = Arc::clone(&stores[sender % 2]);
            let (namespace, effects) = (namespace.clone(), Arc::clone(&effects));
            tokio::spawn(async move {
                for step in 0..deliveries {
                    // Half of them in the other direction, so that they meet.
                    let number = if sender % 4 < 2 { step } else { deliveries - 1 - step };
                    let key = DedupeKey::new(&namespace, &format!("id:{number}"));
                    let response = deliver(&*store, &key, sender, number, &effects).await;
                    let first = effects.lock().unwrap()[&number].first().cloned();
                    assert_eq!(Some(response), first, "a response changed");
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    let effects = effects.lock().unwrap();
    assert_eq!(effects.len(), deliveries, "an event is lost");
    assert!(effects.values().all(|effects| effects.len() == 1), "an effect happened twice");
}

/// Delivers until there is a response, as Kiket does.
async fn deliver(
    store: &dyn DedupeStore,
    key: &DedupeKey,
    sender: usize,
    number: usize,
    effects: &Mutex<BTreeMap<usize, Vec<StoredReply>>>,
) -> StoredReply {
    loop {
        match store.begin(key, LEASE).await.unwrap() {
            BeginOutcome::Done(response) => return response,
            BeginOutcome::Running { .. } => tokio::task::yield_now().await,
            BeginOutcome::Leased(token) if fastrand::u8(..) < 64 => {
                assert_eq!(store.release(key, &token).await.unwrap(), LeaseState::Held);
            }
            BeginOutcome::Leased(token) => {
                let response = StoredReply::new(StatusCode::OK, format!("{number} by {sender}"));
                // A worker that reads the stored reply reads it from here then.
                effects.lock().unwrap().entry(number).or_default().push(response.clone());
                assert_eq!(store.commit(key, &token, &response, LEASE).await.unwrap(), LeaseState::Held);
                return response;
            }
            other => panic!("{other:?}"),
        }
    }
}
