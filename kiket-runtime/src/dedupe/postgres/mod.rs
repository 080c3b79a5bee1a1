//! The store in PostgreSQL: a row for each delivery, a statement for each operation.

pub(crate) mod connections;
mod failure;
#[cfg(feature = "inbox")]
mod listen;
pub(crate) mod param;
pub(crate) mod purpose;
pub(crate) mod server;
pub(crate) mod transactions;

use std::{
    any::Any,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::Mutex;
use tokio_postgres::Row;

use self::{
    failure::failed,
    param::{Param, params},
    purpose::Purpose,
    server::Server,
    transactions::Transactions,
};
use super::probe::probe;
use crate::{
    error::Chain,
    store::{
        BeginOutcome, DedupeKey, DedupeStore, LeaseState, LeaseToken, StoreError, StoreFuture, StoredReply,
        countable,
    },
};

/// The store in PostgreSQL 12 or later, for all processes that share the database.
///
/// Each delivery is a row of the table `kiket_dedupe`. The store creates the table at the start if it is absent; you can
/// create it by hand from [`PostgresStore::TABLE`]. Each operation is one statement, and time is the server's.
/// [`begin`](DedupeStore::begin) deletes expired rows from time to time.
///
/// It needs no session: no `SET`, no lock outside a transaction, and prepared statements only where each connection has a session
/// of its own. So it works behind a pooler that gives each transaction another one, like `PgBouncer` with
/// `pool_mode = transaction`. A connection that turns out to lead to a
/// replica, or to a server that shuts down, is closed with all idle ones, and the operation is retried on a new one; no
/// connection is used for more than five minutes. `postgres://user@first,second/name` names several servers, of which the one
/// that can be written to is used.
///
/// `sslmode=require` in the URL is TLS, with the certificates of the operating system. It is the same as `verify-full`: the
/// certificate and its name are always verified.
pub struct PostgresStore {
    server: Server,
    /// The number of begun deliveries, to know when to delete.
    begun: AtomicU32,
    /// Up to which time of their beginning rows were looked at, to delete them. It is locked while that runs.
    deleted: Arc<Mutex<SystemTime>>,
}

/// The size of the pool: more connections than such small statements make busy.
const CONNECTIONS: usize = 8;

static PURPOSE: Purpose = Purpose {
    thread: "kiket-postgres",
    setting: "KIKET_DEDUPE_URL",
    table: "kiket_dedupe",
    schema_name: "PostgresStore::TABLE",
    schema: PostgresStore::TABLE,
};

/// After so many deliveries, expired rows are deleted, the oldest first: up to 256, more than were added.
const DELETED_EVERY: u32 = 64;

/// Returns one row in every case: a row with a lease or a reply is updated to its own values. `excluded.begun_at` is the time
/// of the statement, read once, so that all conditions see the same time.
///
/// It does not wait for the disk, by a setting of its transaction alone. PostgreSQL writes its log in order, and a reply waits:
/// with a reply its lease is safe, too. A crash of the server may lose leases of its last 0.6 s without a reply. Such a delivery
/// runs again if its first attempt got no response, as it does where the server stays down longer than a reply can wait.
const BEGIN: &str = "
INSERT INTO kiket_dedupe AS d (key, token, begun_at, expires_at)
SELECT $1, $2, now.now, now.now + make_interval(secs => $3) FROM (
  SELECT clock_timestamp() AS now, set_config('synchronous_commit', 'off', true)) AS now
ON CONFLICT (key) DO UPDATE SET
  token = CASE WHEN d.expires_at <= excluded.begun_at THEN excluded.token ELSE d.token END,
  begun_at = CASE WHEN d.expires_at <= excluded.begun_at THEN excluded.begun_at ELSE d.begun_at END,
  expires_at = CASE WHEN d.expires_at <= excluded.begun_at THEN excluded.expires_at ELSE d.expires_at END,
  status = CASE WHEN d.expires_at > excluded.begun_at THEN d.status END,
  retry_after = CASE WHEN d.expires_at > excluded.begun_at THEN d.retry_after END,
  body = CASE WHEN d.expires_at > excluded.begun_at THEN d.body END
RETURNING token, status, retry_after, body,
  (extract(epoch FROM expires_at - clock_timestamp()) * 1000)::bigint AS remaining";

/// A stored reply does not change. The hash of the request stands after the token, so that tables of earlier versions have room
/// for it, and earlier versions read the rows.
pub(crate) const COMMIT: &str = "
UPDATE kiket_dedupe SET
  token = CASE WHEN status IS NULL THEN token || $7 ELSE token END,
  status = coalesce(status, $3),
  retry_after = coalesce(retry_after, $4),
  body = coalesce(body, $5),
  expires_at = CASE WHEN status IS NULL THEN clock_timestamp() + make_interval(secs => $6) ELSE expires_at END
WHERE key = $1 AND split_part(token, ':', 1) = $2 AND expires_at > clock_timestamp()";

/// Whether the table is there, and its index, which tables of earlier versions lack.
const FIND: &str =
    "SELECT to_regclass('kiket_dedupe') IS NOT NULL, to_regclass('kiket_dedupe_begun_at') IS NOT NULL";

/// What the developer tool looks at, as one JSON text.
#[cfg(feature = "internals")]
const SETTINGS: &str = "
SELECT json_object_agg(name, setting)::text FROM (
  SELECT name, setting FROM pg_settings WHERE name IN ('server_version_num', 'synchronous_commit', 'fsync',
    'full_page_writes', 'default_transaction_read_only')
  UNION ALL SELECT 'in_recovery', pg_is_in_recovery()::text) AS found";

const RELEASE: &str = "
DELETE FROM kiket_dedupe
WHERE key = $1 AND token = $2 AND status IS NULL AND expires_at > clock_timestamp()";

/// Deletes those of the 256 oldest rows after $1 that have expired; locked rows are skipped. Returns how many rows it looked at, and the
/// last of them: some are kept for longer than those behind them.
const DELETE: &str = "
WITH oldest AS MATERIALIZED (SELECT begun_at FROM kiket_dedupe WHERE begun_at > $1 ORDER BY begun_at LIMIT 256),
gone AS (
  DELETE FROM kiket_dedupe WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM kiket_dedupe
    WHERE begun_at > $1 AND begun_at <= (SELECT max(begun_at) FROM oldest) AND expires_at <= statement_timestamp()
    ORDER BY begun_at LIMIT 256 FOR UPDATE SKIP LOCKED)))
