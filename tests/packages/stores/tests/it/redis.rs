//! The store in Redis.

use std::{future::poll_fn, num::NonZeroU64, sync::Arc, task::Poll, time::Duration};

use kiket::{
    dedupe::{BeginOutcome, DedupeKey, DedupeStore, LeaseState, RedisStore, StoredReply},
    http::StatusCode,
    testing::dedupe_store_conformance,
};
use stores::{Cluster, Proxy, Redis, TestedStore};

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

/// How many connections a Redis has, beside this one, and how many it had so far.
fn connections(redis: &Redis) -> (usize, usize) {
    let mut connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut connection).unwrap();
    let ids = list.lines().map(|line| line["id=".len()..].split(' ').next().unwrap().parse().unwrap());
    (list.lines().count() - 1, ids.max().unwrap())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn each_runtime_has_a_connection_of_its_own() {
    let Some(redis) = Redis::start_own(&[]) else { return };
    let store = redis.store();
    let begin = async |id: &str| {
        let key = DedupeKey::new("runtimes", id);
        assert!(matches!(store.begin(&key, LEASE).await.unwrap(), BeginOutcome::Leased(_)));
    };
    let (first, second) = (runtime(), runtime());
    for round in ["1", "2"] {
        // Neither runs while the other one does.
        first.block_on(begin(&format!("first-{round}")));
        second.block_on(begin(&format!("second-{round}")));
        assert_eq!(connections(&redis).0, 2);
    }
    // A connection ends with its runtime.
    drop(first);
    while connections(&redis).0 > 1 {}
    second.block_on(begin("second-3"));
    assert_eq!(connections(&redis).0, 1);
}

#[test]
fn a_blocked_worker_does_not_give_its_connection_up() {
    let Some(redis) = Redis::start_own(&[]) else { return };
    let (store, key) = (Arc::new(redis.store()), DedupeKey::new("blocked", "id:1"));
    runtime().block_on(async {
        let BeginOutcome::Leased(token) = store.begin(&key, LEASE).await.unwrap() else {
            panic!("it is the first")
        };
        let made = connections(&redis).1;
        let commit = tokio::spawn(async move {
            let reply = StoredReply::new(StatusCode::OK, "1");
            store.commit(&key, &token, &reply, LEASE).await
        });
        // The operation is about to send its command. A handler blocks for longer than its timeouts.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        std::thread::sleep(Duration::from_millis(3_500));
        assert_eq!(commit.await.unwrap().unwrap(), LeaseState::Held);
        assert_eq!(connections(&redis).1, made + 1, "only that which asks now");
    });
}

#[test]
fn an_operation_outlives_its_caller() {
    let Some(redis) = Redis::start_own(&[]) else { return };
    let (store, key) = (redis.store(), DedupeKey::new("dropped", "id:1"));
    runtime().block_on(async {
        let mut cut = store.begin(&key, LEASE);
        assert!(poll_fn(|context| Poll::Ready(cut.as_mut().poll(context))).await.is_pending());
        drop(cut); // it has begun, and its server has not responded
        assert!(matches!(store.begin(&key, LEASE).await.unwrap(), BeginOutcome::Running { .. }));
    });
}

#[test]
fn outside_of_tokio_it_is_an_error() {
    let store = RedisStore::new("redis://localhost").unwrap();
    let begun =
        std::pin::pin!(store.check()).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    let Poll::Ready(Err(error)) = begun else { panic!("{begun:?}") };
    assert!(error.to_string().contains("outside of a Tokio runtime"), "{error}");
}

fn proxy(redis: &Redis) -> Proxy {
    Proxy::start(&redis.socket().unwrap())
}

