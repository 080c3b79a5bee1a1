//! Rows as people see and change them.

use std::{fmt::Write as _, time::Duration};

use rusqlite::{OptionalExtension as _, ToSql, params, params_from_iter};

use super::{
    claim::{numbers, state_of},
    finish::{Place, advance},
    session::{Session, after, millis, time, whole},
};
use crate::store::{
    DedupeKey,
    inbox::{HandlerName, InboxCount, InboxFilter, InboxRow, Now, RowId, RowState},
};

/// The condition of a filter, and its values.
fn condition(filter: &InboxFilter) -> (String, Vec<Box<dyn ToSql>>) {
    let mut sql = "space = ?".to_owned();
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(filter.space.clone())];
    // As the indexes have it.
    sql.push_str(match filter.state {
        None => "",
        Some(RowState::Behind) => " AND state = 0 AND state < 7",
        Some(RowState::Waiting) => " AND state IN (1, 2, 3) AND state < 7",
        Some(RowState::Running) => " AND state = 4 AND state < 7",
        Some(RowState::Dead) => " AND state IN (5, 6) AND state < 7",
        Some(RowState::Done) => " AND state = 7 AND state >= 2",
    });
    if filter.event.as_ref().is_some_and(|event| event.starts_with("schedule:")) {
        sql.push_str(" AND event >= 'schedule:' AND event < 'schedule;'");
    }
    let mut equal = |column: &str, value: Option<Box<dyn ToSql>>| {
        if let Some(value) = value {
            let _ = write!(sql, " AND {column} ?");
            values.push(value);
        }
    };
    equal("id =", filter.id.map(|RowId(id)| Box::new(id) as _));
    equal("event =", filter.event.clone().map(|event| Box::new(event) as _));
    equal("organisation =", filter.organisation.clone().map(|organisation| Box::new(organisation) as _));
    (sql, values)
}

fn limited(limit: usize) -> i64 {
    if limit == 0 { -1 } else { whole(limit) }
}

pub(super) fn list(session: &mut Session<'_>, filter: &InboxFilter) -> rusqlite::Result<Vec<InboxRow>> {
    let (condition, mut values) = condition(filter);
    values.push(Box::new(limited(filter.limit)));
    let mut found = session.connection.prepare(&format!(
        "SELECT id, key, event, version, state, accepted_at, organisation, lane, reason, attempts, crashes, at, error, bytes \
         FROM work WHERE {condition} ORDER BY id LIMIT ?"
    ))?;
    let rows = found.query_map(params_from_iter(values), |row| {
        let handler = HandlerName { event: row.get(2)?, version: row.get(3)? };
        let (key, accepted_at) = (DedupeKey::restored(row.get::<_, String>(1)?), time(row.get(5)?));
        Ok(InboxRow {
            organisation: row.get(6)?,
            lane: row.get(7)?,
            reason: row.get::<_, Option<String>>(8)?.and_then(|reason| reason.parse().ok()),
            attempts: row.get(9)?,
            crashes: row.get(10)?,
            at: time(row.get(11)?),
            error: row.get(12)?,
            bytes: row.get::<_, i64>(13)?.unsigned_abs(),
            ..InboxRow::new(RowId(row.get(0)?), key, handler, state_of(row.get(4)?), accepted_at)
        })
    })?;
    rows.collect()
}

/// How SQLite finds the rows of a filter.
#[cfg(test)]
pub(super) fn plan(session: &mut Session<'_>, filter: &InboxFilter) -> rusqlite::Result<String> {
    let (condition, values) = condition(filter);
    let sql = format!("EXPLAIN QUERY PLAN SELECT id FROM work WHERE {condition} ORDER BY id");
    session.connection.query_row(&sql, params_from_iter(values), |row| row.get(3))
}

/// Which rows a change is for, of those that its filter finds.
#[derive(Clone, Copy)]
pub(super) enum Only {
    All,
    NotRunning,
    LaterThan(i64),
}

/// The numbers of the rows that the filter finds. All of them, before any is changed: a change may make another row match.
pub(super) fn find(
    session: &mut Session<'_>,
    filter: &InboxFilter,
    only: Only,
) -> rusqlite::Result<Vec<i64>> {
    let (condition, mut values) = condition(filter);
    let only = match only {
        Only::All => String::new(),
        Only::NotRunning => " AND state != 4".to_owned(),
        Only::LaterThan(now) => format!(" AND state = 2 AND at > {now}"),
    };
    values.push(Box::new(limited(filter.limit)));
    let sql = format!("SELECT id FROM work WHERE {condition}{only} ORDER BY id LIMIT ?");
    let mut found = session.connection.prepare(&sql)?;
    found.query_map(params_from_iter(values), |row| row.get(0))?.collect()
}