SELECT count(*), max(begun_at) FROM oldest";
/// So many rows are looked at.
const DELETED_AMONG: i64 = 256;
/// How long that may take.
const DELETING: Duration = Duration::from_secs(60);

impl PostgresStore {
    /// The SQL that creates the table. Run it yourself if the user of the extension may not create tables.
    pub const TABLE: &str = include_str!("table.sql");

    /// The store at `postgres://user:password@host:5432/name`. It connects when it is first used, or in
    /// [`check`](DedupeStore::check).
    ///
    /// # Errors
    ///
    /// When it is not such a URL; the error does not show it.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let server = Server::new(url, &PURPOSE, CONNECTIONS)?;
        Ok(Self { server, begun: AtomicU32::new(0), deleted: Arc::new(Mutex::new(UNIX_EPOCH)) })
    }

    /// Settings of the server, as a JSON object of texts, and whether connections are seen to have sessions of their own, as they
    /// have without a pooler.
    #[cfg(feature = "internals")]
    pub(crate) async fn settings(&self) -> Result<(String, bool), StoreError> {
        let found = self.server.step((), |connections, ()| async move {
            let row = connections.one(SETTINGS, &[]).await?;
            Ok((row.try_get(0)?, connections.have_sessions()))
        });
        found.await
    }

    /// Deletes expired rows in the background, if it is time, and nothing deletes them already.
    fn delete_expired(&self) {
        if self.begun.fetch_add(1, Ordering::Relaxed) % DELETED_EVERY < DELETED_EVERY - 1 {
            return;
        }
        let Ok(mut from) = Arc::clone(&self.deleted).try_lock_owned() else { return };
        let after = *from;
        let deleting = self.server.patient(DELETING).step(params![after], |connections, after| async move {
            let row = connections.one(DELETE, &after).await?;
            Ok((row.try_get::<_, i64>(0)?, row.try_get::<_, Option<SystemTime>>(1)?))
        });
        self.server.spawn(async move {
            match deleting.await {
                Ok((count, last)) if count >= DELETED_AMONG => *from = last.unwrap_or(UNIX_EPOCH),
                Ok(_) => *from = UNIX_EPOCH,
                Err(error) => tracing::debug!(%error, "expired deliveries are not deleted yet"),
            }
        });
    }
}

