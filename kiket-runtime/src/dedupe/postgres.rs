//! The store in PostgreSQL: a row for each delivery, a statement for each operation.

use std::{
    error::Error,
    fmt,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use bytes::BytesMut;
use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use tokio_postgres::{
    Config, NoTls, Row,
    config::{Host, SslMode, TargetSessionAttrs},
    error::SqlState,
    types::{IsNull, ToSql, Type, to_sql_checked},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    probe::probe,
    thread::{OPERATION, StoreThread},
};
use crate::store::{
    BeginOutcome, DedupeKey, DedupeStore, LeaseState, LeaseToken, StoreError, StoreFuture, StoredReply,
    countable,
};

/// The store in PostgreSQL 12 or later, for all processes that share the database.
///
/// Each delivery is a row of the table `kiket_dedupe`. The store creates the table at the start if it is absent; you can
/// create it by hand from [`PostgresStore::TABLE`]. Each operation is one statement, and time is the server's.
/// [`begin`](DedupeStore::begin) deletes expired rows from time to time.
///
/// It needs no session: no prepared statement, no `SET`, no lock outside a transaction. So it works behind a pooler that gives
/// each transaction another connection, like `PgBouncer` with `pool_mode = transaction`. A connection that turns out to lead to a
/// replica, or to a server that shuts down, is closed with all idle ones, and the operation is retried on a new one; no
/// connection is used for more than five minutes. `postgres://user@first,second/name` names several servers, of which the one
/// that can be written to is used.
///
/// `sslmode=require` in the URL is TLS, with the certificates of the operating system. It is the same as `verify-full`: the
/// certificate and its name are always verified.
pub struct PostgresStore {
    connections: Connections,
    thread: StoreThread,
    /// The number of begun deliveries, to know when to delete.
    begun: AtomicU32,
}

/// The timeout of connecting.
const CONNECT: Duration = Duration::from_secs(2);
/// The attempts at an operation whose connection is lost or leads to a wrong server, or whose table is absent.
const TRIES: usize = 3;
/// The size of the pool: more connections than such small statements make busy.
const CONNECTIONS: usize = 8;
/// The greatest age of a connection: after a failover, an old one may lead to a server that takes no part any more.
const OLDEST: Duration = Duration::from_secs(300);
/// After so many deliveries, expired rows are deleted: up to 256, more than were added.
const DELETED_EVERY: u32 = 64;

/// Returns one row in every case: a row with a lease or a reply is updated to its own values. `excluded.begun_at` is the time
/// of the statement, read once, so that all conditions see the same time.
const BEGIN: &str = "
INSERT INTO kiket_dedupe AS d (key, token, begun_at, expires_at)
SELECT $1, $2, now.now, now.now + make_interval(secs => $3) FROM (SELECT clock_timestamp() AS now) AS now
ON CONFLICT (key) DO UPDATE SET
  token = CASE WHEN d.expires_at <= excluded.begun_at THEN excluded.token ELSE d.token END,
  begun_at = CASE WHEN d.expires_at <= excluded.begun_at THEN excluded.begun_at ELSE d.begun_at END,
  expires_at = CASE WHEN d.expires_at <= excluded.begun_at THEN excluded.expires_at ELSE d.expires_at END,
  status = CASE WHEN d.expires_at > excluded.begun_at THEN d.status END,
  retry_after = CASE WHEN d.expires_at > excluded.begun_at THEN d.retry_after END,
  body = CASE WHEN d.expires_at > excluded.begun_at THEN d.body END
RETURNING token, status, retry_after, body,
  (extract(epoch FROM expires_at - clock_timestamp()) * 1000)::bigint AS remaining";

/// A stored reply does not change.
const COMMIT: &str = "
UPDATE kiket_dedupe SET
  status = coalesce(status, $3),
  retry_after = coalesce(retry_after, $4),
  body = coalesce(body, $5),
  expires_at = CASE WHEN status IS NULL THEN clock_timestamp() + make_interval(secs => $6) ELSE expires_at END
WHERE key = $1 AND token = $2 AND expires_at > clock_timestamp()";

const RELEASE: &str = "
DELETE FROM kiket_dedupe
WHERE key = $1 AND token = $2 AND status IS NULL AND expires_at > clock_timestamp()";

/// Locked rows are skipped.
const DELETE: &str = "
DELETE FROM kiket_dedupe WHERE key IN (
  SELECT key FROM kiket_dedupe WHERE expires_at <= clock_timestamp()
  ORDER BY expires_at LIMIT 256 FOR UPDATE SKIP LOCKED)";

/// `kiket de`, as two numbers: one process at a time creates the table.
const LOCK: &str = "SELECT pg_advisory_xact_lock(1802070891, 1948280165)";

impl PostgresStore {
    /// The SQL that creates the table. Run it yourself if the user of the extension may not create tables.
    pub const TABLE: &str = include_str!("postgres.sql");

    /// The store at `postgres://user:password@host:5432/name`. It connects when it is first used, or in
    /// [`check`](DedupeStore::check).
    ///
    /// # Errors
    ///
    /// When it is not such a URL; the error does not show it.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let thread = StoreThread::start("kiket-postgres")?;
        let url = url.replace("sslmode=verify-full", "sslmode=require");
        // The library's own error may show a part of the URL.
        let mut config = url.parse::<Config>().map_err(|_| {
            StoreError::new("the address of the PostgreSQL store cannot be read").mend(
                "write it like `postgres://user:password@host:5432/name`, with `%40` for an `@` in the password",
            )
        })?;
        if config.get_application_name().is_none() {
            config.application_name("kiket");
        }
        if config.get_hosts().len() > 1 && config.get_target_session_attrs() == TargetSessionAttrs::Any {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        config.connect_timeout(CONNECT);
        let connections = Connections::new(config)
            .map_err(|error| StoreError::new("the connections of the store cannot be made").because(error))?;
        Ok(Self { connections, thread, begun: AtomicU32::new(0) })
    }

    /// Runs an operation in the store's thread, with a timeout. It is retried on a new connection where that may help; an absent
    /// table is created.
    async fn step<T, Tried>(
        &self,
        step: impl Fn(Connections) -> Tried + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        Tried: Future<Output = Result<T, PoolError>> + Send,
    {
        let connections = self.connections.clone();
        let tried = async move {
            let mut tries = 1;
            loop {
                match step(connections.clone()).await {
                    Err(error) if tries < TRIES && code(&error) == Some(&SqlState::UNDEFINED_TABLE) => {
                        connections.create_table().await.map_err(failed)?;
                    }
                    Err(error) if tries < TRIES && is_stale(&error) => connections.close_idle(),
                    Err(error) if tries < TRIES && is_conflict(&error) => {}
                    result => return result.map_err(failed),
                }
                tries += 1;
            }
        };
        self.thread.run("PostgreSQL", tried).await
    }

    /// Deletes expired rows in the background, if it is time.
    fn delete_expired(&self) {
        if self.begun.fetch_add(1, Ordering::Relaxed) % DELETED_EVERY == DELETED_EVERY - 1 {
            let connections = self.connections.clone();
            self.thread.later(async move {
                if let Err(error) = connections.execute(DELETE, &[]).await {
                    tracing::debug!(error = ?failed(error), "expired deliveries are not deleted yet");
                }
            });
        }
    }
}

impl DedupeStore for PostgresStore {
    fn begin<'s>(&'s self, key: &'s DedupeKey, lease: Duration) -> StoreFuture<'s, BeginOutcome> {
        let (key, token) = (key.clone(), LeaseToken::unique());
        self.delete_expired();
        Box::pin(async move {
            let row = self.step(move |connections| {
                let key = key.clone();
                async move {
                    let (owner, seconds) = (token.to_string(), countable(lease).as_secs_f64());
                    connections
                        .one(
                            BEGIN,
                            &[(&key.as_str(), Type::TEXT), (&owner, Type::TEXT), (&seconds, Type::FLOAT8)],
                        )
                        .await
                }
            });
            read(&row.await?, token).unwrap_or_else(|error| Err(unknown().because(error)))
        })
    }

    fn commit<'s>(
        &'s self,
        key: &'s DedupeKey,
        token: &'s LeaseToken,
        reply: &'s StoredReply,
        retention: Duration,
    ) -> StoreFuture<'s, LeaseState> {
        let (key, token, reply) = (key.clone(), *token, reply.clone());
        Box::pin(async move {
            let rows = self.step(move |connections| {
                let (key, reply) = (key.clone(), reply.clone());
                async move {
                    let status = i32::from(reply.status().as_u16());
                    let (retry, seconds) = (reply.retry_seconds(), countable(retention).as_secs_f64());
                    let (token, body) = (token.to_string(), Confidential(reply.body()));
                    let values: [(&(dyn ToSql + Sync), Type); 6] = [
                        (&key.as_str(), Type::TEXT),
                        (&token, Type::TEXT),
                        (&status, Type::INT4),
                        (&retry, Type::INT8),
                        (&body, Type::BYTEA),
                        (&seconds, Type::FLOAT8),
                    ];
                    connections.execute(COMMIT, &values).await
                }
            });
            Ok(ownership(rows.await?))
        })
    }

    fn release<'s>(&'s self, key: &'s DedupeKey, token: &'s LeaseToken) -> StoreFuture<'s, LeaseState> {
        let (key, token) = (key.clone(), *token);
        Box::pin(async move {
            let rows = self.step(move |connections| {
                let key = key.clone();
                async move {
                    let owner = token.to_string();
                    connections.execute(RELEASE, &[(&key.as_str(), Type::TEXT), (&owner, Type::TEXT)]).await
                }
            });
            Ok(ownership(rows.await?))
        })
    }

    /// Connects, creates the table if it is absent, and runs every operation once.
    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(async {
            let table = self.step(|connections| async move {
                let found = connections.one("SELECT to_regclass('kiket_dedupe') IS NOT NULL", &[]).await?;
                if found.try_get(0)? { Ok(()) } else { connections.create_table().await }
            });
            table.await?;
            probe(self).await
        })
    }
}

