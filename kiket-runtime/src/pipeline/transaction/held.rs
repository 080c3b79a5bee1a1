//! The transaction of a delivery, and what it ends with.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join;
use tokio::sync::Mutex;

use super::error::TxError;
use crate::{
    dedupe::postgres::{
        COMMIT, commit,
        param::{Param, Statement},
        transactions::{Failure, Open, Transactions},
    },
    delivery::Delivery,
    store::{DedupeKey, LeaseState, LeaseToken, StoreError, StoredReply},
};
#[cfg(feature = "inbox")]
use crate::{
    inbox::postgres::{finish_within, statements_of},
    store::inbox::WorkLease,
    types::Clock,
};

/// The transactions in the database of the deduplication store.
pub(crate) struct ReplyTransactions(pub(crate) Arc<Transactions>);

/// The transactions in the database of the inbox.
#[cfg(feature = "inbox")]
pub(crate) struct RowTransactions(pub(crate) Arc<Transactions>);

/// What a transaction ends with.
pub(crate) enum Owner {
    /// The stored reply of a delivery.
    Reply { key: DedupeKey, token: LeaseToken, retention: Duration },
    /// The row of a `later` delivery, which is done then. The clock may be that of a test.
    #[cfg(feature = "inbox")]
    Row { lease: WorkLease, clock: Clock },
}

/// The transaction of a delivery. Whatever claims the delivery inserts it into the delivery, and ends it after the handler.
pub(crate) struct Held {
    transactions: Arc<Transactions>,
    owner: Owner,
    phase: Mutex<Phase>,
    /// The statements that have begun and not ended: one of a handler that was dropped is among them.
    running: AtomicUsize,
}

enum Phase {
    Unused,
    Open(Arc<Open>),
    Ended,
}

/// The server ends a transaction that is idle for so long after the deadline of its handler.
const IDLE: Duration = Duration::from_secs(1);

impl Held {
    /// Gives the delivery a transaction that ends with `owner`, where the extension has any.
    pub(crate) fn insert(delivery: &Delivery, owner: Owner) {
        let states = &delivery.services().states;
        let transactions = match &owner {
            Owner::Reply { .. } => states.get::<ReplyTransactions>().map(|found| Arc::clone(&found.0)),
            #[cfg(feature = "inbox")]
            Owner::Row { .. } => states.get::<RowTransactions>().map(|found| Arc::clone(&found.0)),
        };
        if let Some(transactions) = transactions {
            let (phase, running) = (Mutex::new(Phase::Unused), AtomicUsize::new(0));
            delivery.insert(Self { transactions, owner, phase, running });
        }
    }

    /// The open transaction; it is opened now, if it was not before.
    pub(super) async fn open(&self, remaining: Duration) -> Result<Arc<Open>, TxError> {
        let mut phase = self.phase.lock().await;
        match &*phase {
            Phase::Open(open) => Ok(Arc::clone(open)),
            Phase::Ended => Err(TxError::ended()),
            Phase::Unused => {
                let open = self.transactions.begin(remaining.saturating_add(IDLE)).await;
                let open = Arc::new(open.map_err(TxError::unavailable)?);
                *phase = Phase::Open(Arc::clone(&open));
                Ok(open)
            }
        }
    }

    /// Counts a statement that runs, until it has ended. It stays counted if it is dropped before.
    pub(super) async fn counted<T>(&self, statement: impl Future<Output = T>) -> T {
        self.running.fetch_add(1, Ordering::Relaxed);
        let ended = statement.await;
        self.running.fetch_sub(1, Ordering::Relaxed);
        ended
    }

    /// Ends the transaction for the handler; `None` if it was never opened.
    async fn end(&self) -> Option<Result<Open, StoreError>> {
        match mem::replace(&mut *self.phase.lock().await, Phase::Ended) {
            Phase::Open(open) => {
                let used = || StoreError::new("a task of the handler still uses its transaction");
                Some(Arc::into_inner(open).ok_or_else(used))
            }
            Phase::Unused | Phase::Ended => None,
        }
    }

    /// Rolls the transaction back, if it was opened.
    pub(crate) async fn roll_back(&self) {
        if let Some(Ok(open)) = self.end().await {
            // A statement that runs is cancelled with its connection.
            if self.running.load(Ordering::Relaxed) == 0 {
                open.roll_back().await;
            }
        }
    }

    /// Commits the transaction with the reply; `None` if it was never opened, and nothing is done. If the lease is lost, and on an
    /// error, it is rolled back; whether it was committed is open where the connection was lost meanwhile.
    pub(crate) async fn commit_reply(&self, reply: &StoredReply) -> Option<Result<LeaseState, StoreError>> {
        let open = match self.end().await? {
            Ok(open) => open,
            Err(error) => return Some(Err(error)),
        };
        let params = self.reply_params(reply);
        let (ending, stored) = join(open.ending(), open.execute(COMMIT, &params)).await;
        let stored = ending.and(stored).map(|rows| rows > 0);
        Some(settle(open, stored).await)
    }

    /// Commits the transaction with the end of the row; as [`commit_reply`](Self::commit_reply).
    #[cfg(feature = "inbox")]
    pub(crate) async fn commit_row(&self) -> Option<Result<LeaseState, StoreError>> {
        let open = match self.end().await? {
            Ok(open) => open,
            Err(error) => return Some(Err(error)),
        };
        let Owner::Row { lease, clock } = &self.owner else { return None };
        let ended = finish_within(&open, lease, clock.virtual_now()).await;
        Some(settle(open, ended).await)
    }

    fn reply_params(&self, reply: &StoredReply) -> Vec<Param> {
        match &self.owner {
            Owner::Reply { key, token, retention } => commit(key, token, reply, *retention).into(),
            #[cfg(feature = "inbox")]
            Owner::Row { .. } => Vec::new(),
        }
    }

    /// The statements that another transaction ends with.
    pub(super) fn statements(&self, reply: &StoredReply) -> Vec<Statement> {
        match &self.owner {
            Owner::Reply { .. } => {
                vec![Statement { sql: COMMIT, params: self.reply_params(reply), rows: Some(1) }]
            }
            #[cfg(feature = "inbox")]
            Owner::Row { lease, clock } => statements_of(lease, clock.virtual_now()).into(),
        }
    }
}

/// Commits what is held, and rolls back what is not.
async fn settle(open: Open, held: Result<bool, Failure>) -> Result<LeaseState, StoreError> {
    let failed =
        |failure| StoreError::new("the transaction of the handler is not committed").because(failure);
    match held {
        Ok(true) => open.commit().await.map(|()| LeaseState::Held).map_err(failed),
        Ok(false) => {
            open.roll_back().await;
            Ok(LeaseState::Lost)
        }
        Err(failure) => {
            open.roll_back().await;
            Err(failed(failure))
        }
    }
}