impl DedupeStore for PostgresStore {
    fn begin<'s>(&'s self, key: &'s DedupeKey, lease: Duration) -> StoreFuture<'s, BeginOutcome> {
        let token = LeaseToken::unique();
        let params = params![key.as_str(), token.to_string(), countable(lease).as_secs_f64()];
        self.delete_expired();
        Box::pin(async move {
            let rows = self.server.all(BEGIN, params).await?;
            let row = rows.first().ok_or_else(unknown)?;
            read(row, token).map_err(|error| unknown().because(error))?.ok_or_else(unknown)
        })
    }

    fn commit<'s>(
        &'s self,
        key: &'s DedupeKey,
        token: &'s LeaseToken,
        reply: &'s StoredReply,
        retention: Duration,
    ) -> StoreFuture<'s, LeaseState> {
        Box::pin(self.server.owned(COMMIT, commit(key, token, reply, retention)))
    }

    fn release<'s>(&'s self, key: &'s DedupeKey, token: &'s LeaseToken) -> StoreFuture<'s, LeaseState> {
        Box::pin(self.server.owned(RELEASE, params![key.as_str(), token.to_string()]))
    }

    fn transactions(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        Transactions::of(&self.server).ok().map(|transactions| Arc::new(transactions) as _)
    }

    /// Connects, creates the table and its index if they are absent, and runs every operation once.
    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(async {
            let table = self.server.step((), |connections, ()| async move {
                let found = connections.one(FIND, &[]).await?;
                let (table, index): (bool, bool) = (found.try_get(0)?, found.try_get(1)?);
                if table && index {
                    return Ok(());
                }
                match connections.create_tables().await {
                    Err(error) if table => {
                        let error = failed(error, &PURPOSE);
                        tracing::warn!(error = %Chain(&error), "the table `kiket_dedupe` has no index: run `PostgresStore::TABLE`");
                        Ok(())
                    }
                    made => made,
                }
            });
            table.await?;
            probe(self).await
        })
    }
}

/// `None` if the stored reply does not decode.
fn read(row: &Row, token: LeaseToken) -> Result<Option<BeginOutcome>, tokio_postgres::Error> {
    let owner: &str = row.try_get("token")?;
    let Some(status) = row.try_get::<_, Option<i32>>("status")? else {
        if owner.parse() == Ok(token) {
            return Ok(Some(BeginOutcome::Leased(token)));
        }
        let remaining = row.try_get::<_, i64>("remaining")?.max(1).unsigned_abs();
        return Ok(Some(BeginOutcome::Running { remaining: Duration::from_millis(remaining) }));
    };
    let reply = StoredReply::restore(
        status.into(),
        row.try_get::<_, Option<i64>>("retry_after")?.unwrap_or(-1),
        row.try_get::<_, Option<Vec<u8>>>("body")?.unwrap_or_default(),
        owner.split_once(':').map_or("", |(_, request)| request),
    );
    Ok(reply.map(BeginOutcome::Done))
}

fn unknown() -> StoreError {
    StoreError::unknown_reply("PostgreSQL", "schema")
}

/// The values of [`COMMIT`], which stores a reply. It changes one row if the lease is held.
pub(crate) fn commit(
    key: &DedupeKey,
    token: &LeaseToken,
    reply: &StoredReply,
    retention: Duration,
) -> [Param; 7] {
    let request = match reply.request_text() {
        hash if hash.is_empty() => hash,
        hash => format!(":{hash}"),
    };
    params![
        key.as_str(),
        token.to_string(),
        reply.status().as_u16(),
        reply.retry_seconds(),
        reply.body().clone(),
        countable(retention).as_secs_f64(),
        request,
    ]
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
    fn verification_is_always_full() {
        assert!(PostgresStore::new("postgres://host/db?sslmode=verify-full").is_ok());
    }

    #[test]
    fn nothing_shows_a_password() {
        let store = PostgresStore::new("postgres://user:canary@localhost/db?sslmode=disable").unwrap();
        assert!(!format!("{store:?}").contains("canary"));
    }
}
