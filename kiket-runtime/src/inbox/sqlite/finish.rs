//! Leases: renewing them, and what ends them.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, params};

use super::session::{Session, after, millis};
use crate::store::{
    LeaseState,
    inbox::{
        DEAD_AFTER, DEAD_RETENTION, DONE_RETENTION, DeadReason, Now, RowId, Swept, WorkEnd, WorkLease, short,
    },
};

const RENEW: &str = "
UPDATE work SET started = 1, at = ?4 WHERE id = ?1 AND state = 4 AND token = ?2 AND at > ?3";

pub(super) fn renew(
    session: &mut Session<'_>,
    leases: &[(WorkLease, Duration)],
    now: Now,
) -> rusqlite::Result<Vec<LeaseState>> {
    let now = millis(now);
    let mut states = Vec::with_capacity(leases.len());
    for (WorkLease { id: RowId(id), token }, lease) in leases {
        let values = params![id, token.to_string(), now, after(now, *lease)];
        states.push(LeaseState::held(session.statement(RENEW)?.execute(values)? > 0));
    }
    Ok(states)
}

/// What a row is to its lane.
pub(super) struct Place {
    pub(super) space: String,
    pub(super) lane: Option<String>,
}

const OWNED: &str = "SELECT state, at, space, lane, blocks_lane FROM work WHERE id = ?1 AND token = ?2";

/// A row stays the one of its last owner until it is claimed again, so that an end can be repeated.
const DONE: &str = "UPDATE work SET state = 7, at = ?2, bytes = 0, error = NULL WHERE id = ?1";
const RETRY: &str = "
UPDATE work SET state = CASE WHEN ?2 > ?3 THEN 2 WHEN crashes >= 2 THEN 3 ELSE 1 END, at = ?2, error = ?4 WHERE id = ?1";
const DIE: &str =
    "UPDATE work SET state = ?2, at = ?3, reason = ?4, error = coalesce(?5, error) WHERE id = ?1";

/// The row keeps a sign of the token, so that a release can be repeated.
const RELEASE: &str = "
UPDATE work SET state = CASE WHEN ?2 > ?3 THEN 2 WHEN crashes >= 2 THEN 3 ELSE 1 END, at = ?2,
  attempts = attempts - (state = 4), token = '-' || ?4
WHERE id = ?1 AND (token = ?4 AND state = 4 AND at > ?3 OR token = '-' || ?4 AND state >= 1 AND state <= 3)";

pub(super) fn finish(
    session: &mut Session<'_>,
    WorkLease { id: RowId(id), token }: WorkLease,
    end: &WorkEnd,
    now: Now,
) -> rusqlite::Result<LeaseState> {
    let now = millis(now);
    let owned = session.statement(OWNED)?.query_row(params![id, token.to_string()], |row| {
        Ok((row.get(0)?, row.get(1)?, Place { space: row.get(2)?, lane: row.get(3)? }, row.get(4)?))
    });
    let (place, blocks) = match owned.optional()? {
        Some((RUNNING, until, place, blocks)) if now < until => (place, blocks),
        Some((state, ..)) => return Ok(LeaseState::held(state != RUNNING)),
        None => return Ok(LeaseState::Lost),
    };
    match end {
        WorkEnd::Done => {
            session.statement(DONE)?.execute(params![id, now])?;
            advance(session, &place, now)?;
        }
        WorkEnd::Retry { delay, error } => {
            session.statement(RETRY)?.execute(params![id, after(now, *delay), now, short(error)])?;
        }
        WorkEnd::Dead { reason, error } => die(session, id, *reason, Some(error), (&place, blocks), now)?,
    }
    Ok(LeaseState::Held)
}

const RUNNING: i64 = 4;

fn die(
    session: &mut Session<'_>,
    id: i64,
    reason: DeadReason,
    error: Option<&str>,
    (place, blocks): (&Place, bool),
    now: i64,
) -> rusqlite::Result<()> {
    let state = if blocks { 5 } else { 6 };
    session.statement(DIE)?.execute(params![id, state, now, reason.as_str(), error.map(short)])?;
    if blocks { Ok(()) } else { advance(session, place, now) }
}

pub(super) fn release(
    session: &mut Session<'_>,
    WorkLease { id: RowId(id), token }: WorkLease,
    delay: Duration,
    now: Now,
) -> rusqlite::Result<LeaseState> {
    let now = millis(now);
    let values = params![id, after(now, delay), now, token.to_string()];
    Ok(LeaseState::held(session.statement(RELEASE)?.execute(values)? > 0))
}

