//! The pool of connections to PostgreSQL, which takes no session for granted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

pub(crate) use deadpool_postgres::PoolError;
use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime,
};
use futures_util::TryStreamExt as _;
#[cfg(feature = "inbox")]
use futures_util::future::{join_all, join3};
use tokio::io::AsyncReadExt as _;
use tokio_postgres::{
    Config, IsolationLevel, NoTls, Row, Statement,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    param::{Param, typed},
    purpose::Purpose,
};
use crate::{client::install_tls_provider, dedupe::timeout::OPERATION};

/// The timeout of connecting.
pub(super) const CONNECT: Duration = Duration::from_secs(2);
/// The greatest age of a connection: after a failover, an old one may lead to a server that takes no part any more.
pub(super) const OLDEST: Duration = Duration::from_secs(300);

/// `kiket de`, as two numbers: one process at a time creates the tables.
const LOCK: &str = "SELECT pg_advisory_xact_lock(1802070891, 1948280165)";

/// Whatever the default of the role or of the database is: what waited for a lock has to see what was committed before it got that.
#[cfg(feature = "inbox")]
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// The pool of connections.
#[derive(Clone)]
pub(crate) struct Connections {
    pool: Pool,
    pub(super) tls: Option<MakeRustlsConnect>,
    /// For connections outside of the pool.
    pub(super) config: Arc<Config>,
    sessions: Arc<Sessions>,
    purpose: &'static Purpose,
}

/// Whether connections have sessions of their own, whose prepared statements save half of the server's work. Behind a pooler
/// another program may have given the same name to another statement; there a statement is sent with its values and has no name.
#[derive(Default)]
struct Sessions {
    /// Whether a connection was seen to have one.
    seen: AtomicBool,
    /// Whether a connection was seen to have none. Then none is relied on any more.
    missed: AtomicBool,
}

impl Sessions {
    /// Looks at a new connection: a pooler gives another process id than that of the server behind it.
    async fn look(&self, client: &ClientWrapper) -> Result<(), tokio_postgres::Error> {
        let row = client.query_typed_one("SELECT pg_backend_pid()", &[]).await?;
        let own = process_id(client).await == Some(row.try_get(0)?);
        if own { &self.seen } else { &self.missed }.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn are_own(&self) -> bool {
        self.seen.load(Ordering::Relaxed) && !self.missed.load(Ordering::Relaxed)
    }
}

/// The process id that the connection was given when it was made. The library shows it in a request to cancel only. `None` with
/// `sslmode=require`, for that request would be encrypted.
async fn process_id(client: &ClientWrapper) -> Option<i32> {
    let (ours, mut theirs) = tokio::io::duplex(64);
    client.cancel_token().cancel_query_raw(ours, NoTls).await.ok()?;
    let mut request = Vec::new();
    theirs.read_to_end(&mut request).await.ok()?;
    // Length and code of the request stand before it.
    Some(i32::from_be_bytes(*request.get(8..)?.first_chunk()?))
}

/// A statement of a transaction.
#[cfg(feature = "inbox")]
pub(crate) type Step<'v> = (&'static str, &'v [Param]);

impl Connections {
    pub(crate) fn new(
        config: Config,
        purpose: &'static Purpose,
        most: usize,
    ) -> Result<Self, impl std::error::Error> {
        let shared = Arc::new(config.clone());
        let recycled = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let tls = uses_tls(&config).then(tls);
        let manager = match tls.clone() {
            Some(tls) => Manager::from_config(config, tls, recycled),
            None => Manager::from_config(config, NoTls, recycled),
        };
        let sessions = Arc::<Sessions>::default();
        let looking = Arc::clone(&sessions);
        let pool = Pool::builder(manager)
            .max_size(most)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(OPERATION))
            .create_timeout(Some(CONNECT))
            .recycle_timeout(Some(CONNECT))
            .post_create(Hook::async_fn(move |client, _| {
                let sessions = Arc::clone(&looking);
                Box::pin(async move { sessions.look(client).await.map_err(HookError::Backend) })
            }))
            .pre_recycle(Hook::sync_fn(|_, metrics| recent(metrics.age())))
            .build();
        pool.map(|pool| Self { pool, tls, config: shared, sessions, purpose })
    }

    pub(super) async fn lend(&self) -> Result<Lent, PoolError> {
        Ok(Lent { client: Some(self.pool.get().await?), connections: self.clone() })
    }

    pub(crate) async fn one(&self, statement: &str, params: &[Param]) -> Result<Row, PoolError> {
        self.all(statement, params).await?.pop().ok_or(PoolError::Closed)
    }

    pub(crate) async fn all(&self, statement: &str, params: &[Param]) -> Result<Vec<Row>, PoolError> {
        let mut lent = self.lend().await?;
        let rows = lent.all(statement, params).await;
        lent.give_back();
        rows
    }

