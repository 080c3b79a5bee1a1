//! Rows as a whole: expired leases, retention, lists, and what people do with them.

use std::time::Duration;

use tokio_postgres::Row;

use super::{
    statements::{DROP, EXPIRE, EXPUNGE, FIND, HURRY, LIST, LOCK, NEXT, OVER, REDRIVE, VERSION},
    texts::{Unreadable, at, duration, indexed, millis, read, time},
};
use crate::{
    dedupe::postgres::{
        param::{Param, params},
        server::{Params, Server},
    },
    inbox::{HandlerName, InboxCount, InboxFilter, InboxRow, Now, Redrive, RowId, RowState, Swept},
    store::{DedupeKey, StoreError},
};

/// The newest step of the tables.
const NEWEST: i32 = 1;

/// How long it may take to look through all rows.
pub(super) const READING: Duration = Duration::from_secs(30);

/// The rows of one transaction: more would take longer than the timeout of an operation.
const AT_ONCE: i64 = 1000;

pub(super) async fn migrate(server: &Server) -> Result<(), StoreError> {
    let migrating = server.step((), |connections, ()| async move {
        let row = connections.one(VERSION, &[]).await?;
        if row.try_get::<_, Option<i32>>(0)? >= Some(NEWEST) {
            Ok(())
        } else {
            connections.create_tables().await
        }
    });
    migrating.await
}

/// The rows that are changed together, and the lanes that may have no row in front then.
fn batch(rows: &[Row]) -> Result<(Vec<i64>, Vec<String>), StoreError> {
    let rows: Vec<(i64, Option<String>)> = read(rows, |row| Ok((row.try_get(0)?, row.try_get(1)?)))?;
    let (ids, lanes): (_, Vec<_>) = rows.into_iter().unzip();
    Ok((ids, lanes.into_iter().flatten().collect()))
}

