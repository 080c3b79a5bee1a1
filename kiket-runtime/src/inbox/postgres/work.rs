//! Rows on their way: accepted, claimed, renewed, finished, released.

use std::{sync::Arc, time::Duration};

use futures_util::future::join4;
use tokio_postgres::Row;

use super::{
    statements::{ACCEPT, CLAIM, FINISH, HELD, LOCK, NEXT, OWN_DONE, OWN_LOCK, OWN_NEXT, RENEW, STATE},
    texts::{self, Unreadable, at, duration, indexed, millis, read},
};
use crate::{
    dedupe::postgres::{
        param::{Param, Statement, params},
        server::{Params, Server},
        transactions::{Failure, Open},
    },
    inbox::{
        Acceptance, ClaimRequest, ClaimedWork, HandlerName, NewWork, Now, RowId, RowState, WorkEnd, WorkLease,
    },
    store::{DedupeKey, LeaseState, LeaseToken, StoreError},
};

/// How often a row is tried to be added that was there and is not found.
const TRIES: usize = 3;

pub(super) async fn accept(server: &Server, work: &NewWork, now: Now) -> Result<Acceptance, StoreError> {
    let lane = work.lane.as_deref().map(indexed);
    let lanes = lane.clone().map(|lane| params![0_i64, &work.space, vec![lane.into_owned()]]);
    let params = params![
        at(now),
        &work.space,
        work.key.as_str(),
        &work.handler.event,
        &work.handler.version,
        &*indexed(&work.organisation),
        lane.as_deref(),
        work.blocks_lane && lane.is_some(),
        millis(work.delay),
        work.content.clone(),
    ];
    let values: (Option<Params>, Params) = (lanes.map(Into::into), params.into());
    for _ in 0..TRIES {
        let accepting = server.step(values.clone(), |connections, (lanes, params)| async move {
            let Some(lanes) = lanes else { return connections.all(ACCEPT, &params).await };
            let mut rows = connections.together(&[(LOCK, &lanes), (ACCEPT, &params)]).await?;
            Ok(rows.pop().unwrap_or_default())
        });
        if let Some(accepted) = read(&accepting.await?, accepted)?.pop() {
            return Ok(accepted);
        }
    }
    Err(StoreError::new("a row of the inbox appears and disappears")
        .mend("see what else writes `kiket_inbox`"))
}

fn accepted(row: &Row) -> Result<Acceptance, Unreadable> {
    Ok(match row.try_get::<_, Option<&str>>(1)? {
        Some(state) => Acceptance::Known(state.parse()?),
        None => Acceptance::Accepted(RowId(row.try_get(0)?)),
    })
}

/// The state of the row that has the key of `work`.
pub(super) async fn state(server: &Server, work: &NewWork) -> Result<Option<RowState>, StoreError> {
    let rows = server.all(STATE, params![&work.space, work.key.as_str()]).await?;
    Ok(read(&rows, |row| Ok(row.try_get::<_, &str>(0)?.parse()?))?.pop())
}

/// So many candidates more than rows are claimed: others may take some at the same moment.
const SPARE: i64 = 8;

pub(super) async fn claim(
    server: &Server,
    request: &ClaimRequest,
    now: Now,
) -> Result<Vec<ClaimedWork>, StoreError> {
    if request.limit == 0 || request.handlers.is_empty() {
        return Ok(Vec::new());
    }
    let (request, now) = (Arc::new(request.clone()), at(now));
    let claiming = server.step(request, move |connections, request| async move {
        // Tokens of its own for each try: the rows of one whose result was lost have no owner.
        let tokens: Vec<_> = (0..request.limit).map(|_| LeaseToken::unique().to_string()).collect();
        let (events, versions) = names(&request);
        let limit = i64::try_from(request.limit).unwrap_or(i64::MAX - SPARE);
        let params = params![
            now,
            &request.space,
            events,
            versions,
            &request.after,
            request.is_idle,
            tokens,
            limit + SPARE,
            limit,
            millis(request.lease),
        ];
        connections.all(CLAIM, &params).await
    });
    let mut claimed = read(&claiming.await?, claimed)?;
    claimed.sort_by_key(|(place, _)| *place);
    Ok(claimed.into_iter().map(|(_, work)| work).collect())
}

/// The events and the versions of the handlers.
pub(super) fn names(request: &ClaimRequest) -> (Vec<String>, Vec<String>) {
    request.handlers.iter().map(|handler| (handler.event.clone(), handler.version.clone())).unzip()
}

