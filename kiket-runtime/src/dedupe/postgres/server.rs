//! A PostgreSQL as kiket uses it: an address, a thread, connections, and operations that are tried again.

use std::{sync::Arc, time::Duration};

use tokio_postgres::{Config, Row, config::TargetSessionAttrs};

use super::{
    connections::{CONNECT, Connections, PoolError},
    failure::{failed, is_conflict, is_stale, lacks_table},
    param::Param,
    purpose::Purpose,
};
use crate::{
    dedupe::{thread::StoreThread, timeout::OPERATION},
    store::{LeaseState, StoreError, StoreErrorKind},
};

/// The attempts at an operation whose connection is lost or leads to a wrong server, or whose table is absent.
const TRIES: usize = 3;

/// The values of a statement. They are shared by its tries.
pub(crate) type Params = Arc<[Param]>;

/// A server, or several of which one can be written to.
#[derive(Clone)]
pub(crate) struct Server {
    connections: Connections,
    thread: Arc<StoreThread>,
    purpose: &'static Purpose,
    /// The timeout of an operation.
    limit: Duration,
}

impl Server {
    /// The server at `postgres://user:password@host:5432/name`, with at most so many connections.
    ///
    /// # Errors
    ///
    /// When it is not such a URL; the error does not show it.
    pub(crate) fn new(url: &str, purpose: &'static Purpose, most: usize) -> Result<Self, StoreError> {
        let thread = Arc::new(StoreThread::start(purpose.thread)?);
        Self::with(configuration(url)?, thread, purpose, most)
    }

    /// The same server, with connections of its own.
    pub(crate) fn again(&self, most: usize) -> Result<Self, StoreError> {
        let config = Config::clone(&self.connections.config);
        Self::with(config, Arc::clone(&self.thread), self.purpose, most)
    }

    fn with(
        config: Config,
        thread: Arc<StoreThread>,
        purpose: &'static Purpose,
        most: usize,
    ) -> Result<Self, StoreError> {
        let connections = Connections::new(config, purpose, most)
            .map_err(|error| StoreError::new("the connections of the store cannot be made").because(error))?;
        Ok(Self { connections, thread, purpose, limit: OPERATION })
    }

    /// The same server with a timeout of its own: for what reads many rows.
    pub(crate) fn patient(&self, limit: Duration) -> Self {
        Self { limit, ..self.clone() }
    }

    /// The rows of a statement.
    pub(crate) fn all(
        &self,
        statement: &'static str,
        params: impl Into<Params>,
    ) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send + 'static {
        self.step(params.into(), move |connections, params| async move {
            connections.all(statement, &params).await
        })
    }

    /// Runs a statement of the owner of a lease, which changes a row if the lease is held.
    pub(crate) fn owned(
        &self,
        statement: &'static str,
        params: impl Into<Params>,
    ) -> impl Future<Output = Result<LeaseState, StoreError>> + Send + 'static {
        self.step(params.into(), move |connections, params| async move {
            connections.execute(statement, &params).await.map(|rows| LeaseState::held(rows > 0))
        })
    }

    /// Runs an operation in the server's thread, with a timeout. It is retried on a new connection where that may help; absent
    /// tables are created.
    pub(crate) fn step<V, T, Tried>(
        &self,
        values: V,
        step: impl Fn(Connections, V) -> Tried + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static
    where
        V: Clone + Send + 'static,
        T: Send + 'static,
        Tried: Future<Output = Result<T, PoolError>> + Send,
    {
        let (connections, purpose) = (self.connections.clone(), self.purpose);
        let tried = async move {
            let mut tries = 1;
            loop {
                match step(connections.clone(), values.clone()).await {
                    Err(error) if tries < TRIES && lacks_table(&error) => {
                        connections.create_tables().await.map_err(|error| failed(error, purpose))?;
                    }
                    Err(error) if tries < TRIES && is_stale(&error) => connections.close_idle(),
                    Err(error) if tries < TRIES && is_conflict(&error) => {}
                    result => return result.map_err(|error| failed(error, purpose)),
                }
                tries += 1;
            }
        };
        self.thread.run("PostgreSQL", self.limit, tried)
    }

    /// Waits for `work` in the server's thread, for so long. `None` after that.
    #[cfg(feature = "inbox")]
    pub(crate) async fn within<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.thread.run("PostgreSQL", limit, async { Ok(work.await) }).await.ok()
    }

    /// Runs `work` in the background.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.thread.later(work);
    }

    /// Calls `notified` with what is notified on a channel, for as long as the server is used.
    #[cfg(feature = "inbox")]
    pub(crate) fn listen(&self, channel: &'static str, notified: impl Fn(&str) + Send + Sync + 'static) {
        self.thread.later(self.connections.clone().listen(channel, notified));
    }

    /// Host, port and name of the database.
    #[cfg(feature = "inbox")]
    pub(crate) fn database(&self) -> String {
        let config = &self.connections.config;
        format!("{:?} {:?} {:?}", config.get_hosts(), config.get_ports(), config.get_dbname())
    }
}

fn configuration(url: &str) -> Result<Config, StoreError> {
    let url = url.replace("sslmode=verify-full", "sslmode=require");
    // The library's own error may show a part of the URL.
    let mut config = url.parse::<Config>().map_err(|_| {
        let what = "the address of the PostgreSQL store cannot be read";
        StoreError::new(what).with_kind(StoreErrorKind::Refused).mend(
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
    Ok(config)
}
