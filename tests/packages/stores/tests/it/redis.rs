//! The store in Redis.

use std::{sync::Arc, time::Duration};

use kiket::{
    StatusCode,
    dedupe::{BeginOutcome, DedupeKey, DedupeStore, LeaseState, RedisStore, StoredReply},
    testing::dedupe_store_conformance,
};
use stores::{Redis, TestedStore};

use crate::{check_model, namespace, race};

const LEASE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn it_conforms() {
    let Some(redis) = Redis::start() else { return };
    dedupe_store_conformance(Arc::new(redis.store())).await;
}

/// One node has all slots, and refuses a script that would touch keys of two.
#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_the_rules_of_a_cluster() {
    let Some(redis) =
        Redis::start_own(&["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"])
    else {
        return;
    };
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut slots = redis::cmd("CLUSTER");
    slots.arg("ADDSLOTSRANGE").arg(0).arg(16383);
    slots.exec_async(&mut connection).await.unwrap();
    // The node knows of its slots now, and of the state of the cluster soon.
    let key = DedupeKey::new("cluster", "id:1");
    let store = redis.store();
    let serves = async { while store.begin(&key, LEASE).await.is_err() {} };
    tokio::time::timeout(LEASE, serves).await.expect("the cluster serves");
    dedupe_store_conformance(Arc::new(store)).await;
}

#[test]
fn it_follows_the_model() {
    let Some(redis) = Redis::start() else { return };
    let (store, redis) = (Arc::new(redis.store()), Arc::new(redis));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    check_model(&runtime, 64, true, &|| {
        let (redis, namespace) = (Arc::clone(&redis), namespace());
        TestedStore {
            store: Arc::clone(&store) as _,
            namespace: namespace.clone(),
            advance: Box::new(move |by| {
                let (redis, namespace) = (Arc::clone(&redis), namespace.clone());
                Box::pin(async move { redis.advance(&namespace, by).await })
            }),
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn every_delivery_is_done_once_by_two_processes() {
    let Some(redis) = Redis::start() else { return };
    race::every_delivery_is_done_once(&[Arc::new(redis.store()), Arc::new(redis.store())], 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_is_an_error_and_a_restarted_one_is_found() {
    let Some(mut redis) = Redis::start_own(&[]) else { return };
    let store = redis.store();
    let (done, key) = (DedupeKey::new("outage", "id:1"), DedupeKey::new("outage", "id:2"));
    let BeginOutcome::Leased(token) = store.begin(&done, LEASE).await.unwrap() else {
        panic!("it is the first")
    };
    let response = StoredReply::new(StatusCode::OK, "1");
    assert_eq!(store.commit(&done, &token, &response, LEASE).await.unwrap(), LeaseState::Held);

    redis.stop();
    let error = store.begin(&key, LEASE).await.unwrap_err();
    assert!(error.to_string().starts_with("Redis cannot be reached; see that it runs"), "{error}");
    assert!(store.check().await.is_err());

    // The first that comes after finds it: no delivery is refused because of a connection that was lost before.
    redis.start_again();
    assert_eq!(store.begin(&done, LEASE).await.unwrap(), BeginOutcome::Done(response.clone()));
    redis.stop();
    redis.start_again();
    assert_eq!(store.begin(&done, LEASE).await.unwrap(), BeginOutcome::Done(response));
    assert!(matches!(store.begin(&key, LEASE).await.unwrap(), BeginOutcome::Leased(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = RedisStore::new(&format!("redis://{}", silent.local_addr().unwrap())).unwrap();
    let error = store.begin(&DedupeKey::new("silent", ""), LEASE).await.unwrap_err();
    assert!(error.to_string().starts_with("Redis "), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_wrong_is_not_shown() {
    let Some(redis) = Redis::start_own(&["--requirepass", "right"]) else { return };
    for password in ["", "?pass=canary"] {
        let store = RedisStore::new(&format!("{}{password}", redis.url())).unwrap();
        let error = store.check().await.unwrap_err();
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_outlives_the_runtime_that_used_it_first() {
    let Some(redis) = Redis::start() else { return };
    let store = Arc::new(redis.store());
    let key = DedupeKey::new(&namespace(), "id:1");
    let first = (Arc::clone(&store), key.clone());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { first.0.begin(&first.1, LEASE).await.unwrap() });
    })
    .join()
    .unwrap();
    assert!(matches!(store.begin(&key, LEASE).await.unwrap(), BeginOutcome::Running { .. }));
}
