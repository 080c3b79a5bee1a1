//! The store in PostgreSQL: a row for each delivery, a statement for each operation.

use std::{
    error::Error,
    fmt,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use bytes::BytesMut;
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime};
use tokio_postgres::{
    Config, NoTls, Row,
    config::{Host, SslMode},
    error::SqlState,
    types::{IsNull, ToSql, Type, to_sql_checked},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::thread::{OPERATION, StoreThread};
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
/// `sslmode=require` in the URL is TLS, with the certificates of the operating system. It is the same as `verify-full`: the
/// certificate and its name are always verified.
pub struct PostgresStore {
    pool: Pool,
    thread: StoreThread,
    /// The number of begun deliveries, to know when to delete.
    begun: AtomicU32,
}

/// The timeout of connecting.
const CONNECT: Duration = Duration::from_secs(2);
/// The attempts at an operation whose connection is lost, or whose table is absent.
const TRIES: usize = 3;
/// The size of the pool: more connections than such small statements make busy.
const CONNECTIONS: usize = 8;
/// The timeouts of the server: no statement outlives its caller.
const LIMITS: &str = "SET statement_timeout = '2500ms'; SET lock_timeout = '2500ms'";
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
        config.connect_timeout(CONNECT);
        let recycled = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = if uses_tls(&config) {
            Manager::from_config(config, tls(), recycled)
        } else {
            Manager::from_config(config, NoTls, recycled)
        };
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(OPERATION))
            .create_timeout(Some(CONNECT))
            .recycle_timeout(Some(CONNECT))
            .post_create(Hook::async_fn(|client, _| {
                Box::pin(async move { client.batch_execute(LIMITS).await.map_err(HookError::Backend) })
            }))
            .build()
            .map_err(|error| StoreError::new("the connections of the store cannot be made").because(error))?;
        Ok(Self { pool, thread, begun: AtomicU32::new(0) })
    }

    /// Runs an operation in the store's thread, with a timeout. It is retried while its connection is lost; an absent table is
    /// created.
    async fn step<T, Tried>(&self, step: impl Fn(Pool) -> Tried + Send + 'static) -> Result<T, StoreError>
    where
        T: Send + 'static,
        Tried: Future<Output = Result<T, PoolError>> + Send,
    {
        let pool = self.pool.clone();
        let tried = async move {
            let mut tries = 1;
            loop {
                match step(pool.clone()).await {
                    Err(error) if tries < TRIES && is_table_missing(&error) => {
                        create_table(&pool).await.map_err(unreachable)?;
                    }
                    Err(error) if tries < TRIES && is_temporary(&error) => {}
                    result => return result.map_err(unreachable),
                }
                tries += 1;
            }
        };
        self.thread.run("PostgreSQL", tried).await
    }

    /// Deletes expired rows in the background, if it is time.
    fn delete_expired(&self) {
        if self.begun.fetch_add(1, Ordering::Relaxed) % DELETED_EVERY == DELETED_EVERY - 1 {
            let pool = self.pool.clone();
            self.thread.later(async move {
                if let Err(error) = execute(&pool, DELETE, &[]).await {
                    tracing::debug!(error = ?unreachable(error), "expired deliveries are not deleted yet");
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
            let row = self.step(move |pool| {
                let key = key.clone();
                async move {
                    let client = pool.get().await?;
                    let statement = client.prepare_cached(BEGIN).await?;
                    let seconds = countable(lease).as_secs_f64();
                    Ok(client.query_one(&statement, &[&key.as_str(), &token.to_string(), &seconds]).await?)
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
            let rows = self.step(move |pool| {
                let (key, reply) = (key.clone(), reply.clone());
                async move {
                    let status = i32::from(reply.status().as_u16());
                    let (retry, seconds) = (reply.retry_seconds(), countable(retention).as_secs_f64());
                    let (token, body) = (token.to_string(), Confidential(reply.body()));
                    execute(&pool, COMMIT, &[&key.as_str(), &token, &status, &retry, &body, &seconds]).await
                }
            });
            Ok(ownership(rows.await?))
        })
    }

    fn release<'s>(&'s self, key: &'s DedupeKey, token: &'s LeaseToken) -> StoreFuture<'s, LeaseState> {
        let (key, token) = (key.clone(), *token);
        Box::pin(async move {
            let rows = self.step(move |pool| {
                let key = key.clone();
                async move { execute(&pool, RELEASE, &[&key.as_str(), &token.to_string()]).await }
            });
            Ok(ownership(rows.await?))
        })
    }

    /// Connects, and creates the table if it is absent.
    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.step(|pool| async move {
            let client = pool.get().await?;
            let row = client.query_one("SELECT to_regclass('kiket_dedupe') IS NOT NULL", &[]).await?;
            drop(client);
            if row.try_get(0)? { Ok(()) } else { create_table(&pool).await }
        }))
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

async fn execute(pool: &Pool, statement: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, PoolError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(statement).await?;
    Ok(client.execute(&statement, values).await?)
}

async fn create_table(pool: &Pool) -> Result<(), PoolError> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    transaction.batch_execute(LOCK).await?;
    transaction.batch_execute(PostgresStore::TABLE).await?;
    Ok(transaction.commit().await?)
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
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => Some(error),
        _ => None,
    }
}

fn is_table_missing(error: &PoolError) -> bool {
    database(error).and_then(tokio_postgres::Error::code) == Some(&SqlState::UNDEFINED_TABLE)
}

/// Whether a retry may succeed: the server shuts down, or aborted the transaction in favour of another.
fn is_temporary(error: &PoolError) -> bool {
    let Some(error) = database(error) else { return false };
    let temporary = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ];
    error.is_closed() || error.code().is_some_and(|code| temporary.contains(code))
}

fn unreachable(error: PoolError) -> StoreError {
    let code = database(&error).and_then(tokio_postgres::Error::code);
    let (what, mend) = match code {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => (
            "PostgreSQL does not let the user use, or make, the table `kiket_dedupe`",
            "run `PostgresStore::TABLE` as a user who may, and grant SELECT, INSERT, UPDATE and DELETE",
        ),
        Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => (
            "PostgreSQL does not let the user in",
            "see that `KIKET_DEDUPE_URL` has the user and the password",
        ),
        Some(&SqlState::UNDEFINED_TABLE) => {
            ("PostgreSQL has no table `kiket_dedupe`", "see that nothing drops it")
        }
        Some(_) => ("PostgreSQL refuses", "see its log"),
        None => {
            ("PostgreSQL cannot be reached", "see that it runs, and that `KIKET_DEDUPE_URL` is its address")
        }
    };
    let failed = StoreError::new(what).mend(mend);
    match error {
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
            failed.because(error)
        }
        error => failed.because(error),
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
    fn the_driver_cannot_log_the_body_of_a_reply() {
        let body = Confidential(b"canary");
        let value: &(dyn ToSql + Sync) = &body;
        assert_eq!(format!("{value:?}"), "6 bytes");
        let mut sent = BytesMut::new();
        assert!(matches!(value.to_sql_checked(&Type::BYTEA, &mut sent), Ok(IsNull::No)));
        assert_eq!(sent, &b"canary"[..]);
    }

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
    fn nothing_shows_a_password() {
        let store = PostgresStore::new("postgres://user:canary@localhost/db?sslmode=disable").unwrap();
        assert!(!format!("{store:?}").contains("canary"));
    }
}