/// The body of a reply. The driver logs the values of statements.
struct Confidential<'b>(&'b [u8]);

impl fmt::Debug for Confidential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl ToSql for Confidential<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <&[u8] as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

/// The pool of connections. A statement is sent with its values in one message, and has no name on the server.
#[derive(Clone)]
struct Connections {
    pool: Pool,
    tls: Option<MakeRustlsConnect>,
}

type Values<'v> = &'v [(&'v (dyn ToSql + Sync), Type)];

impl Connections {
    fn new(config: Config) -> Result<Self, impl std::error::Error> {
        let recycled = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let tls = uses_tls(&config).then(tls);
        let manager = match tls.clone() {
            Some(tls) => Manager::from_config(config, tls, recycled),
            None => Manager::from_config(config, NoTls, recycled),
        };
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(OPERATION))
            .create_timeout(Some(CONNECT))
            .recycle_timeout(Some(CONNECT))
            .pre_recycle(Hook::sync_fn(|_, metrics| recent(metrics.age())))
            .build();
        pool.map(|pool| Self { pool, tls })
    }

    async fn lend(&self) -> Result<Lent, PoolError> {
        Ok(Lent { client: Some(self.pool.get().await?), connections: self.clone() })
    }

    async fn one(&self, statement: &str, values: Values<'_>) -> Result<Row, PoolError> {
        let mut lent = self.lend().await?;
        let row = lent.client()?.query_typed_one(statement, values).await;
        lent.give_back();
        Ok(row?)
    }

    async fn execute(&self, statement: &str, values: Values<'_>) -> Result<u64, PoolError> {
        let mut lent = self.lend().await?;
        let rows = lent.client()?.execute_typed(statement, values).await;
        lent.give_back();
        Ok(rows?)
    }

    async fn create_table(&self) -> Result<(), PoolError> {
        let mut lent = self.lend().await?;
        let made = async {
            let transaction = lent.client()?.transaction().await?;
            transaction.batch_execute(LOCK).await?;
            transaction.batch_execute(PostgresStore::TABLE).await?;
            Ok(transaction.commit().await?)
        };
        let made = made.await;
        lent.give_back();
        made
    }

    fn close_idle(&self) {
        self.pool.retain(|_, _| false);
    }
}

/// A connection in use. If its operation is dropped, at its timeout, it is closed: another operation would wait for the
/// response of that one. The server is asked to cancel the statement, so that none outlives its caller for long.
struct Lent {
    client: Option<Object>,
    connections: Connections,
}

impl Lent {
    fn client(&mut self) -> Result<&mut Object, PoolError> {
        self.client.as_mut().ok_or(PoolError::Closed)
    }

    fn give_back(mut self) {
        self.client = None;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let (Some(client), Ok(runtime)) = (self.client.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let (cancel, tls) = (Object::take(client).cancel_token(), self.connections.tls.take());
        // The idle ones may lead to the same server, which does not respond.
        self.connections.close_idle();
        runtime.spawn(tokio::time::timeout(CONNECT, async move {
            let _ = match tls {
                Some(tls) => cancel.cancel_query(tls).await,
                None => cancel.cancel_query(NoTls).await,
            };
        }));
    }
}

fn recent(age: Duration) -> Result<(), HookError> {
    if age < OLDEST { Ok(()) } else { Err(HookError::message("the connection is old")) }
}

fn read(row: &Row, token: LeaseToken) -> Result<Result<BeginOutcome, StoreError>, tokio_postgres::Error> {
    let owner: &str = row.try_get("token")?;
    let Some(status) = row.try_get::<_, Option<i32>>("status")? else {
        if owner.parse() == Ok(token) {
            return Ok(Ok(BeginOutcome::Leased(token)));
        }
        let remaining: i64 = row.try_get("remaining")?;
        return Ok(Ok(BeginOutcome::Running {
            remaining: Duration::from_millis(remaining.max(1).unsigned_abs()),
        }));
    };
    let reply = StoredReply::restore(
        status.into(),
        row.try_get::<_, Option<i64>>("retry_after")?.unwrap_or(-1),
        row.try_get::<_, Option<Vec<u8>>>("body")?.unwrap_or_default(),
    );
    Ok(reply.map(BeginOutcome::Done).ok_or_else(unknown))
}

fn ownership(rows: u64) -> LeaseState {
    if rows == 0 { LeaseState::Lost } else { LeaseState::Held }
}

/// Whether connections use TLS: not on Unix sockets, and not with `sslmode=disable`.
fn uses_tls(config: &Config) -> bool {
    let over_network = config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)));
    config.get_ssl_mode() != SslMode::Disable && (over_network || !config.get_hostaddrs().is_empty())
}