fn store_behind(proxy: &Proxy) -> RedisStore {
    RedisStore::new(&format!("redis://{}", proxy.address())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_became_a_replica_is_left() {
    let (Some(a), Some(b)) = (Redis::start_own(&[]), Redis::start_own(&[])) else { return };
    let proxy = proxy(&a);
    let store = store_behind(&proxy);
    let key = DedupeKey::new("demoted", "id:1");
    assert!(matches!(store.begin(&key, LEASE).await.unwrap(), BeginOutcome::Leased(_)));
    a.ask("REPLICAOF 127.0.0.1 1").await;
    let error = store.begin(&DedupeKey::new("demoted", "id:2"), LEASE).await.unwrap_err();
    assert!(error.to_string().contains("write the address of the primary"), "{error}");
    assert!(store.check().await.is_err());
    proxy.lead_to(&b.socket().unwrap());
    assert!(matches!(store.begin(&key, LEASE).await.unwrap(), BeginOutcome::Leased(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_falls_silent_is_left() {
    let (Some(a), Some(b)) = (Redis::start_own(&[]), Redis::start_own(&[])) else { return };
    let proxy = proxy(&a);
    let store = store_behind(&proxy);
    store.check().await.unwrap();
    // As when its machine has lost its power: no connection is closed.
    a.ask("CLIENT PAUSE 60000 ALL").await;
    proxy.lead_to(&b.socket().unwrap());
    let key = DedupeKey::new("silent", "id:1");
    assert!(matches!(store.begin(&key, LEASE).await.unwrap(), BeginOutcome::Leased(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_servers_the_one_that_takes_writes_is_used() {
    let (Some(replica), Some(primary)) = (Redis::start_own(&[]), Redis::start_own(&[])) else { return };
    replica.ask("REPLICAOF 127.0.0.1 1").await;
    let (first, second) = (proxy(&replica), proxy(&primary));
    let url = format!("redis://{},{}", first.address(), second.address());
    let store = RedisStore::new(&url).unwrap();
    store.check().await.unwrap();
    second.lead_to(&replica.socket().unwrap());
    primary.ask("REPLICAOF 127.0.0.1 1").await;
    replica.ask("REPLICAOF NO ONE").await;
    let key = DedupeKey::new("several", "id:1");
    assert!(matches!(store.begin(&key, LEASE).await.unwrap(), BeginOutcome::Leased(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn advice_fits_the_refusal() {
    const RIGHTS: &str = "~kiket:dedupe:* +eval +evalsha +hget +hmget +hset +hdel +pexpire +pttl +del +info";
    let Some(redis) = Redis::start_own(&[]) else { return };
    let check = async |url: &str, advice: &str| {
        let error = RedisStore::new(url).unwrap().check().await.unwrap_err();
        assert!(error.to_string().contains(advice), "{error:?}");
        assert!(advice.contains("EVAL") || !error.to_string().contains("EVAL"), "{error:?}");
    };
    let at = |user: &str| format!("{}?user={user}&pass=canary", redis.url());
    // As the documentation of the store says: enough, and each right is needed.
    redis.ask(&format!("ACL SETUSER right on >canary {RIGHTS}")).await;
    RedisStore::new(&at("right")).unwrap().check().await.unwrap();
    for right in RIGHTS.split(' ').filter(|right| *right != "+info") {
        redis.ask(&format!("ACL SETUSER fewer reset on >canary {}", RIGHTS.replacen(right, "", 1))).await;
        if right == "+eval" {
            redis.ask("SCRIPT FLUSH").await; // else the hash is enough
        }
        check(&at("fewer"), "+pttl +del").await;
        RedisStore::new(&at("right")).unwrap().check().await.unwrap();
    }
    redis.ask("ACL SETUSER right >other").await;
    check(&format!("{}?user=right&pass=wrong", redis.url()), "has the user and the password").await;
    redis.ask("CONFIG SET maxmemory 1").await;
    check(redis.url(), "raise its `maxmemory`").await;
    redis.ask("CONFIG SET maxmemory 0").await;
    redis.ask("SET kiket:dedupe:{e/id:1} other").await;
    let typed = redis.store().begin(&DedupeKey::new("e", "id:1"), LEASE).await.unwrap_err();
    assert!(typed.to_string().contains("another program"), "{typed}");
    redis.ask("CONFIG SET requirepass right").await;
    check(redis.url(), "has the user and the password").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_followed() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let stores = [(); 2].map(|()| Arc::new(RedisStore::new(&cluster.url()).unwrap()));
    let [first, second] = stores.map(|store| store as Arc<dyn DedupeStore>);
    dedupe_store_conformance(Arc::clone(&first)).await;
    race::every_delivery_is_done_once(&[Arc::clone(&first), Arc::clone(&second)], 50).await;
    let (keys, nodes) = cluster.spread().await;
    assert!(keys > 50 && nodes == 3, "{keys} keys on {nodes} nodes");

    a_moving_slot_is_followed(&cluster, &*first, &*second).await;
    let begin = async |from: usize, store: &Arc<dyn DedupeStore>| {
        for number in from..from + 200 {
            let key = DedupeKey::new("cluster", &number.to_string());
            let begun = store.begin(&key, LEASE).await.unwrap();
            assert!(matches!(begun, BeginOutcome::Leased(_)), "{number}: {begun:?}");
        }
    };
    begin(0, &first).await;
    cluster.fail_over().await;
    begin(200, &first).await;
    cluster.stop_first();
    begin(400, &first).await;
    begin(600, &second).await;
    // A process that starts now finds the other address of the URL.
    let third: Arc<dyn DedupeStore> = Arc::new(RedisStore::new(&cluster.url()).unwrap());
    begin(800, &third).await;
}

/// A delivery whose slot is on its way to another node is found there, while it moves and when it has moved.
async fn a_moving_slot_is_followed(cluster: &Cluster, first: &dyn DedupeStore, second: &dyn DedupeStore) {
    let mut ids = (0..).map(|number| format!("moving-{number}"));
    let (key, slot) = loop {
        let id = ids.next().unwrap();
        if let Some(slot) = cluster.slot_of_first(&format!("kiket:dedupe:{{cluster/{id}}}")).await {
            break (DedupeKey::new("cluster", &id), slot);
        }
    };
    assert_eq!(cluster.keys_of(slot).await, [0, 0]);
    cluster.begin_to_move(slot).await;
    let BeginOutcome::Leased(token) = first.begin(&key, LEASE).await.unwrap() else { panic!("it is new") };
    assert_eq!(cluster.keys_of(slot).await, [0, 1], "the first primary has redirected");
    assert!(matches!(second.begin(&key, LEASE).await.unwrap(), BeginOutcome::Running { .. }));
    let reply = StoredReply::new(StatusCode::OK, "1");
    assert_eq!(first.commit(&key, &token, &reply, LEASE).await.unwrap(), LeaseState::Held);
    assert_eq!(second.begin(&key, LEASE).await.unwrap(), BeginOutcome::Done(reply.clone()));
    cluster.end_move(slot).await;
    assert_eq!(first.begin(&key, LEASE).await.unwrap(), BeginOutcome::Done(reply));
    assert_eq!(cluster.keys_of(slot).await, [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_without_the_hash_of_its_request_is_read() {
    let Some(redis) = Redis::start_own(&[]) else { return };
    let (store, key) = (redis.store(), DedupeKey::new("hash", "id:1"));
    let BeginOutcome::Leased(token) = store.begin(&key, LEASE).await.unwrap() else {
        panic!("it is the first")
    };
    let reply = StoredReply::new(StatusCode::OK, "1").with_request_hash(NonZeroU64::new(9));
    assert_eq!(store.commit(&key, &token, &reply, LEASE).await.unwrap(), LeaseState::Held);
    assert_eq!(store.begin(&key, LEASE).await.unwrap(), BeginOutcome::Done(reply.clone()));
    // As an earlier version wrote it.
    redis.ask("HDEL kiket:dedupe:{hash/id:1} request").await;
    let without = BeginOutcome::Done(reply.with_request_hash(None));
    assert_eq!(store.begin(&key, LEASE).await.unwrap(), without);
}