    /// Runs statements as one transaction, in one round trip. The rows are in their order.
    #[cfg(feature = "inbox")]
    pub(crate) async fn together(&self, steps: &[Step<'_>]) -> Result<Vec<Vec<Row>>, PoolError> {
        let mut lent = self.lend().await?;
        let rows = lent.together(steps).await;
        lent.give_back();
        rows
    }

    pub(crate) async fn execute(&self, statement: &str, params: &[Param]) -> Result<u64, PoolError> {
        let mut lent = self.lend().await?;
        let rows = lent.execute(statement, params).await;
        lent.give_back();
        rows
    }

    pub(crate) async fn create_tables(&self) -> Result<(), PoolError> {
        let mut lent = self.lend().await?;
        let made = async {
            let begin = lent.client()?.build_transaction().isolation_level(IsolationLevel::ReadCommitted);
            let transaction = begin.start().await?;
            transaction.batch_execute(LOCK).await?;
            transaction.batch_execute(self.purpose.schema).await?;
            Ok(transaction.commit().await?)
        };
        let made = made.await;
        lent.give_back();
        made
    }

    /// Whether connections are seen to have sessions of their own, after one was made.
    #[cfg(feature = "inbox")]
    pub(super) async fn look_for_sessions(&self) -> Result<bool, PoolError> {
        self.lend().await?.give_back();
        Ok(self.sessions.are_own())
    }

    #[cfg(feature = "internals")]
    pub(crate) fn have_sessions(&self) -> bool {
        self.sessions.are_own()
    }

    pub(crate) fn close_idle(&self) {
        self.pool.retain(|_, _| false);
    }
}

/// A connection in use. If its operation is dropped, at its timeout, it is closed: another operation would wait for the
/// response of that one. The server is asked to cancel the statement, so that none outlives its caller for long.
pub(super) struct Lent {
    client: Option<Object>,
    connections: Connections,
}

impl Lent {
    pub(super) fn client(&mut self) -> Result<&mut Object, PoolError> {
        self.client.as_mut().ok_or(PoolError::Closed)
    }

    pub(super) fn shared(&self) -> Result<&Object, PoolError> {
        self.client.as_ref().ok_or(PoolError::Closed)
    }

    async fn all(&mut self, statement: &str, params: &[Param]) -> Result<Vec<Row>, PoolError> {
        let sessions = self.connections.sessions.are_own();
        let client = self.client()?;
        let prepared = prepared(client, sessions, statement, params).await?;
        Ok(rows(client, statement, prepared, params).await?)
    }

    /// The commit of a transaction that has failed rolls it back, so that the connection can be used again.
    #[cfg(feature = "inbox")]
    async fn together(&mut self, steps: &[Step<'_>]) -> Result<Vec<Vec<Row>>, PoolError> {
        let sessions = self.connections.sessions.are_own();
        let client = self.client()?;
        let mut running = Vec::with_capacity(steps.len());
        for (statement, params) in steps {
            running.push((*statement, prepared(client, sessions, statement, params).await?, *params));
        }
        let client = &*client;
        let running = running
            .into_iter()
            .map(|(statement, prepared, params)| rows(client, statement, prepared, params));
        // Each is sent when it is first polled, in this order.
        let (begun, rows, committed) =
            join3(client.batch_execute(BEGIN), join_all(running), client.batch_execute("COMMIT")).await;
        begun?;
        let rows = rows.into_iter().collect::<Result<_, _>>()?;
        committed?;
        Ok(rows)
    }

    /// A statement without values is planned each time: the table may have grown since.
    async fn execute(&mut self, statement: &str, params: &[Param]) -> Result<u64, PoolError> {
        if params.is_empty() || !self.connections.sessions.are_own() {
            return Ok(self.client()?.execute_typed(statement, &typed(params)).await?);
        }
        let client = self.client()?;
        let statement = client.prepare_cached(statement).await?;
        Ok(client.execute_raw(&statement, params).await?)
    }

    pub(super) fn give_back(mut self) {
        self.client = None;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        // The pool must not have it again, wherever this is dropped: it may be in a transaction.
        let (cancel, tls) = (Object::take(client).cancel_token(), self.connections.tls.take());
        // The idle ones may lead to the same server, which does not respond.
        self.connections.close_idle();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(tokio::time::timeout(CONNECT, async move {
            let _ = match tls {
                Some(tls) => cancel.cancel_query(tls).await,
                None => cancel.cancel_query(NoTls).await,
            };
        }));
    }
}

/// The statement, prepared where sessions are the connection's own.
async fn prepared(
    client: &ClientWrapper,
    sessions: bool,
    statement: &str,
    params: &[Param],
) -> Result<Option<Statement>, tokio_postgres::Error> {
    if !sessions {
        return Ok(None);
    }
    let types: Vec<_> = params.iter().map(Param::kind).collect();
    client.prepare_typed_cached(statement, &types).await.map(Some)
}

/// The rows of a statement.
async fn rows(
    client: &ClientWrapper,
    statement: &str,
    prepared: Option<Statement>,
    params: &[Param],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    match prepared {
        Some(prepared) => client.query_raw(&prepared, params).await?.try_collect().await,
        None => client.query_typed(statement, &typed(params)).await,
    }
}

fn recent(age: Duration) -> Result<(), HookError> {
    if age < OLDEST { Ok(()) } else { Err(HookError::message("the connection is old")) }
}

/// Whether connections use TLS: not on Unix sockets, and not with `sslmode=disable`.
fn uses_tls(config: &Config) -> bool {
    let over_network = config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)));
    config.get_ssl_mode() != SslMode::Disable && (over_network || !config.get_hostaddrs().is_empty())
}

/// TLS with the certificates of the operating system. Without any, every handshake fails, and its error says so.
fn tls() -> MakeRustlsConnect {
    install_tls_provider();
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    MakeRustlsConnect::new(
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth(),
    )
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
    }

    #[test]
    fn an_old_connection_is_not_used_again() {
        assert!(recent(OLDEST.saturating_sub(Duration::from_millis(1))).is_ok());
        assert!(recent(OLDEST).is_err());
    }
}