const TALLY: &str = "
SELECT event, version, state, rows, (
  SELECT min(accepted_at) FROM work
  WHERE space = t.space AND state = t.state AND event = t.event AND version = t.version AND state < 7)
FROM tally t WHERE space = ?1 AND rows > 0 ORDER BY event, version, state";

/// Rows that are done have no age.
pub(super) fn count(session: &mut Session<'_>, space: &str) -> rusqlite::Result<Vec<InboxCount>> {
    let now = millis(None);
    let counts = session.statement(TALLY)?.query_map([space], |row| {
        let accepted: Option<i64> = row.get(4)?;
        let oldest = accepted.map_or(0, |accepted| now.saturating_sub(accepted).max(0).unsigned_abs());
        Ok(InboxCount {
            handler: HandlerName { event: row.get(0)?, version: row.get(1)? },
            state: state_of(row.get(2)?),
            rows: row.get::<_, i64>(3)?.unsigned_abs(),
            oldest: Duration::from_millis(oldest),
        })
    })?;
    let mut found: Vec<InboxCount> = Vec::new();
    for count in counts {
        let count = count?;
        match found.last_mut().filter(|last| last.handler == count.handler && last.state == count.state) {
            Some(last) => {
                last.rows += count.rows;
                last.oldest = last.oldest.max(count.oldest);
            }
            None => found.push(count),
        }
    }
    Ok(found)
}

const DEAD: &str = "SELECT space, lane FROM work WHERE id = ?1 AND state >= 5 AND state <= 6";

/// Behind the row that has its lane; that it blocks its lane itself does not count.
const REDRIVE: &str = "
UPDATE work SET attempts = 0, crashes = 0, reason = NULL, error = NULL, token = NULL, at = ?2,
  state = CASE WHEN state = 6 AND lane IS NOT NULL AND EXISTS (
      SELECT 1 FROM work AS w WHERE w.space = ?4 AND w.lane = ?5 AND w.state >= 1 AND w.state <= 5)
    THEN 0 WHEN ?2 > ?3 THEN 2 ELSE 1 END
WHERE id = ?1";

pub(super) fn redrive(
    session: &mut Session<'_>,
    ids: &[i64],
    spread: Duration,
    now: Now,
) -> rusqlite::Result<u64> {
    let now = millis(now);
    let latest = after(now, spread);
    let mut redriven = 0;
    for id in ids {
        let place = session
            .statement(DEAD)?
            .query_row([id], |row| Ok(Place { space: row.get(0)?, lane: row.get(1)? }));
        if let Some(place) = place.optional()? {
            let values = params![id, fastrand::i64(now..=latest), now, place.space, place.lane];
            redriven += session.statement(REDRIVE)?.execute(values)? as u64;
        }
    }
    Ok(redriven)
}

const HURRY: &str = "
UPDATE work SET state = CASE WHEN crashes >= 2 THEN 3 ELSE 1 END, at = ?2 WHERE id = ?1 AND state = 2 AND at > ?2";

pub(super) fn hurry(session: &mut Session<'_>, ids: &[i64], now: Now) -> rusqlite::Result<u64> {
    let now = millis(now);
    ids.iter()
        .try_fold(0, |hurried, id| Ok(hurried + session.statement(HURRY)?.execute(params![id, now])? as u64))
}

const REMOVE: &str = "
DELETE FROM work WHERE id = ?1 AND state >= ?2 AND state <= ?3 AND (?4 OR state != 4) RETURNING space, lane";

/// Removes rows that are in the state still: with those that run, or without.
pub(super) fn remove(
    session: &mut Session<'_>,
    ids: &[i64],
    (state, also_running): (Option<RowState>, bool),
    now: Now,
) -> rusqlite::Result<u64> {
    let (first, last) = state.map_or(0..=7, numbers).into_inner();
    let now = millis(now);
    let mut removed = 0;
    for id in ids {
        let place = session.statement(REMOVE)?.query_row(params![id, first, last, also_running], |row| {
            Ok(Place { space: row.get(0)?, lane: row.get(1)? })
        });
        if let Some(place) = place.optional()? {
            removed += 1;
            advance(session, &place, now)?;
        }
    }
    Ok(removed)
}

const PAUSE: &str = "INSERT INTO paused VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const RESUME: &str = "DELETE FROM paused WHERE space = ?1 AND event = ?2";

pub(super) fn pause(
    session: &mut Session<'_>,
    space: &str,
    event: &str,
    paused: bool,
) -> rusqlite::Result<()> {
    session.statement(if paused { PAUSE } else { RESUME })?.execute([space, event]).map(drop)
}