/// TLS with the certificates of the operating system. Without any, every handshake fails, and its error says so.
fn tls() -> MakeRustlsConnect {
    // An installed provider stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    MakeRustlsConnect::new(
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth(),
    )
}

fn database(error: &PoolError) -> Option<&tokio_postgres::Error> {
    match error {
        PoolError::Backend(error) => Some(error),
        _ => None,
    }
}

fn code(error: &PoolError) -> Option<&SqlState> {
    database(error).and_then(tokio_postgres::Error::code)
}

/// Whether a new connection may succeed: this one is lost, or its server shuts down, starts, is a replica now, or has left the
/// connection in a broken transaction.
fn is_stale(error: &PoolError) -> bool {
    let stale = |code: &SqlState| {
        // 08: a connection failed, also that of a pooler; 57P: an operator intervened.
        code.code().starts_with("08")
            || code.code().starts_with("57P")
            || [SqlState::READ_ONLY_SQL_TRANSACTION, SqlState::IN_FAILED_SQL_TRANSACTION].contains(code)
    };
    database(error).is_some_and(|error| error.is_closed() || error.code().is_some_and(stale))
}

/// Whether the server aborted the transaction in favour of another.
fn is_conflict(error: &PoolError) -> bool {
    let conflicts = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
    code(error).is_some_and(|code| conflicts.contains(code))
}