/// The first row that is behind, unless another one has the lane.
const ADVANCE: &str = "
UPDATE work SET state = CASE WHEN at > ?3 THEN 2 WHEN crashes >= 2 THEN 3 ELSE 1 END WHERE id = (
  SELECT id FROM work WHERE space = ?1 AND lane = ?2 AND state = 0 AND state <= 5 ORDER BY id LIMIT 1)
AND NOT EXISTS (SELECT 1 FROM work WHERE space = ?1 AND lane = ?2 AND state >= 1 AND state <= 5)";

/// Promotes the next row of a lane, if it has to be.
pub(super) fn advance(session: &mut Session<'_>, place: &Place, now: i64) -> rusqlite::Result<()> {
    if let Some(lane) = &place.lane {
        session.statement(ADVANCE)?.execute(params![place.space, lane, now])?;
    }
    Ok(())
}

const EXPIRED: &str = "
SELECT id, crashes + started, lane, blocks_lane FROM work
WHERE space = ?1 AND state = 4 AND state >= 2 AND at <= ?2 ORDER BY at, id LIMIT 1000";

const EXPIRE: &str = "
UPDATE work SET state = CASE WHEN ?2 >= 2 THEN 3 ELSE 1 END, crashes = ?2, attempts = max(attempts - 1 + started, 0),
  started = 0, token = NULL, at = ?3 WHERE id = ?1";
const CRASHED: &str = "UPDATE work SET crashes = ?2, started = 0, token = NULL WHERE id = ?1";

const OVER: &str = "
DELETE FROM work WHERE id IN (
  SELECT id FROM work WHERE space = ?1 AND state = ?2 AND state >= 2 AND at <= ?3 ORDER BY at, id LIMIT ?4)
RETURNING lane";

const ANY_OVER: &str = "
SELECT EXISTS (SELECT 1 FROM work WHERE space = ?1 AND state = 4 AND state >= 2 AND at <= ?2)
  OR EXISTS (SELECT 1 FROM work WHERE space = ?1 AND state = 7 AND state >= 2 AND at <= ?3)
  OR EXISTS (SELECT 1 FROM work WHERE space = ?1 AND state = 6 AND state >= 2 AND at <= ?4)
  OR EXISTS (SELECT 1 FROM work WHERE space = ?1 AND state = 5 AND state >= 2 AND at <= ?4)";

/// Whether a lease or a retention is over.
pub(super) fn has_over(session: &mut Session<'_>, space: &str, now: Now) -> rusqlite::Result<bool> {
    let now = millis(now);
    let values = params![space, now, now - after(0, DONE_RETENTION), now - after(0, DEAD_RETENTION)];
    session.statement(ANY_OVER)?.query_row(values, |row| row.get(0))
}

pub(super) fn promote(session: &mut Session<'_>, space: &str, now: Now) -> rusqlite::Result<Swept> {
    let now = millis(now);
    let mut swept = Swept::default();
    let expired = session
        .statement(EXPIRED)?
        .query_map(params![space, now], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let expired: Vec<(i64, u32, Option<String>, bool)> = expired.collect::<rusqlite::Result<_>>()?;
    for (id, crashes, lane, blocks) in expired {
        if crashes < DEAD_AFTER {
            session.statement(EXPIRE)?.execute(params![id, crashes, now])?;
            swept.expired += 1;
        } else {
            session.statement(CRASHED)?.execute(params![id, crashes])?;
            let place = Place { space: space.to_owned(), lane };
            die(session, id, DeadReason::Crashed, None, (&place, blocks), now)?;
            swept.crashed += 1;
        }
    }
    for (state, retention) in [(7, DONE_RETENTION), (6, DEAD_RETENTION), (5, DEAD_RETENTION)] {
        // Few of those with contents: nothing is accepted meanwhile.
        let most = if state == 7 { 1000 } else { 100 };
        let values = params![space, state, now - after(0, retention), most];
        let removed = session.statement(OVER)?.query_map(values, |row| row.get(0))?;
        let lanes: Vec<Option<String>> = removed.collect::<rusqlite::Result<_>>()?;
        swept.removed += lanes.len() as u64;
        // Only what blocked its lane frees it.
        for lane in lanes.into_iter().filter(|_| state == 5) {
            advance(session, &Place { space: space.to_owned(), lane }, now)?;
        }
    }
    Ok(swept)
}
