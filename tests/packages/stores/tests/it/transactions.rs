//! Transactions that end with the stored reply: effects are counted in a real PostgreSQL.

#![allow(clippy::items_after_statements, reason = "a handler stands where it is delivered to")]
#![allow(clippy::unnecessary_wraps, reason = "the handlers of this file have one form")]
#![allow(clippy::float_cmp, reason = "halves are exact")]

use std::{
    process::Command,
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, SystemTime},
};

use kiket::{
    Context, Extension, ExtensionBuilder, FromDelivery, Handler, HandlerError, Reply, Tx,
    extension::InboxOptions,
    handler::Later,
    inbox::RowState,
    params,
    testing::{DeliveryBuilder, TestExtension, TestResponse, delivery},
    transaction::{Param, Statement, TxError, TxErrorKind},
};
use kiket_runtime::{
    handler::{Registration, spawnable},
    private::{Later as LaterOptions, ScheduleTimes, schedule},
};
use serde_json::{Value, json};
use stores::{Pooler, Postgres, connect};
use tokio::sync::Semaphore;
use tokio_postgres::types::{ToSql, Type};

pub(crate) const EVENT: &str = "issue.created";

/// A PostgreSQL with a table of effects.
pub(crate) async fn postgres() -> Option<Arc<Postgres>> {
    let postgres = Postgres::start_own()?;
    postgres.execute("CREATE TABLE effects (delivery text, note text UNIQUE)").await;
    Some(Arc::new(postgres))
}

pub(crate) async fn effects(postgres: &Postgres) -> i64 {
    postgres.number("SELECT count(*) FROM effects").await
}

pub(crate) fn builder(url: &str) -> ExtensionBuilder {
    let builder = Extension::builder().id("com.example.tx").without_manifest();
    builder.environment([("KIKET_DEDUPE_URL", url)])
}

fn extension(url: &str, handler: Handler) -> TestExtension {
    TestExtension::new(builder(url).handler(handler.timeout(Duration::from_secs(10)))).unwrap()
}

pub(crate) fn issue(id: &str) -> DeliveryBuilder {
    delivery(EVENT, "v1", &json!({ "event": EVENT, "id": id }))
}

pub(crate) async fn insert(tx: &Tx, context: &Context) -> Result<u64, TxError> {
    tx.execute("INSERT INTO effects (delivery) VALUES ($1)", params![context.delivery_key()]).await
}

pub(crate) fn ok<T>(value: T) -> kiket::Result<T> {
    Ok(value)
}

