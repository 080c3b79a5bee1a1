//! Rows as a whole: expired leases, retention, lists, and what people do with them.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio_postgres::{Row, types::Type};

use super::{
    statements::{
        COUNT, DROP, EXPIRE, EXPUNGE, FIND, HURRY, LIST, LOCK, NEXT, OVER, PAUSE, PAUSED, REDRIVE, RESUME,
        VERSION,
    },
    texts::{at, duration, indexed, millis, time, unknown},
};
use crate::{
    dedupe::{
        postgres::{
            connections::{Step, Value},
            server::Server,
        },
        timeout::OPERATION,
    },
    inbox::{HandlerName, InboxCount, InboxFilter, InboxRow, Redrive, RowId, RowState, Swept},
    store::{DedupeKey, StoreError},
};

/// The newest step of the tables.
const NEWEST: i32 = 1;

/// How long it may take to look through all rows.
const READING: Duration = Duration::from_secs(30);

/// The rows of one transaction: more would take longer than the timeout of an operation.
const AT_ONCE: i64 = 1000;

pub(super) async fn migrate(server: &Server) -> Result<(), StoreError> {
    let migrating = server.step(|connections| async move {
        let row = connections.one(VERSION, &[]).await?;
        if row.try_get::<_, Option<i32>>(0)? >= Some(NEWEST) {
            Ok(())
        } else {
            connections.create_tables().await
        }
    });
    migrating.await
}

/// Rows that are changed together, and the lanes that may have no row in front then.
#[derive(Debug, Default)]
struct Batch {
    ids: Vec<i64>,
    lanes: BTreeSet<String>,
}

impl Batch {
    fn read(rows: &[Row]) -> Result<Self, tokio_postgres::Error> {
        let mut batch = Self::default();
        for row in rows {
            batch.ids.push(row.try_get(0)?);
            batch.lanes.extend(row.try_get::<_, Option<String>>(1)?);
        }
        Ok(batch)
    }
}

/// Changes the rows of a batch by `steps`, under the locks of their lanes, and promotes what is next in these. The rows that the
/// steps return are in their order.
macro_rules! change {
    ($connections:expr, $space:expr, $batch:expr, [$($step:expr),+]) => {{
        let lanes: Vec<&str> = $batch.lanes.iter().map(String::as_str).collect();
        let lanes: [Value<'_>; 3] = [(&0i64, Type::INT8), ($space, Type::TEXT), (&lanes, Type::TEXT_ARRAY)];
        let steps: Vec<Step<'_>> = if $batch.lanes.is_empty() {
            vec![$($step),+]
        } else {
            vec![(LOCK, &lanes), $($step,)+ (NEXT, &lanes)]
        };
        let mut changed = $connections.together(&steps).await?;
        if !$batch.lanes.is_empty() {
            changed.pop();
            changed.remove(0);
        }
        changed
    }};
}

/// Two transactions, so that no row whose retention is over keeps a lease from ending.
pub(super) async fn promote(
    server: &Server,
    space: &str,
    now: Option<SystemTime>,
) -> Result<Swept, StoreError> {
    let (space, now) = (Arc::<str>::from(space), at(now));
    let looking = server.step({
        let space = Arc::clone(&space);
        move |connections| {
            let space = Arc::clone(&space);
            async move {
                let rows = connections.all(OVER, &[(&now, Type::INT8), (&&*space, Type::TEXT)]).await?;
                let (leases, old): (Vec<_>, _) =
                    rows.into_iter().partition(|row| row.try_get(2).unwrap_or_default());
                Ok((Batch::read(&leases)?, Batch::read(&old)?))
            }
        }
    });
    let (leases, old) = looking.await?;
    let expired = sweep(server, OPERATION, EXPIRE, &space, leases, now).await?;
    let dying = expired.iter().filter(|row| matches!(row.try_get(0), Ok("dead"))).count();
    let (expired, crashed) = ((expired.len() - dying) as u64, dying as u64);
    match sweep(server, READING, EXPUNGE, &space, old, now).await {
        Ok(removed) => Ok(Swept { expired, crashed, removed: removed.len() as u64 }),
        // The next one says it.
        Err(_) if expired + crashed > 0 => Ok(Swept { expired, crashed, removed: 0 }),
        Err(error) => Err(error),
    }
}

