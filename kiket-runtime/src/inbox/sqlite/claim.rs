//! Accepting and claiming rows.

use std::{ops::RangeInclusive, time::Duration};

use bytes::Bytes;
use rusqlite::{OptionalExtension as _, params};

use super::session::{Session, after, millis, whole};
use crate::store::{
    DedupeKey, LeaseToken,
    inbox::{Acceptance, ClaimRequest, ClaimedWork, HandlerName, NewWork, Now, RowId, RowState, WorkLease},
};

const KNOWN: &str = "SELECT state FROM work WHERE space = ?1 AND key = ?2";

const ACCEPT: &str = "
INSERT INTO work (space, key, event, version, organisation, lane, blocks_lane, state, accepted_at, at, bytes)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7,
  CASE WHEN ?6 IS NOT NULL AND EXISTS (SELECT 1 FROM work WHERE space = ?1 AND lane = ?6 AND state >= 1 AND state <= 5)
    THEN 0 WHEN ?9 <= ?8 THEN 1 ELSE 2 END,
  ?9, ?9, ?10
WHERE true ON CONFLICT (space, key) DO NOTHING";

const KEEP: &str = "INSERT INTO content (id, sealed) VALUES (?1, ?2)";

pub(super) fn accept(session: &mut Session<'_>, work: &NewWork, now: Now) -> rusqlite::Result<Acceptance> {
    let (now, bytes) = (millis(now), whole(work.content.len()));
    if session.take_room(bytes)? {
        let due = after(now, work.delay);
        let inserted = session.statement(ACCEPT)?.execute(params![
            work.space,
            work.key.as_str(),
            work.handler.event,
            work.handler.version,
            work.organisation,
            work.lane,
            work.blocks_lane && work.lane.is_some(),
            now,
            due,
            bytes,
        ])?;
        if inserted > 0 {
            let id = session.connection.last_insert_rowid();
            session.statement(KEEP)?.execute(params![id, &work.content[..]])?;
            return Ok(Acceptance::Accepted(RowId(id)));
        }
        session.forget_room();
    }
    let known = session.statement(KNOWN)?.query_row(params![work.space, work.key.as_str()], |row| row.get(0));
    Ok(known.optional()?.map_or(Acceptance::Full, |state| Acceptance::Known(state_of(state))))
}

/// The numbers that stand for a state in the file.
pub(super) fn numbers(state: RowState) -> RangeInclusive<i64> {
    match state {
        RowState::Behind => 0..=0,
        RowState::Waiting => 1..=3,
        RowState::Running => 4..=4,
        RowState::Dead => 5..=6,
        RowState::Done => 7..=7,
    }
}

pub(super) fn state_of(number: i64) -> RowState {
    RowState::ALL.iter().copied().find(|state| numbers(*state).contains(&number)).unwrap_or(RowState::Dead)
}

/// A row that can be claimed, or could where its handler is, or when it has become due.
const WAITING: &str = "
SELECT EXISTS (SELECT 1 FROM work WHERE space = ?1 AND state = 1)
  OR EXISTS (SELECT 1 FROM work WHERE space = ?1 AND state = 2 AND state >= 2 AND at <= ?2)
  OR EXISTS (SELECT 1 FROM work WHERE space = ?1 AND state = 3 AND state >= 2)";

/// Whether a claim may find a row: an idle process only looks, once a second.
pub(super) fn has_waiting(session: &mut Session<'_>, space: &str, now: Now) -> rusqlite::Result<bool> {
    session.statement(WAITING)?.query_row(params![space, millis(now)], |row| row.get(0))
}

/// Rows that have become due, at most a thousand at once.
const DUE: &str = "
UPDATE work SET state = CASE WHEN crashes >= 2 THEN 3 ELSE 1 END WHERE id IN (
  SELECT id FROM work WHERE space = ?1 AND state = 2 AND state >= 2 AND at <= ?2 ORDER BY at, id LIMIT 1000)";

const PAUSED: &str = "SELECT event FROM paused WHERE space = ?1 ORDER BY event";

const ALONE: &str = "
SELECT id, event, version FROM work WHERE space = ?1 AND state = 3 AND state >= 2 AND at <= ?2 ORDER BY at, id";

/// The oldest row of a handler in the first organisation from `?4`.
const HEAD: &str = "
SELECT organisation, at, id FROM work
WHERE space = ?1 AND event = ?2 AND version = ?3 AND organisation >= ?4 AND state = 1
ORDER BY organisation, at, id LIMIT 1";

const TAKE: &str = "
UPDATE work SET state = 4, attempts = attempts + 1, started = 0, token = ?2, at = ?3 WHERE id = ?1
RETURNING key, event, version, organisation, lane, attempts, crashes, accepted_at";

const CONTENT: &str = "SELECT sealed FROM content WHERE id = ?1";

