//! Rows on their way: accepted, claimed, renewed, finished, released.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::join4;
use tokio_postgres::{Row, types::Type};

use super::{
    statements::{
        ACCEPT, CLAIM, FINISH, HELD, LOCK, NEXT, OWN_DONE, OWN_LOCK, OWN_NEXT, RELEASE, RENEW, STATE,
        WAITS_ALONE,
    },
    texts::{self, at, duration, indexed, millis, unknown},
};
use crate::{
    dedupe::postgres::{
        confidential::Confidential,
        connections::Value,
        server::Server,
        transactions::{Failure, Open},
    },
    inbox::{
        Acceptance, ClaimRequest, ClaimedWork, HandlerName, NewWork, RowId, RowState, WorkEnd, WorkLease,
    },
    store::{DedupeKey, LeaseState, LeaseToken, StoreError},
};

/// How often a row is tried to be added that was there and is not found.
const TRIES: usize = 3;

pub(super) async fn accept(
    server: &Server,
    work: &NewWork,
    now: Option<SystemTime>,
) -> Result<Acceptance, StoreError> {
    let (work, now) = (Arc::new(work.clone()), at(now));
    for _ in 0..TRIES {
        let work = Arc::clone(&work);
        let accepting = server.step(move |connections| {
            let work = Arc::clone(&work);
            async move {
                let delay = millis(work.delay);
                let organisation = indexed(&work.organisation);
                let lane = work.lane.as_deref().map(indexed);
                let blocks_lane = work.blocks_lane && lane.is_some();
                let content = Confidential(&work.content);
                let values: [Value<'_>; 10] = [
                    (&now, Type::INT8),
                    (&work.space, Type::TEXT),
                    (&work.key.as_str(), Type::TEXT),
                    (&work.handler.event, Type::TEXT),
                    (&work.handler.version, Type::TEXT),
                    (&organisation, Type::TEXT),
                    (&lane, Type::TEXT),
                    (&blocks_lane, Type::BOOL),
                    (&delay, Type::INT8),
                    (&content, Type::BYTEA),
                ];
                let Some(lane) = &lane else { return connections.all(ACCEPT, &values).await };
                let lanes = [lane];
                let locked: [Value<'_>; 3] =
                    [(&0i64, Type::INT8), (&work.space, Type::TEXT), (&&lanes[..], Type::TEXT_ARRAY)];
                let mut rows = connections.together(&[(LOCK, &locked), (ACCEPT, &values)]).await?;
                Ok(rows.pop().unwrap_or_default())
            }
        });
        if let Some(row) = accepting.await?.first() {
            return accepted(row);
        }
    }
    Err(StoreError::new("a row of the inbox appears and disappears")
        .mend("see what else writes `kiket_inbox`"))
}

fn accepted(row: &Row) -> Result<Acceptance, StoreError> {
    let read = || Ok::<_, tokio_postgres::Error>((row.try_get(0)?, row.try_get::<_, Option<&str>>(1)?));
    match read() {
        Ok((id, None)) => Ok(Acceptance::Accepted(RowId(id))),
        Ok((_, Some(state))) => Ok(Acceptance::Known(state.parse().map_err(|_| unknown())?)),
        Err(error) => Err(unknown().because(error)),
    }
}

/// The state of the row that has the key of `work`.
pub(super) async fn state(server: &Server, work: &NewWork) -> Result<Option<RowState>, StoreError> {
    let key = Arc::new((work.space.clone(), work.key.clone()));
    let found = server.step(move |connections| {
        let key = Arc::clone(&key);
        async move {
            let rows = connections.all(STATE, &[(&key.0, Type::TEXT), (&key.1.as_str(), Type::TEXT)]).await?;
            rows.first().map(|row| Ok(row.try_get::<_, String>(0)?)).transpose()
        }
    });
    found.await?.map(|state| state.parse().map_err(|_| unknown())).transpose()
}

/// So many candidates more than rows are claimed: others may take some at the same moment.
const SPARE: i64 = 8;

pub(super) async fn claim(
    server: &Server,
    request: &ClaimRequest,
    now: Option<SystemTime>,
) -> Result<Vec<ClaimedWork>, StoreError> {
    if request.limit == 0 || request.handlers.is_empty() {
        return Ok(Vec::new());
    }
    let (request, now) = (Arc::new(request.clone()), at(now));
    let claiming = server.step(move |connections| {
        let request = Arc::clone(&request);
        async move {
            let (events, versions) = names(&request);
            // Tokens of its own for each try: the rows of one whose result was lost have no owner.
            let tokens: Vec<_> = (0..request.limit).map(|_| LeaseToken::unique().to_string()).collect();
            let limit = i64::try_from(request.limit).unwrap_or(i64::MAX - SPARE);
            let (candidates, lease) = (limit + SPARE, millis(request.lease));
            let values: [Value<'_>; 10] = [
                (&now, Type::INT8),
                (&request.space, Type::TEXT),
                (&events, Type::TEXT_ARRAY),
                (&versions, Type::TEXT_ARRAY),
                (&request.after, Type::TEXT),
                (&request.is_idle, Type::BOOL),
                (&tokens, Type::TEXT_ARRAY),
                (&candidates, Type::INT8),
                (&limit, Type::INT8),
                (&lease, Type::INT8),
            ];
            connections.all(CLAIM, &values).await
        }
    });
    let rows = claiming.await?;
    let claimed: Result<Vec<_>, _> = rows.iter().map(claimed).collect();
    let mut claimed = claimed.map_err(|error| unknown().because(error))?;
    claimed.sort_by_key(|(place, _)| *place);
    claimed.into_iter().map(|(_, work)| work).collect()
}

pub(super) async fn waits_alone(
    server: &Server,
    request: &ClaimRequest,
    now: Option<SystemTime>,
) -> Result<bool, StoreError> {
    let (request, now) = (Arc::new(request.clone()), at(now));
    let asking = server.step(move |connections| {
        let request = Arc::clone(&request);
        async move {
            let (events, versions) = names(&request);
            let values: [Value<'_>; 4] = [
                (&now, Type::INT8),
                (&request.space, Type::TEXT),
                (&events, Type::TEXT_ARRAY),
                (&versions, Type::TEXT_ARRAY),
            ];
            Ok(connections.one(WAITS_ALONE, &values).await?.try_get("waits")?)
        }
    });
    asking.await
}

/// The events and the versions of the handlers.
fn names(request: &ClaimRequest) -> (Vec<&str>, Vec<&str>) {
    request.handlers.iter().map(|handler| (&*handler.event, &*handler.version)).unzip()
}

fn claimed(row: &Row) -> Result<(i64, Result<ClaimedWork, StoreError>), tokio_postgres::Error> {
    let token: &str = row.try_get("token")?;
    let Ok(token) = token.parse() else { return Ok((0, Err(unknown()))) };
    let count = |name| Ok::<_, tokio_postgres::Error>(row.try_get::<_, i32>(name)?.max(0).unsigned_abs());
    let work = ClaimedWork {
        lease: WorkLease { id: RowId(row.try_get("id")?), token },
        key: DedupeKey::restored(row.try_get::<_, String>("key")?),
        handler: HandlerName { event: row.try_get("event")?, version: row.try_get("version")? },
        organisation: row.try_get("organisation")?,
        lane: row.try_get("lane")?,
        attempt: count("attempts")?,
        crashes: count("crashes")?,
        age: duration(row.try_get("age")?),
        content: row.try_get::<_, Option<Vec<u8>>>("content")?.unwrap_or_default().into(),
    };
    Ok((row.try_get("place")?, Ok(work)))
}

pub(super) async fn renew(
    server: &Server,
    leases: &[(WorkLease, Duration)],
    now: Option<SystemTime>,
) -> Result<Vec<LeaseState>, StoreError> {
    let ids: Arc<[i64]> = leases.iter().map(|(lease, _)| lease.id.0).collect();
    let tokens: Arc<[String]> = leases.iter().map(|(lease, _)| lease.token.to_string()).collect();
    let times: Arc<[i64]> = leases.iter().map(|(_, time)| millis(*time)).collect();
    let now = at(now);
    let renewing = server.step(move |connections| {
        let (ids, tokens, times) = (Arc::clone(&ids), Arc::clone(&tokens), Arc::clone(&times));
        async move {
            let values: [Value<'_>; 4] = [
                (&now, Type::INT8),
                (&&*ids, Type::INT8_ARRAY),
                (&&*tokens, Type::TEXT_ARRAY),
                (&&*times, Type::INT8_ARRAY),
            ];
            let mut rows = connections.all(RENEW, &values).await?;
            if rows.len() < ids.len() {
                rows.extend(connections.all(HELD, values.get(..3).unwrap_or_default()).await?);
            }
            let held = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
            Ok(held.collect::<Result<Vec<(i64, String)>, tokio_postgres::Error>>()?)
        }
    });
    let held = renewing.await?;
    Ok(leases
        .iter()
        .map(|(lease, _)| ownership(held.contains(&(lease.id.0, lease.token.to_string()))))
        .collect())
}

pub(super) async fn finish(
    server: &Server,
    lease: &WorkLease,
    end: &WorkEnd,
    now: Option<SystemTime>,
) -> Result<LeaseState, StoreError> {
    let ending = Arc::new(Ending::new(lease, end, now));
    let finishing = server.step(move |connections| {
        let ending = Arc::clone(&ending);
        async move {
            let mut lane = false;
            loop {
                let values = ending.values(&lane);
                let found = if lane {
                    let lanes = ending.lanes();
                    let steps = [(LOCK, &lanes[..]), (FINISH, &values), (NEXT, &lanes)];
                    connections.together(&steps).await?.swap_remove(1).pop()
                } else {
                    connections.all(FINISH, &values).await?.pop()
                };
                let Some(found) = found else { return Ok(false) };
                if found.try_get("in_lane")? {
                    lane = true;
                    continue;
                }
                return Ok(found.try_get("ended")? || found.try_get("repeated")?);
            }
        }
    });
    finishing.await.map(ownership)
}

/// Ends an attempt in a transaction that is open: the row is done when that is committed. Whether the lease is held.
pub(crate) async fn finish_within(
    open: &Open,
    lease: &WorkLease,
    now: Option<SystemTime>,
) -> Result<bool, Failure> {
    let ending = Ending::new(lease, &WorkEnd::Done, now);
    let (lanes, values) = (ending.lanes(), ending.values(&true));
    let (ending, locked, ended, promoted) =
        join4(open.ending(), open.query(LOCK, &lanes), open.query(FINISH, &values), open.query(NEXT, &lanes))
            .await;
    ending?;
    locked?;
    let ended = ended?.pop();
    promoted?;
    let Some(ended) = ended else { return Ok(false) };
    Ok(ended.try_get("ended")? || ended.try_get("repeated")?)
}

/// The statements that end an attempt in a transaction of another library: before, the one that changes one row, and after. Their
/// values are the number of the row, its token, and the time of tests.
pub(crate) fn statements_of(
    lease: &WorkLease,
    now: Option<SystemTime>,
) -> ([&'static str; 3], i64, String, Option<i64>) {
    ([OWN_LOCK, OWN_DONE, OWN_NEXT], lease.id.0, lease.token.to_string(), at(now))
}

/// The end of an attempt, as the table has it.
struct Ending {
    id: i64,
    token: String,
    now: Option<i64>,
    state: &'static str,
    reason: Option<&'static str>,
    delay: i64,
    error: Option<String>,
}

impl Ending {
    fn new(lease: &WorkLease, end: &WorkEnd, now: Option<SystemTime>) -> Self {
        let (state, reason, delay, error) = match end {
            WorkEnd::Done => (RowState::Done, None, Duration::ZERO, None),
            WorkEnd::Retry { delay, error } => (RowState::Waiting, None, *delay, Some(texts::error(error))),
            WorkEnd::Dead { reason, error } => {
                (RowState::Dead, Some(reason.as_str()), Duration::ZERO, Some(texts::error(error)))
            }
        };
        let (id, token, state) = (lease.id.0, lease.token.to_string(), state.as_str());
        Self { id, token, now: at(now), state, reason, delay: millis(delay), error }
    }

    /// The values of `FINISH`; `lane` is whether the lock of the row's lane is held, if it has one.
    fn values<'v>(&'v self, lane: &'v bool) -> [Value<'v>; 8] {
        [
            (&self.now, Type::INT8),
            (&self.id, Type::INT8),
            (&self.token, Type::TEXT),
            (&self.state, Type::TEXT),
            (&self.reason, Type::TEXT),
            (&self.delay, Type::INT8),
            (&self.error, Type::TEXT),
            (lane, Type::BOOL),
        ]
    }

    /// The values of `LOCK` and `NEXT`, for the lane of this row.
    fn lanes(&self) -> [Value<'_>; 3] {
        const NO_SPACE: &str = "";
        const NO_LANES: &[&str] = &[];
        [(&self.id, Type::INT8), (&NO_SPACE, Type::TEXT), (&NO_LANES, Type::TEXT_ARRAY)]
    }
}

pub(super) async fn release(
    server: &Server,
    lease: &WorkLease,
    delay: Duration,
    now: Option<SystemTime>,
) -> Result<LeaseState, StoreError> {
    let (lease, delay, now) = (*lease, millis(delay), at(now));
    let releasing = server.step(move |connections| async move {
        let token = lease.token.to_string();
        let values: [Value<'_>; 4] =
            [(&now, Type::INT8), (&lease.id.0, Type::INT8), (&token, Type::TEXT), (&delay, Type::INT8)];
        connections.execute(RELEASE, &values).await
    });
    releasing.await.map(|rows| ownership(rows > 0))
}

fn ownership(held: bool) -> LeaseState {
    if held { LeaseState::Held } else { LeaseState::Lost }
}