fn is_replayed(response: &TestResponse) -> bool {
    response.headers().get("x-kiket-replayed") == Some("true")
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_reply_are_committed_together() {
    let Some(postgres) = postgres().await else { return };
    let Some(pooler) = Pooler::start(&postgres) else { return };
    for (number, url) in [postgres.url(), pooler.url()].into_iter().enumerate() {
        let handler = Handler::new(EVENT, "v1", async |tx: Tx, context: Context| {
            insert(&tx, &context).await?;
            ok(Reply::json(json!({ "done": context.delivery_key() })))
        });
        let extension = extension(url, handler);
        let id = format!("evt_{number}");
        let first = extension.deliver(issue(&id)).await;
        assert_eq!((first.status(), is_replayed(&first)), (200, false), "{}", first.text());
        let again = extension.deliver(issue(&id)).await;
        assert_eq!((again.status(), is_replayed(&again), again.text()), (200, true, first.text()));
        assert_eq!(effects(&postgres).await, 1 + i64::try_from(number).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_leaves_nothing_and_runs_again() {
    let Some(postgres) = postgres().await else { return };
    static HOW: Mutex<&str> = Mutex::new("");
    let handler = Handler::new(EVENT, "v1", async |tx: Tx, context: Context| {
        insert(&tx, &context).await?;
        let how = *HOW.lock().unwrap();
        match how {
            "error" => Err(HandlerError::retry("later")),
            "permanent" => Err(HandlerError::permanent("never")),
            "panic" => panic!("as it was asked for"),
            "timeout" => {
                // A statement that waits when the deadline comes.
                tx.query("SELECT 1 FROM pg_sleep(60)", params![]).await?;
                Ok(Reply::ok())
            }
            // The transaction has failed, whatever the handler says.
            "ignored" => {
                let error = tx.execute("INSERT INTO nothing VALUES (1)", params![]).await.unwrap_err();
                assert_eq!((error.kind(), error.code()), (TxErrorKind::Refused, Some("42P01")));
                Ok(Reply::ok())
            }
            _ => Ok(Reply::ok()),
        }
    });
    let extension =
        TestExtension::new(builder(postgres.url()).handler(handler.timeout(Duration::from_secs(2)))).unwrap();
    for (how, status) in
        [("error", 500), ("panic", 500), ("timeout", 504), ("ignored", 503), ("permanent", 422)]
    {
        *HOW.lock().unwrap() = how;
        let failed = extension.deliver(issue(how)).await;
        assert_eq!(failed.status(), status, "{how}: {}", failed.text());
        assert_eq!(effects(&postgres).await, 0, "{how}");
        *HOW.lock().unwrap() = "";
        let again = extension.deliver(issue(how)).await;
        // A final error is stored, without the rows.
        let expected = if how == "permanent" { (422, true) } else { (200, false) };
        assert_eq!((again.status(), is_replayed(&again)), expected, "{how}: {}", again.text());
        postgres.execute("DELETE FROM effects").await;
    }
    // None is left open, and the statement at the deadline does not run on.
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'kiket' AND state <> 'idle'";
    let ended = async { while postgres.number(open).await > 0 {} };
    tokio::time::timeout(Duration::from_secs(30), ended).await.expect("they have ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_lease_rolls_the_rows_back() {
    let Some(postgres) = postgres().await else { return };
    static URL: Mutex<String> = Mutex::new(String::new());
    postgres.url().clone_into(&mut URL.lock().unwrap());
    let handler = Handler::new(EVENT, "v1", async |tx: Tx, context: Context| {
        insert(&tx, &context).await?;
        let url = URL.lock().unwrap().clone();
        connect(&url).await.batch_execute("UPDATE kiket_dedupe SET expires_at = clock_timestamp()").await?;
        ok(())
    });
    let extension = extension(postgres.url(), handler);
    let lost = extension.deliver(issue("1")).await;
    assert_eq!((lost.status(), effects(&postgres).await), (503, 0), "{}", lost.text());
    assert!(lost.headers().get("retry-after").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_free_connection_the_response_is_503() {
    let Some(postgres) = postgres().await else { return };
    static OPEN: Semaphore = Semaphore::const_new(0);
    static GO: Semaphore = Semaphore::const_new(0);
    let handler = Handler::new(EVENT, "v1", async |tx: Tx, context: Context| {
        insert(&tx, &context).await?;
        OPEN.add_permits(1);
        drop(GO.acquire().await);
        ok(())
    });
    let extension = extension(postgres.url(), handler);
    let ids: Vec<String> = (0..17).map(|number| number.to_string()).collect();
    let most = async {
        let mut running = Vec::new();
        for id in &ids[..16] {
            running.push(extension.deliver(issue(id)));
        }
        futures_join(running).await
    };
    let refused = async {
        OPEN.acquire_many(16).await.unwrap().forget();
        let refused = extension.deliver(issue(&ids[16])).await;
        GO.add_permits(16);
        refused
    };
    let (done, refused) = tokio::join!(most, refused);
    assert_eq!(refused.status(), 503, "{}", refused.text());
    assert!(refused.headers().get("retry-after").is_some());
    assert!(done.iter().all(|response| response.status() == 200), "{done:?}");
    assert_eq!(effects(&postgres).await, 16);
}

/// All of them at once, in this task.
async fn futures_join<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(move |context| {
        for (future, output) in &mut running {
            if output.is_none()
                && let std::task::Poll::Ready(ended) = future.as_mut().poll(context)
            {
                *output = Some(ended);
            }
        }
        if running.iter().any(|(_, output)| output.is_none()) {
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(running.iter_mut().filter_map(|(_, output)| output.take()).collect())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_cannot_use_it_after_the_handler() {
    let Some(postgres) = postgres().await else { return };
    static GO: Semaphore = Semaphore::const_new(0);
    static ERROR: LazyLock<(tokio::sync::watch::Sender<String>, tokio::sync::watch::Receiver<String>)> =
        LazyLock::new(|| tokio::sync::watch::channel(String::new()));
    let handler = Handler::new(EVENT, "v1", async |tx: Tx, context: Context| {
        insert(&tx, &context).await?;
        tokio::spawn(async move {
            drop(GO.acquire().await);
            let error = tx.execute("DELETE FROM effects", params![]).await.unwrap_err();
            ERROR.0.send_replace(error.to_string());
        });
        ok(())
    });
    let extension = extension(postgres.url(), handler);
    assert_eq!(extension.deliver(issue("1")).await.status(), 200);
    GO.add_permits(1);
    let mut error = ERROR.1.clone();
    assert!(error.wait_for(|error| !error.is_empty()).await.unwrap().contains("has ended"));
    assert_eq!(effects(&postgres).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_every_kind_go_and_come_back() {
    let Some(postgres) = postgres().await else { return };
    let handler = Handler::new(EVENT, "v1", async |tx: Tx| {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let row = tx
            .query_one(
                "SELECT $1 AS a, $2 AS b, $3 AS c, $4 AS d, $5 AS e, $6 AS f, $7 AS g, $8 AS h, $9 AS i, $10 AS j, \
                 $11::uuid::text AS k, $12::text AS l",
                params![
                    true, 1_i16, 2_i32, 3_i64, 1.5_f32, 2.5_f64, "text", vec![0_u8, 255], now, json!({ "a": [1] }),
                    "6f1e2b1a-0000-4000-8000-000000000000", None::<String>
                ],
            )
            .await?;
        assert!(row.get::<bool>("a")? && row.get::<i16>("b")? == 1 && row.get::<i32>("c")? == 2);
        assert!(row.get::<i64>("d")? == 3 && row.get::<f32>("e")? == 1.5 && row.get::<f64>("f")? == 2.5);
        assert_eq!((row.get::<String>("g")?, row.get::<Vec<u8>>("h")?), ("text".to_owned(), vec![0, 255]));
        assert_eq!((row.get::<SystemTime>("i")?, row.get::<Value>("j")?), (now, json!({ "a": [1] })));
        assert!(row.get::<Option<String>>("k")?.is_some() && row.get::<Option<String>>("l")?.is_none());
        assert!(row.get::<String>("l").unwrap_err().to_string().contains("`l`"));
        assert!(row.get::<i64>("g").is_err() && row.get::<i64>("z").is_err() && row.at::<bool>(12).is_err());
        let names = vec!["a".to_owned(), String::new()];
        let lists = "SELECT 'a' = ANY ($1), 3 = ANY ($2), cardinality($3::text[])";
        let lists = tx.query_one(lists, params![names, vec![1_i64, 2], None::<Vec<String>>]).await?;
        assert!(lists.at::<bool>(0)? && !lists.at::<bool>(1)? && lists.at::<Option<i32>>(2)?.is_none());
        assert!(tx.query_opt("SELECT 1 WHERE false", params![]).await?.is_none());
        let several = tx.query_one("VALUES (1), (2)", params![]).await.unwrap_err();
        assert!(several.to_string().contains("several") && several.kind() == TxErrorKind::Mismatch);
        // The server ends it a second after the deadline.
        let idle = "SELECT setting::int8 FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'";
        let idle: i64 = tx.query_one(idle, params![]).await?.at(0)?;
        assert!((1..=11_000).contains(&idle), "{idle}");
        ok(())
    });
    let response = extension(postgres.url(), handler).deliver(issue("1")).await;
    assert_eq!(response.status(), 200, "{}", response.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_library_ends_its_transaction_so() {
    let Some(postgres) = postgres().await else { return };
    static URL: Mutex<String> = Mutex::new(String::new());
    static FAILS: Mutex<bool> = Mutex::new(true);
    postgres.url().clone_into(&mut URL.lock().unwrap());
    let handler = Handler::new(EVENT, "v1", async |tx: Tx, context: Context| {
        let url = URL.lock().unwrap().clone();
        let mut client = connect(&url).await;
        let own = client.transaction().await?;
        own.execute("INSERT INTO effects (delivery) VALUES ($1)", &[&context.delivery_key()]).await?;
        let reply = Reply::json(json!({ "own": true }));
        end(&own, &tx.statements(reply)?).await?;
        if *FAILS.lock().unwrap() {
            return Err(HandlerError::retry("before the commit"));
        }
        own.commit().await?;
        ok(Reply::json(json!({ "own": true })))
    });
    let extension = extension(postgres.url(), handler);
    assert_eq!(extension.deliver(issue("1")).await.status(), 500);
    assert_eq!(effects(&postgres).await, 0);
    *FAILS.lock().unwrap() = false;
    let first = extension.deliver(issue("1")).await;
    assert_eq!((first.status(), first.text()), (200, r#"{"own":true}"#));
    let again = extension.deliver(issue("1")).await;
    assert_eq!((again.text(), is_replayed(&again)), (first.text(), true));
    assert_eq!(effects(&postgres).await, 1);
}

/// Ends a transaction of this library.
async fn end(own: &tokio_postgres::Transaction<'_>, statements: &[Statement]) -> kiket::Result<()> {
    for statement in statements {
        let values: Vec<_> = statement.params.iter().map(text_of).collect();
        let values: Vec<_> =
            values.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect();
        let rows = own.execute_typed(statement.sql, &values).await?;
        if statement.rows.is_some_and(|expected| expected != rows) {
            return Err(HandlerError::retry("the lease is lost"));
        }
    }
    Ok(())
}

type Typed = (Box<dyn ToSql + Sync + Send>, Type);

/// A value as this library has it.
fn text_of(param: &Param) -> Typed {
    match param.clone() {
        Param::Text(value) => (Box::new(value), Type::TEXT),
        Param::Int4(value) => (Box::new(value), Type::INT4),
        Param::Int8(value) => (Box::new(value), Type::INT8),
        Param::Float8(value) => (Box::new(value), Type::FLOAT8),
        Param::Bytea(value) => (Box::new(value.map(|bytes| bytes.to_vec())), Type::BYTEA),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_start_says_where_a_transaction_cannot_end() {
    let takes = || Handler::new(EVENT, "v1", async |_: Tx| {});
    let refused = |builder: ExtensionBuilder, handler: Handler| {
        TestExtension::new(builder.handler(handler)).unwrap_err().to_string()
    };
    let memory = Extension::builder().id("com.example.tx").without_manifest();
    let error = refused(memory, takes());
    assert!(error.contains("takes a `Tx`") && error.contains("`KIKET_DEDUPE_URL`"), "{error}");
    let error = refused(builder("redis://localhost"), takes());
    assert!(error.contains("not in PostgreSQL"), "{error}");
    let error = refused(builder("postgres://localhost/a"), takes().dedupe(false));
    assert!(error.contains("not deduplicated"), "{error}");
    assert!(TestExtension::new(builder("postgres://localhost/a").handler(takes())).is_ok());
    let later = || Handler::new("issue.updated", "v1", async |_: Tx| {}).later(Later::new());
    let inbox = |url: &'static str| {
        builder("postgres://localhost/a")
            .inbox(move |options| options.url(url).without_secrets())
            .handler(takes())
    };
    let error = refused(inbox("sqlite::memory:"), later());
    assert!(error.contains("`KIKET_INBOX_URL`"), "{error}");
    let error = refused(inbox("postgres://localhost/b"), later());
    assert!(error.contains("which is another"), "{error}");
    assert!(TestExtension::new(inbox("postgres://localhost/a").handler(later())).is_ok());
}

#[test]
fn a_schedule_has_its_transaction_in_the_inbox() {
    let started = |url: &'static str| {
        let builder = builder("postgres://localhost/a").handler(nightly());
        TestExtension::new(builder.inbox(move |options| options.url(url).without_secrets()))
    };
    let error = started("sqlite::memory:").unwrap_err().to_string();
    assert!(error.contains("`nightly` takes a `Tx`") && error.contains("`KIKET_INBOX_URL`"), "{error}");
    assert!(started("postgres://localhost/a").is_ok());
}

/// A schedule that takes a transaction, as the attribute registers it.
fn nightly() -> Handler {
    let registration = Registration::new(
        schedule::name("schedule:nightly"),
        kiket::EventVersion::from_static("v1"),
        "nightly",
        <Tx as FromDelivery<'_>>::requirements,
        |delivery| {
            let delivery = delivery.clone();
            Ok(spawnable(async move {
                let tx = Tx::from_delivery(&delivery).await?;
                tx.execute("INSERT INTO effects (delivery) VALUES ('nightly')", []).await?;
                ok(Reply::ok())
            }))
        },
    );
    let times = ScheduleTimes::new(schedule::pattern("0 3 * * *"), "UTC", false);
    (&registration.later(LaterOptions::new()).schedule(times)).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_optional_transaction_is_there_in_postgresql() {
    let Some(postgres) = postgres().await else { return };
    let optional = || {
        Handler::new(EVENT, "v1", async |tx: Option<Tx>, context: Context| {
            if let Some(tx) = &tx {
                insert(tx, &context).await?;
            }
            ok(Reply::json(json!({ "tx": tx.is_some() })))
        })
    };
    let result = || {
        Handler::new(EVENT, "v1", async |tx: Result<Tx, TxError>, context: Context| {
            if let Ok(tx) = &tx {
                insert(tx, &context).await?;
            }
            ok(Reply::json(json!({ "tx": tx.is_ok() })))
        })
    };
    for (count, handler) in [(1, optional()), (2, result())] {
        let extension = extension(postgres.url(), handler);
        let response = extension.deliver(issue(&count.to_string())).await;
        assert_eq!((response.status(), response.json()), (200, json!({ "tx": true })));
        assert_eq!(effects(&postgres).await, count);
    }
    // Elsewhere there is none, and the start says nothing.
    for handler in [optional(), result(), optional().dedupe(false)] {
        let memory = Extension::builder().id("com.example.tx").without_manifest().handler(handler);
        let response = TestExtension::new(memory).unwrap().deliver(issue("1")).await;
        assert_eq!((response.status(), response.json()), (200, json!({ "tx": false })));
    }
    let later = Handler::new(EVENT, "v1", async |tx: Option<Tx>, context: Context| {
        insert(&tx.expect("a transaction"), &context).await?;
        ok(())
    });
    let extension = deferring(postgres.url(), later);
    assert_eq!(extension.deliver(issue("3")).await.status(), 202);
    extension.inbox().run_until_idle().await;
    assert_eq!(effects(&postgres).await, 3);
}

/// Its value is a URL, and whether the handler writes with a `Tx`, or with a connection of its own.
const KILLED: &str = "KIKET_TEST_KILLED";

/// A process that dies in its handler, after the effects; run by the test below.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed() {
    let Ok(killed) = std::env::var(KILLED) else { return };
    let (url, how) = killed.rsplit_once(' ').unwrap();
    if how.starts_with("later") {
        let extension = deferring(url, handler(url, how, true));
        assert_eq!(extension.deliver(issue("killed")).await.status(), 202);
        extension.inbox().run_until_idle().await;
    } else {
        extension(url, handler(url, how, true)).deliver(issue("killed")).await;
    }
    unreachable!("it is dead");
}

/// Has its effect with a `Tx`, or with a connection of its own, and perhaps kills its process then.
fn handler(url: &str, how: &str, dies: bool) -> Handler {
    if how.ends_with("without") {
        return without(url, dies);
    }
    Handler::new(EVENT, "v1", move |tx: Tx, context: Context| async move {
        insert(&tx, &context).await?;
        if dies {
            std::process::abort();
        }
        ok(())
    })
}

/// An extension whose handler is a `later` handler with one lane, on the same database.
pub(crate) fn deferring(url: &str, handler: Handler) -> TestExtension {
    let inbox = |options: InboxOptions| options.url(url).without_secrets();
    let handler = handler.timeout(Duration::from_secs(10)).later(Later::new().lane("lane"));
    TestExtension::new(builder(url).inbox(inbox).handler(handler)).unwrap()
}

fn without(url: &str, dies: bool) -> Handler {
    let url = url.to_owned();
    Handler::new(EVENT, "v1", move |context: Context| {
        let url = url.clone();
        async move {
            let insert = "INSERT INTO effects (delivery) VALUES ($1)";
            connect(&url).await.execute(insert, &[&context.delivery_key()]).await?;
            if dies {
                std::process::abort();
            }
            ok(())
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_doubles_nothing_with_a_transaction() {
    let Some(postgres) = postgres().await else { return };
    for (how, expected) in [("with", 1), ("without", 2), ("later with", 1), ("later without", 2)] {
        let url = format!("{}{}", postgres.url(), "&application_name=kiket");
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "transactions::a_process_that_is_killed", "--nocapture"])
            .env(KILLED, format!("{url} {}", how.replace(' ', "-")))
            .output()
            .unwrap();
        assert!(!child.status.success(), "it is killed");
        if how.starts_with("later") {
            let extension = deferring(&url, handler(&url, how, false));
            let again = extension.deliver(issue("killed")).await;
            assert_eq!((again.status(), is_replayed(&again)), (202, true), "{}", again.text());
            assert!(extension.inbox().run_until_idle().await.is_empty(), "its lease is held");
            extension.clock().advance(Duration::from_secs(31));
            assert_eq!(extension.inbox().run_until_idle().await.len(), 1);
            let rows = extension.inbox().rows().await;
            assert_eq!((rows[0].state, rows[0].attempts), (RowState::Done, 2));
        } else {
            // Its lease ends.
            postgres.execute("UPDATE kiket_dedupe SET expires_at = clock_timestamp()").await;
            let again = extension(&url, handler(&url, how, false)).deliver(issue("killed")).await;
            assert_eq!((again.status(), is_replayed(&again)), (200, false), "{how}: {}", again.text());
        }
        assert_eq!(effects(&postgres).await, expected, "{how}");
        postgres.execute("TRUNCATE effects").await;
        let tables = if how.starts_with("later") { "kiket_inbox" } else { "kiket_dedupe" };
        postgres.execute(&format!("TRUNCATE {tables}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_handler_ends_its_row_with_its_rows() {
    let Some(postgres) = postgres().await else { return };
    static FAILS: Mutex<bool> = Mutex::new(true);
    let handler = Handler::new(EVENT, "v1", async |tx: Tx, context: Context| {
        insert(&tx, &context).await?;
        if *FAILS.lock().unwrap() { Err(HandlerError::retry("later")) } else { Ok(()) }
    });
    let extension = deferring(postgres.url(), handler);
    for id in ["1", "2"] {
        let body = json!({ "event": EVENT, "id": id, "lane": "a" });
        assert_eq!(extension.deliver(delivery(EVENT, "v1", &body)).await.status(), 202);
    }
    let states = async || {
        let rows = extension.inbox().rows().await;
        rows.iter().map(|row| row.state).collect::<Vec<_>>()
    };
    assert_eq!(extension.inbox().run_until_idle().await.len(), 1);
    assert_eq!((effects(&postgres).await, states().await), (0, vec![RowState::Waiting, RowState::Behind]));
    *FAILS.lock().unwrap() = false;
    extension.inbox().run_to_end().await;
    assert_eq!((effects(&postgres).await, states().await), (2, vec![RowState::Done, RowState::Done]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_lease_is_lost_is_rolled_back() {
    let Some(postgres) = postgres().await else { return };
    static URL: Mutex<String> = Mutex::new(String::new());
    postgres.url().clone_into(&mut URL.lock().unwrap());
    let handler = Handler::new(EVENT, "v1", async |tx: Tx, context: Context| {
        insert(&tx, &context).await?;
        let url = URL.lock().unwrap().clone();
        connect(&url).await.batch_execute("UPDATE kiket_inbox SET token = 'another'").await?;
        ok(())
    });
    let extension = deferring(postgres.url(), handler);
    assert_eq!(extension.deliver(issue("1")).await.status(), 202);
    extension.inbox().run_until_idle().await;
    assert_eq!(effects(&postgres).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_library_ends_a_row_so() {
    let Some(postgres) = postgres().await else { return };
    static URL: Mutex<String> = Mutex::new(String::new());
    postgres.url().clone_into(&mut URL.lock().unwrap());
    let handler = Handler::new(EVENT, "v1", async |tx: Tx, context: Context| {
        let url = URL.lock().unwrap().clone();
        let mut client = connect(&url).await;
        let own = client.transaction().await?;
        own.execute("INSERT INTO effects (delivery) VALUES ($1)", &[&context.delivery_key()]).await?;
        end(&own, &tx.statements(())?).await?;
        own.commit().await?;
        ok(())
    });
    let extension = deferring(postgres.url(), handler);
    for id in ["1", "2"] {
        let body = json!({ "event": EVENT, "id": id, "lane": "a" });
        assert_eq!(extension.deliver(delivery(EVENT, "v1", &body)).await.status(), 202);
    }
    assert_eq!(extension.inbox().run_until_idle().await.len(), 2);
    let rows = extension.inbox().rows().await;
    assert!(rows.iter().all(|row| (row.state, row.attempts) == (RowState::Done, 1)), "{rows:?}");
    assert_eq!(effects(&postgres).await, 2);
}