/// Organisation, time and number: rows are claimed in this order.
type Head = (String, i64, i64);

pub(super) fn claim(
    session: &mut Session<'_>,
    request: &ClaimRequest,
    now: Now,
) -> rusqlite::Result<Vec<ClaimedWork>> {
    let (now, space) = (millis(now), &request.space);
    session.statement(DUE)?.execute(params![space, now])?;
    let handlers = claimable(session, request)?;
    let until = after(now, request.lease);
    if request.is_idle
        && request.limit > 0
        && let Some(id) = alone(session, space, &handlers, now)?
    {
        return Ok(vec![take(session, id, now, until)?]);
    }

    // The next row of each handler; the smallest is claimed, until there is none from the turn on, and again from the start.
    let mut claimed = Vec::new();
    let mut from = following(&request.after);
    let mut heads: Vec<Option<Head>> = heads(session, space, &handlers, &from)?;
    let mut is_round = false;
    while claimed.len() < request.limit {
        let Some((organisation, _, id)) = heads.iter().flatten().min().cloned() else {
            if is_round {
                break;
            }
            is_round = true;
            from = String::new();
            heads = self::heads(session, space, &handlers, &from)?;
            continue;
        };
        is_round = false;
        claimed.push(take(session, id, now, until)?);
        from = following(&organisation);
        for (head, handler) in heads.iter_mut().zip(&handlers) {
            if head.as_ref().is_some_and(|(next, ..)| *next == organisation) {
                *head = self::head(session, space, handler, &from)?;
            }
        }
    }
    Ok(claimed)
}

/// The first text after another one.
fn following(organisation: &str) -> String {
    format!("{organisation}\0")
}

fn heads(
    session: &mut Session<'_>,
    space: &str,
    handlers: &[&HandlerName],
    from: &str,
) -> rusqlite::Result<Vec<Option<Head>>> {
    handlers.iter().map(|handler| head(session, space, handler, from)).collect()
}

fn head(
    session: &mut Session<'_>,
    space: &str,
    handler: &HandlerName,
    from: &str,
) -> rusqlite::Result<Option<Head>> {
    let head = session.statement(HEAD)?;
    let values = params![space, handler.event, handler.version, from];
    head.query_row(values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
}

/// Whether a row is due that runs alone.
pub(super) fn waits_alone(
    session: &mut Session<'_>,
    request: &ClaimRequest,
    now: Now,
) -> rusqlite::Result<bool> {
    let (now, space) = (millis(now), &request.space);
    session.statement(DUE)?.execute(params![space, now])?;
    let handlers = claimable(session, request)?;
    Ok(alone(session, space, &handlers, now)?.is_some())
}

/// The handlers whose rows may be claimed.
fn claimable<'r>(
    session: &mut Session<'_>,
    request: &'r ClaimRequest,
) -> rusqlite::Result<Vec<&'r HandlerName>> {
    let paused = paused(session, &request.space)?;
    Ok(request.handlers.iter().filter(|handler| !paused.contains(&handler.event)).collect())
}

/// The first row that runs alone.
fn alone(
    session: &mut Session<'_>,
    space: &str,
    handlers: &[&HandlerName],
    now: i64,
) -> rusqlite::Result<Option<i64>> {
    let mut rows = session.statement(ALONE)?.query(params![space, now])?;
    while let Some(row) = rows.next()? {
        let handler = HandlerName { event: row.get(1)?, version: row.get(2)? };
        if handlers.contains(&&handler) {
            return row.get(0).map(Some);
        }
    }
    Ok(None)
}

fn take(session: &mut Session<'_>, id: i64, now: i64, until: i64) -> rusqlite::Result<ClaimedWork> {
    let token = LeaseToken::unique();
    let statement = session.statement(TAKE)?;
    let mut work = statement.query_row(params![id, token.to_string(), until], |row| {
        Ok(ClaimedWork {
            lease: WorkLease { id: RowId(id), token },
            key: DedupeKey::restored(row.get::<_, String>(0)?),
            handler: HandlerName { event: row.get(1)?, version: row.get(2)? },
            organisation: row.get(3)?,
            lane: row.get(4)?,
            attempt: row.get(5)?,
            crashes: row.get(6)?,
            age: Duration::from_millis(now.saturating_sub(row.get(7)?).max(0).unsigned_abs()),
            content: Bytes::new(),
        })
    })?;
    // A file that was recovered may have lost it: then the row rests as one that cannot be read.
    let content = session.statement(CONTENT)?.query_row([id], |row| row.get::<_, Vec<u8>>(0));
    work.content = content.optional()?.unwrap_or_default().into();
    Ok(work)
}

pub(super) fn paused(session: &mut Session<'_>, space: &str) -> rusqlite::Result<Vec<String>> {
    session.statement(PAUSED)?.query_map([space], |row| row.get(0))?.collect()
}
