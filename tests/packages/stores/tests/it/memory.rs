//! The store of one process. What it forgets when it is full is tested beside it.

use std::{sync::Arc, time::Duration};

use kiket::dedupe::{DedupeStore, MemoryStore};
use stores::TestedStore;

use crate::{check_model, race};

#[test]
fn it_follows_the_model() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    check_model(&runtime, 1000, false, &|| TestedStore {
        store: Arc::new(MemoryStore::new()),
        namespace: "memory".to_owned(),
        advance: Box::new(|by| Box::pin(tokio::time::advance(Duration::from_millis(by.unsigned_abs())))),
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_conforms() {
    kiket::testing::dedupe_store_conformance(Arc::new(MemoryStore::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_delivery_is_done_once() {
    let store: Arc<dyn DedupeStore> = Arc::new(MemoryStore::new());
    race::every_delivery_is_done_once(&[Arc::clone(&store), store], 500).await;
}
