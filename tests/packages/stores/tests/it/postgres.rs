//! The store in PostgreSQL.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use kiket::{
    dedupe::{BeginOutcome, DedupeKey, DedupeStore, LeaseState, PostgresStore, StoreErrorKind, StoredReply},
    http::StatusCode,
    testing::dedupe_store_conformance,
};
use stores::{Pooler, Postgres, SimpleQueryMessage, TestedStore, connect};

use crate::{check_model, namespace, race};

const LEASE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn it_conforms_and_its_table_is_made_by_the_first_process() {
    let Some(postgres) = Postgres::start() else { return };
    let starting = (0..4).map(|_| {
        let store = postgres.store();
        tokio::spawn(async move { store.check().await })
    });
    for started in starting.collect::<Vec<_>>() {
        started.await.unwrap().unwrap();
    }
    dedupe_store_conformance(Arc::new(postgres.store())).await;
}

#[test]
fn it_follows_the_model() {
    let Some(postgres) = Postgres::start() else { return };
    let (store, postgres) = (Arc::new(postgres.store()), Arc::new(postgres));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(store.check()).unwrap();
    check_model(&runtime, 32, true, &|| {
        let (postgres, namespace) = (Arc::clone(&postgres), namespace());
        TestedStore {
            store: Arc::clone(&store) as _,
            namespace: namespace.clone(),
            advance: Box::new(move |by| {
                let (postgres, namespace) = (Arc::clone(&postgres), namespace.clone());
                Box::pin(async move { postgres.advance(&namespace, by).await })
            }),
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn every_delivery_is_done_once_by_two_processes() {
    let Some(postgres) = Postgres::start() else { return };
    race::every_delivery_is_done_once(&[Arc::new(postgres.store()), Arc::new(postgres.store())], 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_is_an_error_and_a_restarted_one_is_found() {
    let Some(mut postgres) = Postgres::start_own() else { return };
    let store = postgres.store();
    let (done, key) = (DedupeKey::new("outage", "id:1"), DedupeKey::new("outage", "id:2"));
    // Without a check before: the table is made when it is missed.
    let BeginOutcome::Leased(token) = store.begin(&done, LEASE).await.unwrap() else {
        panic!("it is the first")
    };
    let response = StoredReply::new(StatusCode::OK, "1");
    assert_eq!(store.commit(&done, &token, &response, LEASE).await.unwrap(), LeaseState::Held);

    postgres.stop();
    let error = store.begin(&key, LEASE).await.unwrap_err();
    assert!(error.to_string().starts_with("PostgreSQL cannot be reached; see that it runs"), "{error}");
    assert!(store.check().await.is_err());

    postgres.start_again();
    assert_eq!(store.begin(&done, LEASE).await.unwrap(), BeginOutcome::Done(response.clone()));
    postgres.stop();
    postgres.start_again();
    assert_eq!(store.begin(&done, LEASE).await.unwrap(), BeginOutcome::Done(response));
    assert!(matches!(store.begin(&key, LEASE).await.unwrap(), BeginOutcome::Leased(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_create_gets_the_statement_and_uses_a_table() {
    let Some(postgres) = Postgres::start_own() else { return };
    postgres.execute("CREATE ROLE guest LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
    let guest = PostgresStore::new(&postgres.url().replace("kiket@", "guest@")).unwrap();
    let error = guest.check().await.unwrap_err();
    assert!(error.to_string().contains("run `PostgresStore::TABLE`"), "{error}");

    postgres.execute(PostgresStore::TABLE).await;
    postgres.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON kiket_dedupe TO guest").await;
    guest.check().await.unwrap();
    let key = DedupeKey::new("guest", "id:1");
    assert!(matches!(guest.begin(&key, LEASE).await.unwrap(), BeginOutcome::Leased(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_deleted_in_the_course_of_deliveries() {
    let Some(postgres) = Postgres::start() else { return };
    let (store, namespace) = (postgres.store(), namespace());
    let deliver = async |from: usize, to: usize| {
        for number in from..to {
            let key = DedupeKey::new(&namespace, &number.to_string());
            assert!(matches!(store.begin(&key, LEASE).await.unwrap(), BeginOutcome::Leased(_)));
        }
    };
    deliver(0, 100).await;
    postgres.advance(&namespace, 60_000).await;
    let mut delivered = 100;
    // No delivery waits for it: it has happened by one of the next deliveries.
    while postgres.count(&namespace).await > i64::try_from(delivered).unwrap() - 100 {
        deliver(delivered, delivered + 64).await;
        delivered += 64;
        assert!(delivered < 10_000, "nothing is deleted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_for_long_keeps_nothing_behind_it() {
    let Some(postgres) = Postgres::start_own() else { return };
    let (store, namespace) = (postgres.store(), namespace());
    let deliver = async |from: usize, to: usize, lease| {
        for number in from..to {
            let key = DedupeKey::new(&namespace, &number.to_string());
            assert!(matches!(store.begin(&key, lease).await.unwrap(), BeginOutcome::Leased(_)));
        }
    };
    // More than one deletion looks at, which stay.
    deliver(0, 300, Duration::from_secs(1_000_000)).await;
    deliver(300, 400, LEASE).await;
    postgres.advance(&namespace, 60_000).await;
    let mut delivered = 400;
    while postgres.count(&namespace).await > i64::try_from(delivered).unwrap() - 100 {
        deliver(delivered, delivered + 64, LEASE).await;
        delivered += 64;
        assert!(delivered < 10_000, "nothing is deleted");
    }
    assert!(postgres.count(&namespace).await >= 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://u:canary@{}/db?sslmode=disable", silent.local_addr().unwrap());
    let error =
        PostgresStore::new(&url).unwrap().begin(&DedupeKey::new("silent", ""), LEASE).await.unwrap_err();
    assert!(error.to_string().starts_with("PostgreSQL "), "{error}");
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_pooler_changes_nothing() {
    let Some(postgres) = Postgres::start_own() else { return };
    let Some(pooler) = Pooler::start(&postgres) else { return };
    // Statements of another program, under the names that the library gives to its own, and what it set in its sessions.
    let stranger = connect(pooler.url()).await;
    for number in 0..40 {
        let named = format!("PREPARE s{number} AS SELECT $1::text, $2::text, 0.0::float8");
        // One of two connections has each, or both.
        let _ = stranger.batch_execute(&named).await;
        let _ = stranger.batch_execute(&named).await;
    }
    let stores = [pooler.url(), pooler.url()].map(|url| PostgresStore::new(url).unwrap());
    for store in &stores {
        store.check().await.unwrap();
    }
    let stores = stores.map(|store| Arc::new(store) as Arc<dyn DedupeStore>);
    race::every_delivery_is_done_once(&stores, 25).await;
    for store in stores {
        dedupe_store_conformance(store).await;
    }
    // No session of the pool has other settings now than the server's.
    for (setting, value) in [("statement_timeout", "0"), ("synchronous_commit", "on")].repeat(4) {
        let left = stranger.simple_query(&format!("SHOW {setting}")).await.unwrap();
        let row = left.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        assert_eq!(row, Some(value));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_adds_no_entry_to_an_index() {
    let Some(postgres) = Postgres::start_own() else { return };
    // The index of an earlier version.
    let earlier =
        "DROP INDEX kiket_dedupe_begun_at; CREATE INDEX kiket_dedupe_expires_at ON kiket_dedupe (expires_at)";
    postgres.execute(&format!("{}{earlier}", PostgresStore::TABLE)).await;
    let store = postgres.store();
    store.check().await.unwrap();
    let columns = "SELECT count(*) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indexrelid \
                   WHERE i.indrelid = 'kiket_dedupe'::regclass AND a.attname";
    let changing = postgres.number(&format!("{columns} NOT IN ('key', 'begun_at')")).await;
    assert_eq!((postgres.number(&format!("{columns} = 'begun_at'")).await, changing), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_read_only_is_used_again() {
    let Some(postgres) = Postgres::start_own() else { return };
    let store = postgres.store();
    store.check().await.unwrap();
    let read_only = async |on: &str| {
        let database = format!("ALTER DATABASE postgres SET default_transaction_read_only = {on}");
        postgres.execute(&format!("BEGIN READ WRITE; {database}; COMMIT")).await;
    };
    read_only("on").await;
    let cut =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'kiket'";
    assert!(postgres.number(cut).await > 0);
    // Several connections, each of which is read-only for as long as it lives.
    let keys: Vec<_> = (0..8).map(|number| DedupeKey::new("read-only", &number.to_string())).collect();
    let (first, second) = tokio::join!(store.begin(&keys[0], LEASE), store.begin(&keys[1], LEASE));
    for error in [first.unwrap_err(), second.unwrap_err(), store.check().await.unwrap_err()] {
        assert!(error.to_string().starts_with("PostgreSQL is read-only; write the address"), "{error}");
    }
    read_only("off").await;
    for key in &keys {
        assert!(matches!(store.begin(key, LEASE).await.unwrap(), BeginOutcome::Leased(_)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_does_not_outlive_its_timeout() {
    let Some(postgres) = Postgres::start_own() else { return };
    let store = postgres.store();
    store.check().await.unwrap();
    let blocker = connect(postgres.url()).await;
    blocker.batch_execute("BEGIN; LOCK TABLE kiket_dedupe").await.unwrap();
    let key = DedupeKey::new("blocked", "id:1");
    let error = store.begin(&key, LEASE).await.unwrap_err();
    assert!(error.to_string().starts_with("PostgreSQL did not respond within 3 s"), "{error}");
    assert_eq!(error.kind(), StoreErrorKind::Unreachable);
    // It waits for the lock no more, though that is still held.
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'kiket' AND state = 'active'";
    let cancelled = async { while postgres.number(waits).await > 0 {} };
    tokio::time::timeout(LEASE, cancelled).await.expect("it is cancelled");
    blocker.batch_execute("ROLLBACK").await.unwrap();
    assert!(matches!(store.begin(&key, LEASE).await.unwrap(), BeginOutcome::Leased(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn advice_fits_the_refusal() {
    let Some(postgres) = Postgres::start_own() else { return };
    let check = async |url: String, advice: &str| {
        let error = PostgresStore::new(&url).unwrap().check().await.unwrap_err();
        assert!(error.to_string().contains(advice), "{error:?}");
    };
    check(postgres.url().replace("kiket@", "stranger:canary@"), "has the user and the password").await;
    check(postgres.url().replace("/postgres?", "/absent?"), "ends in its name").await;
    postgres.execute("CREATE TABLE kiket_dedupe (key text)").await;
    check(postgres.url().to_owned(), "compare it with `PostgresStore::TABLE`").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_servers_the_one_to_write_to_is_used() {
    let (Some(replica), Some(primary)) = (Postgres::start_own(), Postgres::start_own()) else { return };
    replica.execute("ALTER DATABASE postgres SET default_transaction_read_only = on").await;
    let folder = |postgres: &Postgres| postgres.url().split("host=").nth(1).unwrap().to_owned();
    let url = format!("{}&host={}", replica.url(), folder(&primary));
    PostgresStore::new(&url).unwrap().check().await.unwrap();
    assert_eq!(primary.count("kiket.check").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_the_hash_of_its_request_is_read() {
    let Some(postgres) = Postgres::start_own() else { return };
    let (store, key) = (postgres.store(), DedupeKey::new("hash", "id:1"));
    let BeginOutcome::Leased(token) = store.begin(&key, LEASE).await.unwrap() else {
        panic!("it is the first")
    };
    let reply = StoredReply::new(StatusCode::OK, "1").with_request_hash(NonZeroU64::new(9));
    for _ in 0..2 {
        assert_eq!(store.commit(&key, &token, &reply, LEASE).await.unwrap(), LeaseState::Held);
    }
    assert_eq!(store.release(&key, &token).await.unwrap(), LeaseState::Lost);
    assert_eq!(store.begin(&key, LEASE).await.unwrap(), BeginOutcome::Done(reply.clone()));
    // As an earlier version wrote it.
    postgres.execute("UPDATE kiket_dedupe SET token = split_part(token, ':', 1)").await;
    let without = BeginOutcome::Done(reply.with_request_hash(None));
    assert_eq!(store.begin(&key, LEASE).await.unwrap(), without);
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_prepared_in_sessions_only() {
    let Some(postgres) = Postgres::start_own() else { return };
    let Some(pooler) = Pooler::start(&postgres) else { return };
    let count = "SELECT count(*) FROM pg_prepared_statements";
    let store = PostgresStore::new(pooler.url()).unwrap();
    let through = connect(pooler.url()).await;
    for number in 0..20 {
        store.begin(&DedupeKey::new("pooled", &number.to_string()), LEASE).await.unwrap();
        let found = through.simple_query(count).await.unwrap();
        let row = found.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        assert_eq!(row, Some("0"));
    }
    // A table that changes outdates the plans of the sessions; a program that discards them loses them.
    let direct = postgres.store();
    let begin = async |name: &str| {
        let begun = direct.begin(&DedupeKey::new("direct", name), LEASE).await.unwrap();
        assert!(matches!(begun, BeginOutcome::Leased(_)), "{begun:?}");
    };
    begin("before").await;
    postgres.execute("ALTER TABLE kiket_dedupe ALTER COLUMN token TYPE varchar").await;
    begin("after").await;
}
