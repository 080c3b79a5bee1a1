//! The inbox in PostgreSQL: a table of rows, one statement for most operations.

mod rows;
mod statements;
mod texts;
mod usage;
mod wake;
mod work;

pub(crate) use self::work::{finish_within, statements_of};

use std::{any::Any, fmt, sync::Arc, time::Duration};

use futures_util::TryFutureExt as _;

use self::{
    rows::{READING, counted},
    statements::{COUNT, PAUSE, PAUSED, RELEASE, RESUME, WAITS_ALONE},
    texts::{at, millis, read},
    usage::Usage,
    wake::Wake,
};
use super::{
    Acceptance, ClaimRequest, ClaimedWork, Inbox, InboxCount, InboxFilter, InboxRow, NewWork, Now, Redrive,
    Swept, WorkEnd, WorkLease,
};
use crate::{
    dedupe::postgres::{param::params, purpose::Purpose, server::Server, transactions::Transactions},
    store::{LeaseState, StoreError, StoreFuture},
};

/// The inbox in PostgreSQL 12 or later, for all processes that share the database.
///
/// Each delivery is a row of the table `kiket_inbox`. The inbox creates its tables at the start if they are absent, and brings those
/// of an earlier version up to date, one process at a time; you can do that by hand with [`PostgresInbox::SCHEMA`]. Processes of the
/// previous version may go on meanwhile.
///
/// Time is the server's. The inbox needs no session: no `SET`, no lock outside a transaction, and prepared statements only where
/// each connection has a session of its own. So it works behind a pooler that gives each transaction another one, like
/// `PgBouncer` with `pool_mode = transaction`; there, and with `sslmode=require`, other processes are not woken when a row is
/// accepted, and find it when they look, once a second.
///
/// `sslmode=require` in the URL is TLS, with the certificates of the operating system: the certificate and its name are always
/// verified. `postgres://user@first,second/name` names several servers, of which the one that can be written to is used.
pub struct PostgresInbox {
    server: Server,
    usage: Usage,
    wake: Wake,
}

/// The size of the pool. Each connection waits for the disk most of the time, and one flush serves all that wait.
const CONNECTIONS: usize = 16;

/// The most rows of an extension that are not done.
const ROWS: u64 = 2_000_000;

/// The most bytes of an extension's rows that are not done: 8 GiB.
const BYTES: u64 = 8 << 30;

static PURPOSE: Purpose = Purpose {
    thread: "kiket-inbox",
    setting: "KIKET_INBOX_URL",
    table: "kiket_inbox",
    schema_name: "PostgresInbox::SCHEMA",
    schema: PostgresInbox::SCHEMA,
};

impl PostgresInbox {
    /// The SQL that creates the tables, or brings them up to date. Run it yourself, in one transaction, if the user of the extension
    /// may not create tables; it may run again.
    pub const SCHEMA: &str = include_str!("schema.sql");

    /// The inbox at `postgres://user:password@host:5432/name`. It connects when it is first used, or in [`check`](Inbox::check).
    ///
    /// ```
    /// use kiket_runtime::inbox::PostgresInbox;
    ///
    /// assert!(PostgresInbox::new("postgres://kiket:secret@localhost/kiket").is_ok());
    /// assert!(PostgresInbox::new("localhost").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// When it is not such a URL; the error does not show it.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let server = Server::new(url, &PURPOSE, CONNECTIONS)?;
        Ok(Self { server, usage: Usage::new(ROWS, BYTES), wake: Wake::default() })
    }

    /// Sets how many rows and bytes an extension may have in it that are not done; 2,000,000 rows and 8 GiB by default. Deliveries
    /// beyond that are refused with 503. Several processes that accept at once may exceed it by a tenth each.
    #[must_use]
    pub fn limits(mut self, rows: u64, bytes: u64) -> Self {
        self.usage = Usage::new(rows, bytes);
        self
    }
}

impl Inbox for PostgresInbox {
    fn accept<'s>(&'s self, work: &'s NewWork, now: Now) -> StoreFuture<'s, Acceptance> {
        Box::pin(async move {
            if self.usage.is_full(&self.server, &work.space).await {
                let known = work::state(&self.server, work).await?;
                return Ok(known.map_or(Acceptance::Full, Acceptance::Known));
            }
            let accepted = work::accept(&self.server, work, now).await?;
            if let Acceptance::Accepted(_) = accepted {
                self.usage.add(&work.space, work.content.len());
            }
            Ok(accepted)
        })
    }

