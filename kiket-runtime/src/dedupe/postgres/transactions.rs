//! Transactions of handlers: connections of their own, each bounded by the deadline of its handler.

use std::{sync::Arc, time::Duration};

use tokio_postgres::{Error, Row};

use super::{
    connections::{Lent, PoolError},
    param::{Param, typed},
    server::Server,
};
use crate::store::StoreError;

/// The most transactions of a process at once.
const CONNECTIONS: usize = 16;

/// The server of the transactions of handlers. It has a pool of its own, so that the store always has connections.
pub(crate) struct Transactions {
    server: Server,
}

impl Transactions {
    /// Those of the server of a store.
    pub(crate) fn of(server: &Server) -> Result<Self, StoreError> {
        Ok(Self { server: server.again(CONNECTIONS)? })
    }

    /// Which database it is: two handlers cannot have one transaction in two of them.
    #[cfg(feature = "inbox")]
    pub(crate) fn database(&self) -> String {
        self.server.database()
    }

    /// Begins a transaction, which the server ends if neither the handler nor kiket does anything in it for so long. It waits a few
    /// seconds for a free connection.
    pub(crate) async fn begin(&self, idle: Duration) -> Result<Open, StoreError> {
        let millis = idle.as_millis().clamp(1, 2_147_483_647);
        let begin: Arc<str> = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL idle_in_transaction_session_timeout = {millis}"
        )
        .into();
        let beginning = self.server.step(begin, |connections, begin| async move {
            let mut lent = connections.lend().await?;
            lent.client()?.batch_execute(&begin).await?;
            Ok(Open(lent))
        });
        beginning.await
    }
}

/// An open transaction. If it is dropped, its connection is closed, and the server rolls it back.
pub(crate) struct Open(Lent);

impl Open {
    /// Runs a statement, which is sent when this is first polled.
    pub(crate) async fn query(&self, statement: &str, params: &[Param]) -> Result<Vec<Row>, Failure> {
        Ok(self.0.shared()?.query_typed(statement, &typed(params)).await?)
    }

    pub(crate) async fn execute(&self, statement: &str, params: &[Param]) -> Result<u64, Failure> {
        Ok(self.0.shared()?.execute_typed(statement, &typed(params)).await?)
    }

    /// Tells the server that the transaction is about to end: what locks the rows that it ends with waits no longer for it than for a
    /// response. Sent when this is first polled.
    pub(crate) async fn ending(&self) -> Result<u64, Failure> {
        self.execute("SET LOCAL idle_in_transaction_session_timeout = 5000", &[]).await
    }

    /// Commits it. An error leaves open whether it is committed.
    pub(crate) async fn commit(mut self) -> Result<(), Failure> {
        self.0.client()?.batch_execute("COMMIT").await?;
        self.0.give_back();
        Ok(())
    }

    pub(crate) async fn roll_back(mut self) {
        if let Ok(client) = self.0.client()
            && client.batch_execute("ROLLBACK").await.is_ok()
        {
            self.0.give_back();
        }
    }
}

/// Why a statement failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Statement(#[from] Error),
    #[error(transparent)]
    Connection(#[from] PoolError),
}
