//! The store in PostgreSQL.

use std::{sync::Arc, time::Duration};

use kiket::{
    StatusCode,
    dedupe::{BeginOutcome, DedupeKey, DedupeStore, LeaseState, PostgresStore, StoredReply},
    testing::dedupe_store_conformance,
};
use stores::{Postgres, TestedStore};

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
async fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://u:canary@{}/db?sslmode=disable", silent.local_addr().unwrap());
    let error =
        PostgresStore::new(&url).unwrap().begin(&DedupeKey::new("silent", ""), LEASE).await.unwrap_err();
    assert!(error.to_string().starts_with("PostgreSQL "), "{error}");
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}