fn failed(error: PoolError) -> StoreError {
    let (what, mend) = advice(code(&error).map(SqlState::code));
    let failed = StoreError::new(what).mend(mend);
    match error {
        PoolError::Backend(error) => failed.because(error),
        error => failed.because(error),
    }
}

/// What a refusal means, and what to do about it, by its SQLSTATE.
fn advice(code: Option<&str>) -> (&'static str, &'static str) {
    let Some(code) = code else {
        return (
            "PostgreSQL cannot be reached",
            "see that it runs, and that `KIKET_DEDUPE_URL` is its address",
        );
    };
    match (code.get(..2).unwrap_or_default(), code) {
        (_, "42501") => (
            "PostgreSQL does not let the user use, or make, the table `kiket_dedupe`",
            "run `PostgresStore::TABLE` as a user who may, and grant SELECT, INSERT, UPDATE and DELETE",
        ),
        ("28", _) => (
            "PostgreSQL does not let the user in",
            "see that `KIKET_DEDUPE_URL` has the user and the password, and that `pg_hba.conf` allows them",
        ),
        (_, "3D000") => ("PostgreSQL has no such database", "see that `KIKET_DEDUPE_URL` ends in its name"),
        (_, "42P01") => ("PostgreSQL has no table `kiket_dedupe`", "see that nothing drops it"),
        ("42", _) => (
            "the table `kiket_dedupe` is not as this version needs it",
            "compare it with `PostgresStore::TABLE`, or give the store a database of its own",
        ),
        (_, "25006") => (
            "PostgreSQL is read-only",
            "write the address of the primary, or of all servers: `postgres://user@first,second/name`",
        ),
        (_, "53300") => (
            "PostgreSQL takes no more connections",
            "raise `max_connections`, put a pooler before it, or run fewer processes: each has up to 8",
        ),
        ("53", _) => ("PostgreSQL is out of disk or memory", "give it more of what its message says"),
        ("08", _) => ("the connection to PostgreSQL fails", "see the log of the server, or of the pooler"),
        (_, "57014" | "55P03") => (
            "PostgreSQL gave the statement up, for it took too long",
            "see what holds locks on the table `kiket_dedupe`, and its `statement_timeout`",
        ),
        ("57", _) => ("PostgreSQL is shutting down or starting", "wait until it runs"),
        _ => ("PostgreSQL refuses", "see its log"),
    }
}