    fn claim<'s>(&'s self, request: &'s ClaimRequest, now: Now) -> StoreFuture<'s, Vec<ClaimedWork>> {
        Box::pin(work::claim(&self.server, request, now))
    }

    fn waits_alone<'s>(&'s self, request: &'s ClaimRequest, now: Now) -> StoreFuture<'s, bool> {
        let (events, versions) = work::names(request);
        let asking = self.server.all(WAITS_ALONE, params![at(now), &request.space, events, versions]);
        Box::pin(async move {
            let waits = read(&asking.await?, |row| Ok(row.try_get(0)?))?;
            Ok(waits.contains(&true))
        })
    }

    fn renew<'s>(
        &'s self,
        leases: &'s [(WorkLease, Duration)],
        now: Now,
    ) -> StoreFuture<'s, Vec<LeaseState>> {
        Box::pin(work::renew(&self.server, leases, now))
    }

    fn finish<'s>(&'s self, lease: &'s WorkLease, end: &'s WorkEnd, now: Now) -> StoreFuture<'s, LeaseState> {
        Box::pin(work::finish(&self.server, lease, end, now))
    }

    fn release<'s>(&'s self, lease: &'s WorkLease, delay: Duration, now: Now) -> StoreFuture<'s, LeaseState> {
        let params = params![at(now), lease.id.0, lease.token.to_string(), millis(delay)];
        Box::pin(self.server.owned(RELEASE, params))
    }

    fn promote<'s>(&'s self, space: &'s str, now: Now) -> StoreFuture<'s, Swept> {
        Box::pin(rows::promote(&self.server, space, now))
    }

    fn list<'s>(&'s self, filter: &'s InboxFilter) -> StoreFuture<'s, Vec<InboxRow>> {
        Box::pin(rows::list(&self.server, filter))
    }

    fn count<'s>(&'s self, space: &'s str) -> StoreFuture<'s, Vec<InboxCount>> {
        let counting = self.server.patient(READING).all(COUNT, params![space]);
        Box::pin(async move { read(&counting.await?, counted) })
    }

    fn redrive<'s>(&'s self, redrive: &'s Redrive, now: Now) -> StoreFuture<'s, u64> {
        Box::pin(rows::redrive(&self.server, redrive, now))
    }

    fn hurry<'s>(&'s self, filter: &'s InboxFilter, now: Now) -> StoreFuture<'s, u64> {
        Box::pin(rows::hurry(&self.server, filter, now))
    }

    fn drop_rows<'s>(&'s self, filter: &'s InboxFilter, _: Now) -> StoreFuture<'s, u64> {
        Box::pin(rows::remove(&self.server, filter, false))
    }

    fn forget<'s>(&'s self, space: &'s str, organisation: &'s str, _: Now) -> StoreFuture<'s, u64> {
        let filter = InboxFilter {
            space: space.to_owned(),
            organisation: Some(organisation.to_owned()),
            ..InboxFilter::default()
        };
        Box::pin(async move { rows::remove(&self.server, &filter, true).await })
    }

    fn pause<'s>(&'s self, space: &'s str, event: &'s str, paused: bool) -> StoreFuture<'s, ()> {
        let statement = if paused { PAUSE } else { RESUME };
        Box::pin(self.server.all(statement, params![space, event]).map_ok(drop))
    }

    fn paused<'s>(&'s self, space: &'s str) -> StoreFuture<'s, Vec<String>> {
        let listing = self.server.all(PAUSED, params![space]);
        Box::pin(async move { read(&listing.await?, |row| Ok(row.try_get(0)?)) })
    }

    fn notify<'s>(&'s self, space: &'s str) -> StoreFuture<'s, ()> {
        Box::pin(self.wake.notify(&self.server, space))
    }

    fn notified<'s>(&'s self, space: &'s str) -> StoreFuture<'s, ()> {
        Box::pin(self.wake.notified(&self.server, space))
    }

    fn transactions(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        Transactions::of(&self.server).ok().map(|transactions| Arc::new(transactions) as _)
    }

    /// Connects, and creates the tables or brings them up to date.
    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(rows::migrate(&self.server))
    }
}

impl fmt::Debug for PostgresInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresInbox").finish_non_exhaustive()
    }
}