/// Changes the rows of a batch that are over.
async fn sweep(
    server: &Server,
    limit: Duration,
    statement: &'static str,
    space: &Arc<str>,
    batch: Batch,
    now: Option<i64>,
) -> Result<Vec<Row>, StoreError> {
    if batch.ids.is_empty() {
        return Ok(Vec::new());
    }
    let (space, batch) = (Arc::clone(space), Arc::new(batch));
    let sweeping = server.step_within(limit, move |connections| {
        let (space, batch) = (Arc::clone(&space), Arc::clone(&batch));
        async move {
            let values: [Value<'_>; 2] = [(&now, Type::INT8), (&batch.ids, Type::INT8_ARRAY)];
            let mut changed = change!(connections, &&*space, batch, [(statement, &values)]);
            Ok(changed.pop().unwrap_or_default())
        }
    });
    sweeping.await
}

/// A filter as the statements have it, and the id after which its rows come.
struct Found {
    space: String,
    id: Option<i64>,
    event: Option<String>,
    state: Option<&'static str>,
    organisation: Option<String>,
    after: i64,
    limit: i64,
}

impl Found {
    fn new(filter: &InboxFilter) -> Self {
        Self {
            space: filter.space.clone(),
            id: filter.id.map(|id| id.0),
            event: filter.event.clone(),
            state: filter.state.map(RowState::as_str),
            organisation: filter.organisation.as_deref().map(|name| indexed(name).into_owned()),
            after: i64::MIN,
            limit: if filter.limit == 0 { i64::MAX } else { i64::try_from(filter.limit).unwrap_or(i64::MAX) },
        }
    }

    /// Only the rows in one state; `None` if the filter has another one.
    fn only(self, state: RowState) -> Option<Self> {
        let state = Some(state.as_str());
        (self.state.is_none() || self.state == state).then_some(Self { state, ..self })
    }

    fn values<'f>(&'f self, limit: &'f i64) -> [Value<'f>; 7] {
        [
            (&self.space, Type::TEXT),
            (&self.id, Type::INT8),
            (&self.event, Type::TEXT),
            (&self.state, Type::TEXT),
            (&self.organisation, Type::TEXT),
            (&self.after, Type::INT8),
            (limit, Type::INT8),
        ]
    }
}

pub(super) async fn list(server: &Server, filter: &InboxFilter) -> Result<Vec<InboxRow>, StoreError> {
    let found = Arc::new(Found::new(filter));
    let listing = server.step_within(READING, move |connections| {
        let found = Arc::clone(&found);
        async move { connections.all(LIST, &found.values(&found.limit)).await }
    });
    let rows = listing.await?;
    rows.iter().map(|row| read(row).unwrap_or_else(|error| Err(unknown().because(error)))).collect()
}

fn read(row: &Row) -> Result<Result<InboxRow, StoreError>, tokio_postgres::Error> {
    let handler = HandlerName { event: row.try_get("event")?, version: row.try_get("version")? };
    let Ok(state) = row.try_get::<_, &str>("state")?.parse() else { return Ok(Err(unknown())) };
    let reason = row.try_get::<_, Option<&str>>("reason")?;
    let count = |name| Ok::<_, tokio_postgres::Error>(row.try_get::<_, i32>(name)?.max(0).unsigned_abs());
    Ok(Ok(InboxRow {
        id: RowId(row.try_get("id")?),
        key: DedupeKey::restored(row.try_get::<_, String>("key")?),
        handler,
        organisation: row.try_get("organisation")?,
        lane: row.try_get("lane")?,
        state,
        reason: reason.and_then(|reason| reason.parse().ok()),
        attempts: count("attempts")?,
        crashes: count("crashes")?,
        accepted_at: time(row.try_get("accepted_at")?),
        at: time(row.try_get("at")?),
        error: row.try_get("error")?,
        bytes: row.try_get::<_, i64>("bytes")?.max(0).unsigned_abs(),
    }))
}

/// What is done with the rows of a filter.
#[derive(Debug, Clone, Copy)]
enum Change {
    Redrive { spread: i64 },
    Hurry,
    Remove { running: bool },
}

pub(super) async fn redrive(
    server: &Server,
    redrive: &Redrive,
    now: Option<SystemTime>,
) -> Result<u64, StoreError> {
    let Some(found) = Found::new(&redrive.filter).only(RowState::Dead) else { return Ok(0) };
    change_all(server, found, Change::Redrive { spread: millis(redrive.spread) }, now).await
}

pub(super) async fn hurry(
    server: &Server,
    filter: &InboxFilter,
    now: Option<SystemTime>,
) -> Result<u64, StoreError> {
    let Some(found) = Found::new(filter).only(RowState::Waiting) else { return Ok(0) };
    change_all(server, found, Change::Hurry, now).await
}

pub(super) async fn remove(server: &Server, filter: &InboxFilter, running: bool) -> Result<u64, StoreError> {
    change_all(server, Found::new(filter), Change::Remove { running }, None).await
}