fn unknown() -> StoreError {
    StoreError::unknown_reply("PostgreSQL", "schema")
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_for_the_network() {
        #[track_caller]
        fn check(url: &str, tls: bool) {
            assert_eq!(uses_tls(&url.parse().unwrap()), tls, "{url}");
        }
        check("postgres://host/db", true);
        check("postgres://host/db?sslmode=require", true);
        check("postgres://host/db?sslmode=disable", false);
        check("postgres://user@%2Frun%2Fpostgresql/db", false);
        check("postgres://user@/db?host=/run/postgresql", false);
        assert!(PostgresStore::new("postgres://host/db?sslmode=verify-full").is_ok());
    }

    #[test]
    fn an_old_connection_is_not_used_again() {
        assert!(recent(OLDEST - Duration::from_millis(1)).is_ok());
        assert!(recent(OLDEST).is_err());
    }

    #[test]
    fn advice_is_of_the_refusal() {
        #[track_caller]
        fn check(code: &str, mend: &str) {
            assert!(advice(Some(code)).1.contains(mend), "{code}: {:?}", advice(Some(code)));
        }
        check("28P01", "the password");
        check("28000", "pg_hba.conf");
        check("42501", "grant SELECT");
        check("42703", "PostgresStore::TABLE");
        check("25006", "the primary");
        check("53300", "max_connections");
        check("53100", "more of what");
        check("57P03", "until it runs");
        check("57014", "locks");
        check("08P01", "the pooler");
        check("XX000", "its log");
        assert!(advice(None).0.contains("cannot be reached"));
    }

    #[test]
    fn nothing_shows_a_password() {
        let store = PostgresStore::new("postgres://user:canary@localhost/db?sslmode=disable").unwrap();
        assert!(!format!("{store:?}").contains("canary"));
    }
}