/// A claimed row, and its place among those of its claim.
fn claimed(row: &Row) -> Result<(i64, ClaimedWork), Unreadable> {
    let count = |name| Ok::<_, Unreadable>(row.try_get::<_, i32>(name)?.max(0).unsigned_abs());
    let work = ClaimedWork {
        lease: WorkLease { id: RowId(row.try_get("id")?), token: row.try_get::<_, &str>("token")?.parse()? },
        key: DedupeKey::restored(row.try_get::<_, String>("key")?),
        handler: HandlerName { event: row.try_get("event")?, version: row.try_get("version")? },
        organisation: row.try_get("organisation")?,
        lane: row.try_get("lane")?,
        attempt: count("attempts")?,
        crashes: count("crashes")?,
        age: duration(row.try_get("age")?),
        content: row.try_get::<_, Option<Vec<u8>>>("content")?.unwrap_or_default().into(),
    };
    Ok((row.try_get("place")?, work))
}

pub(super) async fn renew(
    server: &Server,
    leases: &[(WorkLease, Duration)],
    now: Now,
) -> Result<Vec<LeaseState>, StoreError> {
    let (ids, times): (Vec<_>, Vec<_>) =
        leases.iter().map(|(lease, time)| (lease.id.0, millis(*time))).unzip();
    let tokens: Vec<_> = leases.iter().map(|(lease, _)| lease.token.to_string()).collect();
    let params: Params = params![at(now), ids, tokens, times].into();
    let renewing = server.step((params, leases.len()), |connections, (params, count)| async move {
        let mut rows = connections.all(RENEW, &params).await?;
        if rows.len() < count {
            rows.extend(connections.all(HELD, params.get(..3).unwrap_or_default()).await?);
        }
        Ok(rows)
    });
    let held: Vec<(i64, String)> = read(&renewing.await?, |row| Ok((row.try_get(0)?, row.try_get(1)?)))?;
    Ok(leases
        .iter()
        .map(|(lease, _)| LeaseState::held(held.contains(&(lease.id.0, lease.token.to_string()))))
        .collect())
}

pub(super) async fn finish(
    server: &Server,
    lease: &WorkLease,
    end: &WorkEnd,
    now: Now,
) -> Result<LeaseState, StoreError> {
    let [free, locked]: [Params; 2] = [false, true].map(|locked| ending(lease, end, now, locked).into());
    let values = (free, locked, lane_of(lease));
    let finishing = server.step(values, |connections, (free, locked, lane)| async move {
        let rows = connections.all(FINISH, &free).await?;
        let in_lane = rows.first().map_or(Ok(false), |row| row.try_get("in_lane"))?;
        if !in_lane {
            return Ok(is_ended(&rows)?);
        }
        let steps = [(LOCK, &lane[..]), (FINISH, &locked), (NEXT, &lane)];
        Ok(is_ended(&connections.together(&steps).await?.swap_remove(1))?)
    });
    finishing.await.map(LeaseState::held)
}

/// Ends an attempt in a transaction that is open: the row is done when that is committed. Whether the lease is held.
pub(crate) async fn finish_within(open: &Open, lease: &WorkLease, now: Now) -> Result<bool, Failure> {
    let (lane, values) = (lane_of(lease), ending(lease, &WorkEnd::Done, now, true));
    let (ending, locked, ended, promoted) =
        join4(open.ending(), open.query(LOCK, &lane), open.query(FINISH, &values), open.query(NEXT, &lane))
            .await;
    ending?;
    locked?;
    let ended = ended?;
    promoted?;
    Ok(is_ended(&ended)?)
}

/// The statements that end an attempt in a transaction of another library.
pub(crate) fn statements_of(lease: &WorkLease, now: Now) -> [Statement; 3] {
    let id = lease.id.0;
    let done = params![id, lease.token.to_string(), at(now)].into();
    [
        Statement { sql: OWN_LOCK, params: params![id].into(), rows: None },
        Statement { sql: OWN_DONE, params: done, rows: Some(1) },
        Statement { sql: OWN_NEXT, params: params![id].into(), rows: None },
    ]
}

/// The values of `FINISH`; `locked` is whether the lock of the row's lane is held, if it has one.
fn ending(lease: &WorkLease, end: &WorkEnd, now: Now, locked: bool) -> [Param; 8] {
    let (state, reason, delay, error) = match end {
        WorkEnd::Done => (RowState::Done, None, Duration::ZERO, None),
        WorkEnd::Retry { delay, error } => (RowState::Waiting, None, *delay, Some(texts::error(error))),
        WorkEnd::Dead { reason, error } => {
            (RowState::Dead, Some(reason.as_str()), Duration::ZERO, Some(texts::error(error)))
        }
    };
    let (id, token, state) = (lease.id.0, lease.token.to_string(), state.as_str());
    params![at(now), id, token, state, reason, millis(delay), error, locked]
}

/// The values of `LOCK` and `NEXT`, for the lane of a row.
fn lane_of(lease: &WorkLease) -> [Param; 3] {
    params![lease.id.0, "", Vec::<String>::new()]
}

/// Whether an attempt is ended, now or before.
fn is_ended(rows: &[Row]) -> Result<bool, tokio_postgres::Error> {
    rows.first().map_or(Ok(false), |row| Ok(row.try_get("ended")? || row.try_get("repeated")?))
}