/// Changes all rows of a filter, a thousand at a time.
async fn change_all(
    server: &Server,
    found: Found,
    change: Change,
    now: Option<SystemTime>,
) -> Result<u64, StoreError> {
    let (mut found, now, mut total) = (found, at(now), 0);
    loop {
        let batch = Arc::new(found);
        let changing = server.step_within(READING, {
            let found = Arc::clone(&batch);
            move |connections| {
                let found = Arc::clone(&found);
                async move {
                    let limit = found.limit.min(AT_ONCE);
                    let [space, id, event, state, organisation, after, limit] = found.values(&limit);
                    let not = match change {
                        Change::Remove { running: false } => Some(RowState::Running.as_str()),
                        _ => None,
                    };
                    let early = matches!(change, Change::Hurry);
                    let not: Value<'_> = (&not, Type::TEXT);
                    let (early, now): (Value<'_>, Value<'_>) = ((&early, Type::BOOL), (&now, Type::INT8));
                    let values = [space, id, event, state, organisation, after, limit, not, early, now];
                    let batch = Batch::read(&connections.all(FIND, &values).await?)?;
                    let Some(last) = batch.ids.last().copied() else { return Ok((0, None)) };
                    let is_full = i64::try_from(batch.ids.len()).is_ok_and(|count| count >= AT_ONCE);
                    let ids: Value<'_> = (&batch.ids, Type::INT8_ARRAY);
                    let changed = match &change {
                        Change::Redrive { spread } => {
                            let values = [values[9].clone(), ids, (spread as _, Type::INT8)];
                            change!(connections, &found.space, batch, [(REDRIVE, &values)])
                        }
                        Change::Hurry => {
                            let values = [values[9].clone(), ids];
                            connections.together(&[(HURRY, &values)]).await?
                        }
                        Change::Remove { running } => {
                            let values = [ids, (running as _, Type::BOOL), (&found.state, Type::TEXT)];
                            change!(connections, &found.space, batch, [(DROP, &values)])
                        }
                    };
                    Ok((changed.first().map_or(0, Vec::len), is_full.then_some(last)))
                }
            }
        });
        let (changed, last) = changing.await?;
        total += changed as u64;
        let Some(found_again) =
            last.and_then(|last| Arc::into_inner(batch).map(|found| Found { after: last, ..found }))
        else {
            return Ok(total);
        };
        found = Found { limit: found_again.limit.saturating_sub(AT_ONCE), ..found_again };
        if found.limit <= 0 {
            return Ok(total);
        }
    }
}

pub(super) async fn count(server: &Server, space: &str) -> Result<Vec<InboxCount>, StoreError> {
    let space = Arc::<str>::from(space);
    let counting = server.step_within(READING, move |connections| {
        let space = Arc::clone(&space);
        async move { connections.all(COUNT, &[(&&*space, Type::TEXT)]).await }
    });
    let rows = counting.await?;
    rows.iter().map(|row| counted(row).unwrap_or_else(|error| Err(unknown().because(error)))).collect()
}

fn counted(row: &Row) -> Result<Result<InboxCount, StoreError>, tokio_postgres::Error> {
    let handler = HandlerName { event: row.try_get("event")?, version: row.try_get("version")? };
    let Ok(state) = row.try_get::<_, &str>("state")?.parse() else { return Ok(Err(unknown())) };
    let rows = row.try_get::<_, i64>("rows")?.max(0).unsigned_abs();
    Ok(Ok(InboxCount { handler, state, rows, oldest: duration(row.try_get("oldest")?) }))
}

pub(super) async fn pause(server: &Server, space: &str, event: &str, paused: bool) -> Result<(), StoreError> {
    let names = Arc::new((space.to_owned(), event.to_owned()));
    let pausing = server.step(move |connections| {
        let names = Arc::clone(&names);
        async move {
            let values: [Value<'_>; 2] = [(&names.0, Type::TEXT), (&names.1, Type::TEXT)];
            connections.execute(if paused { PAUSE } else { RESUME }, &values).await
        }
    });
    pausing.await.map(|_| ())
}

pub(super) async fn paused(server: &Server, space: &str) -> Result<Vec<String>, StoreError> {
    let space = Arc::<str>::from(space);
    let listing = server.step(move |connections| {
        let space = Arc::clone(&space);
        async move {
            let rows = connections.all(PAUSED, &[(&&*space, Type::TEXT)]).await?;
            Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?)
        }
    });
    listing.await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::inbox::{DEAD_AFTER, DEAD_RETENTION, DONE_RETENTION};

    #[test]
    fn the_statements_have_the_times_of_all_inboxes() {
        let (done, dead) = (DONE_RETENTION.as_millis(), DEAD_RETENTION.as_millis());
        for statement in [OVER, EXPUNGE] {
            for (state, time) in [("done", done), ("dead", dead)] {
                assert!(
                    statement.contains(&format!("'{state}' AND i.at <= clock.now - {time}")),
                    "{statement}"
                );
            }
        }
        assert!(EXPIRE.contains(&format!("i.crashes + 1 >= {DEAD_AFTER} THEN 'crashed'")));
    }
}