/// Changes rows by a statement, under the locks of their lanes, and promotes what is next in these. Returns the rows of the statement.
async fn change(
    server: &Server,
    space: &str,
    lanes: Vec<String>,
    (statement, params): (&'static str, Params),
) -> Result<Vec<Row>, StoreError> {
    let lanes: Params = params![0_i64, space, lanes].into();
    let changing = server.step((lanes, params), move |connections, (lanes, params)| async move {
        let steps = [(LOCK, &*lanes), (statement, &*params), (NEXT, &*lanes)];
        Ok(connections.together(&steps).await?.swap_remove(1))
    });
    changing.await
}

/// Two transactions, so that no row whose retention is over keeps a lease from ending.
pub(super) async fn promote(server: &Server, space: &str, now: Now) -> Result<Swept, StoreError> {
    let now = at(now);
    let over = server.all(OVER, params![now, space]).await?;
    let (leases, old): (Vec<_>, _) = over.into_iter().partition(|row| row.try_get(2).unwrap_or_default());
    let expired = sweep(server, space, &leases, EXPIRE, now).await?;
    let dying = expired.iter().filter(|row| matches!(row.try_get(0), Ok("dead"))).count();
    let (expired, crashed) = ((expired.len() - dying) as u64, dying as u64);
    match sweep(&server.patient(READING), space, &old, EXPUNGE, now).await {
        Ok(removed) => Ok(Swept { expired, crashed, removed: removed.len() as u64 }),
        // The next one says it.
        Err(_) if expired + crashed > 0 => Ok(Swept { expired, crashed, removed: 0 }),
        Err(error) => Err(error),
    }
}

/// Changes the rows that are over.
async fn sweep(
    server: &Server,
    space: &str,
    over: &[Row],
    statement: &'static str,
    now: Option<i64>,
) -> Result<Vec<Row>, StoreError> {
    let (ids, lanes) = batch(over)?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    change(server, space, lanes, (statement, params![now, ids].into())).await
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

    fn params(&self, limit: i64) -> Vec<Param> {
        let Self { space, id, event, state, organisation, after, .. } = self;
        params![space, *id, event.as_deref(), *state, organisation.as_deref(), after, limit].into()
    }
}

pub(super) async fn list(server: &Server, filter: &InboxFilter) -> Result<Vec<InboxRow>, StoreError> {
    let found = Found::new(filter);
    read(&server.patient(READING).all(LIST, found.params(found.limit)).await?, listed)
}

fn listed(row: &Row) -> Result<InboxRow, Unreadable> {
    let reason = row.try_get::<_, Option<&str>>("reason")?;
    let count = |name| Ok::<_, Unreadable>(row.try_get::<_, i32>(name)?.max(0).unsigned_abs());
    Ok(InboxRow {
        id: RowId(row.try_get("id")?),
        key: DedupeKey::restored(row.try_get::<_, String>("key")?),
        handler: HandlerName { event: row.try_get("event")?, version: row.try_get("version")? },
        organisation: row.try_get("organisation")?,
        lane: row.try_get("lane")?,
        state: row.try_get::<_, &str>("state")?.parse()?,
        reason: reason.and_then(|reason| reason.parse().ok()),
        attempts: count("attempts")?,
        crashes: count("crashes")?,
        accepted_at: time(row.try_get("accepted_at")?),
        at: time(row.try_get("at")?),
        error: row.try_get("error")?,
        bytes: row.try_get::<_, i64>("bytes")?.max(0).unsigned_abs(),
    })
}

/// What is done with the rows of a filter.
#[derive(Debug, Clone, Copy)]
enum Change {
    Redrive { spread: i64 },
    Hurry,
    Remove { running: bool },
}

pub(super) async fn redrive(server: &Server, redrive: &Redrive, now: Now) -> Result<u64, StoreError> {
    let Some(filter) = redrive.filter.only(RowState::Dead) else { return Ok(0) };
    change_all(server, &filter, Change::Redrive { spread: millis(redrive.spread) }, now).await
}

pub(super) async fn hurry(server: &Server, filter: &InboxFilter, now: Now) -> Result<u64, StoreError> {
    let Some(filter) = filter.only(RowState::Waiting) else { return Ok(0) };
    change_all(server, &filter, Change::Hurry, now).await
}

pub(super) async fn remove(server: &Server, filter: &InboxFilter, running: bool) -> Result<u64, StoreError> {
    change_all(server, filter, Change::Remove { running }, None).await
}

/// Changes all rows of a filter, a thousand at a time.
async fn change_all(
    server: &Server,
    filter: &InboxFilter,
    kind: Change,
    now: Now,
) -> Result<u64, StoreError> {
    let (server, now) = (server.patient(READING), at(now));
    let (mut found, mut total) = (Found::new(filter), 0);
    let not = matches!(kind, Change::Remove { running: false }).then_some(RowState::Running.as_str());
    loop {
        let mut params = found.params(found.limit.min(AT_ONCE));
        params.extend(params![not, matches!(kind, Change::Hurry), now]);
        let (ids, lanes) = batch(&server.all(FIND, params).await?)?;
        let Some(after) = ids.last().copied() else { return Ok(total) };
        let is_full = i64::try_from(ids.len()).is_ok_and(|count| count >= AT_ONCE);
        let (lanes, step) = match kind {
            Change::Redrive { spread } => (lanes, (REDRIVE, params![now, ids, spread].into())),
            // They stay where they are in their lanes.
            Change::Hurry => (Vec::new(), (HURRY, params![now, ids].into())),
            Change::Remove { running } => (lanes, (DROP, params![ids, running, found.state].into())),
        };
        total += change(&server, &found.space, lanes, step).await?.len() as u64;
        let limit = found.limit.saturating_sub(AT_ONCE);
        if !is_full || limit <= 0 {
            return Ok(total);
        }
        found = Found { after, limit, ..found };
    }
}

pub(super) fn counted(row: &Row) -> Result<InboxCount, Unreadable> {
    Ok(InboxCount {
        handler: HandlerName { event: row.try_get("event")?, version: row.try_get("version")? },
        state: row.try_get::<_, &str>("state")?.parse()?,
        rows: row.try_get::<_, i64>("rows")?.max(0).unsigned_abs(),
        oldest: duration(row.try_get("oldest")?),
    })
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
