//! `MemoryInbox`: an inbox in memory, which a `TestExtension` has unless it was given another one.

use std::{
    collections::BTreeMap,
    fmt,
    future::ready,
    sync::Arc,
    time::{Duration, SystemTime},
};

use kiket_runtime::{
    config::Clock,
    dedupe::{LeaseState, LeaseToken, StoreError, StoreErrorKind},
    inbox::{
        Acceptance, ClaimRequest, ClaimedWork, DeadReason, Inbox, InboxCount, InboxFilter, InboxRow, NewWork,
        Now, Redrive, RowId, RowState, Swept, WorkEnd, WorkLease,
    },
    internals::Mutex,
};

use super::rows::{CRASHES, RETENTION, Row, Rows};

/// An inbox in memory, for tests. Clones are the same inbox, so that two extensions may share it like two processes.
///
/// ```
/// use kiket_runtime::{Extension, Handler, handler::Later};
/// use kiket_testing::{MemoryInbox, TestExtension, delivery};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), kiket_runtime::StartupError> {
/// let inbox = MemoryInbox::default();
/// let handler = Handler::new("issue.created", "v1", async || {}).later(Later::new());
/// let builder = Extension::builder().id("com.example.index").handler(handler);
/// let extension = TestExtension::new(builder.inbox(|options| options.store(inbox.clone())))?;
/// inbox.set_down(true);
/// let response = extension.deliver(delivery("issue.created", "v1", &json!({ "id": "evt_1" }))).await;
/// assert_eq!((response.status(), &response.json()["code"]), (503, &json!("inbox_down")));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct MemoryInbox(Arc<Mutex<Rows>>);

type Step<'s, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 's>>;

impl MemoryInbox {
    /// Lets every operation fail, as those of a server that is down do, or no more.
    pub fn set_down(&self, is_down: bool) {
        self.0.lock().is_down = is_down;
    }

    /// Limits the rows, done and dead ones too: above that, deliveries are refused with 503.
    pub fn set_limit(&self, rows: usize) {
        self.0.lock().limit = Some(rows);
    }

    fn with<'s, T: Send + 's>(&self, step: impl FnOnce(&mut Rows) -> T) -> Step<'s, T> {
        let mut rows = self.0.lock();
        let down = || StoreError::new("the inbox is down").with_kind(StoreErrorKind::Unreachable);
        let done = if rows.is_down { Err(down()) } else { Ok(step(&mut rows)) };
        Box::pin(ready(done))
    }
}

/// How many rows it has.
impl fmt::Debug for MemoryInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryInbox({} rows)", self.0.lock().all.len())
    }
}

/// The time of an operation.
fn at(now: Now) -> SystemTime {
    now.unwrap_or_else(|| Clock::system().now())
}

impl Inbox for MemoryInbox {
    fn accept<'s>(&'s self, work: &'s NewWork, now: Now) -> Step<'s, Acceptance> {
        self.with(|all| {
            let known = all.all.values().find(|row| row.work.space == work.space && row.work.key == work.key);
            if let Some(row) = known {
                return Acceptance::Known(row.state);
            }
            if all.limit.is_some_and(|limit| all.all.len() >= limit) {
                return Acceptance::Full;
            }
            let is_behind = work.lane.as_ref().is_some_and(|lane| {
                let behind = |row: &Row| {
                    row.work.space == work.space
                        && row.work.lane.as_ref() == Some(lane)
                        && (row.holds_lane() || row.state == RowState::Behind)
                };
                all.all.values().any(behind)
            });
            all.next += 1;
            let (id, due) = (RowId(all.next), at(now) + work.delay);
            all.now = now;
            let row = Row {
                work: work.clone(),
                state: if is_behind { RowState::Behind } else { RowState::Waiting },
                reason: None,
                attempts: 0,
                crashes: 0,
                accepted_at: due,
                at: due,
                token: None,
                released: None,
                has_started: false,
                error: None,
            };
            all.all.insert(id, row);
            Acceptance::Accepted(id)
        })
    }

    fn claim<'s>(&'s self, request: &'s ClaimRequest, now: Now) -> Step<'s, Vec<ClaimedWork>> {
        self.with(|all| {
            all.now = now;
            let (now, ids) = (at(now), all.claim(request, at(now)));
            let claimed = ids.into_iter().filter_map(|id| {
                let row = all.all.get_mut(&id)?;
                let token = LeaseToken::unique();
                (row.attempts, row.released) = (row.attempts + 1, None);
                (row.state, row.at, row.token, row.has_started) =
                    (RowState::Running, now + request.lease, Some(token), false);
                let work = row.work.clone();
                let lease = WorkLease::new(id, token);
                let mut claimed =
                    ClaimedWork::new(lease, work.key, work.handler, work.organisation, work.content);
                (claimed.lane, claimed.attempt, claimed.crashes) = (work.lane, row.attempts, row.crashes);
                claimed.age = now.duration_since(row.accepted_at).unwrap_or_default();
                Some(claimed)
            });
            claimed.collect()
        })
    }

    fn waits_alone<'s>(&'s self, request: &'s ClaimRequest, now: Now) -> Step<'s, bool> {
        self.with(|all| all.alone(request, at(now)).is_some())
    }

    fn renew<'s>(&'s self, leases: &'s [(WorkLease, Duration)], now: Now) -> Step<'s, Vec<LeaseState>> {
        let now = at(now);
        self.with(|all| {
            let mut renew = |lease, length| match all.held(lease, now) {
                Some(row) => {
                    (row.at, row.has_started) = (now + length, true);
                    LeaseState::Held
                }
                None => LeaseState::Lost,
            };
            leases.iter().map(|(lease, length)| renew(lease, *length)).collect()
        })
    }

    fn finish<'s>(&'s self, lease: &'s WorkLease, end: &'s WorkEnd, now: Now) -> Step<'s, LeaseState> {
        let now = at(now);
        self.with(|all| {
            if all.has_ended(lease) {
                return LeaseState::Held;
            }
            let Some(row) = all.held(lease, now) else { return LeaseState::Lost };
            match end {
                WorkEnd::Retry { delay, error } => {
                    row.end(RowState::Waiting, now + *delay, Some(error.clone()));
                }
                WorkEnd::Dead { reason, error } => {
                    row.reason = Some(*reason);
                    row.end(RowState::Dead, now, Some(error.clone()));
                }
                _ => {
                    (row.work.content, row.error) = (bytes::Bytes::new(), None);
                    row.end(RowState::Done, now, None);
                }
            }
            let work = row.work.clone();
            all.promote_next(&work.space, work.lane.as_deref());
            LeaseState::Held
        })
    }

    fn release<'s>(&'s self, lease: &'s WorkLease, delay: Duration, now: Now) -> Step<'s, LeaseState> {
        let now = at(now);
        self.with(|all| {
            if let Some(row) = all.held(lease, now) {
                row.attempts = row.attempts.saturating_sub(1);
                (row.token, row.released) = (None, Some(lease.token));
                row.end(RowState::Waiting, now + delay, None);
            }
            let released = all.all.get(&lease.id).is_some_and(|row| row.released == Some(lease.token));
            if released { LeaseState::Held } else { LeaseState::Lost }
        })
    }

    fn promote<'s>(&'s self, space: &'s str, now: Now) -> Step<'s, Swept> {
        self.with(|all| {
            all.now = now;
            let (now, mut swept) = (at(now), Swept::default());
            let mut ended = Vec::new();
            for row in all.all.values_mut().filter(|row| row.work.space == space) {
                if row.state != RowState::Running || now < row.at {
                    continue;
                }
                row.token = None;
                row.crashes += u32::from(row.has_started);
                row.attempts -= u32::from(!row.has_started);
                if row.crashes >= CRASHES.1 {
                    row.reason = Some(DeadReason::Crashed);
                    row.end(RowState::Dead, now, None);
                    swept.crashed += 1;
                    ended.push(row.work.clone());
                } else {
                    row.end(RowState::Waiting, now, None);
                    swept.expired += 1;
                }
            }
            for work in ended {
                all.promote_next(&work.space, work.lane.as_deref());
            }
            let is_over = |row: &Row| match row.state {
                RowState::Done => row.at + RETENTION.0 <= now,
                RowState::Dead => row.at + RETENTION.1 <= now,
                _ => false,
            };
            let over = all.all.iter().filter(|(_, row)| row.work.space == space && is_over(row));
            let over = over.map(|(id, _)| *id).collect();
            swept.removed = all.remove(over);
            swept
        })
    }

    fn list<'s>(&'s self, filter: &'s InboxFilter) -> Step<'s, Vec<InboxRow>> {
        self.with(|all| {
            let ids = all.matching(filter, |_| true);
            ids.into_iter().filter_map(|id| all.all.get(&id).map(|row| row.shown(id))).collect()
        })
    }

    fn count<'s>(&'s self, space: &'s str) -> Step<'s, Vec<InboxCount>> {
        self.with(|all| {
            let mut counts = BTreeMap::<_, (u64, SystemTime)>::new();
            for row in all.all.values().filter(|row| row.work.space == space) {
                let count =
                    counts.entry((row.work.handler.clone(), row.state)).or_insert((0, row.accepted_at));
                *count = (count.0 + 1, count.1.min(row.accepted_at));
            }
            let now = at(all.now);
            let count = |((handler, state), (rows, oldest))| {
                InboxCount::new(handler, state, rows, now.duration_since(oldest).unwrap_or_default())
            };
            counts.into_iter().map(count).collect()
        })
    }

    fn redrive<'s>(&'s self, redrive: &'s Redrive, now: Now) -> Step<'s, u64> {
        self.with(|all| {
            let mut redriven = 0;
            for id in all.matching(&redrive.filter, |row| row.state == RowState::Dead) {
                let Some(dead) = all.all.get(&id) else { continue };
                let (space, lane) = (dead.work.space.clone(), dead.work.lane.clone());
                let blocked_before = dead.work.blocks_lane;
                let is_behind = !blocked_before && lane.is_some_and(|lane| all.holder(&space, &lane));
                if let Some(row) = all.all.get_mut(&id) {
                    let spread = redrive.spread.mul_f64(fastrand::f64());
                    (row.attempts, row.crashes, row.reason, row.token) = (0, 0, None, None);
                    row.error = None;
                    row.state = if is_behind { RowState::Behind } else { RowState::Waiting };
                    row.at = at(now) + spread;
                    redriven += 1;
                }
            }
            redriven
        })
    }

    fn hurry<'s>(&'s self, filter: &'s InboxFilter, now: Now) -> Step<'s, u64> {
        let now = at(now);
        self.with(|all| {
            let ids = all.matching(filter, |row| row.state == RowState::Waiting && row.at > now);
            for id in &ids {
                if let Some(row) = all.all.get_mut(id) {
                    row.at = now;
                }
            }
            ids.len() as u64
        })
    }

    fn drop_rows<'s>(&'s self, filter: &'s InboxFilter, _: Now) -> Step<'s, u64> {
        self.with(|all| {
            let ids = all.matching(filter, |row| row.state != RowState::Running);
            all.remove(ids)
        })
    }

    fn forget<'s>(&'s self, space: &'s str, organisation: &'s str, _: Now) -> Step<'s, u64> {
        self.with(|all| {
            let filter = InboxFilter::new(space).organisation(organisation.to_owned());
            let ids = all.matching(&filter, |_| true);
            all.remove(ids)
        })
    }

    fn pause<'s>(&'s self, space: &'s str, event: &'s str, paused: bool) -> Step<'s, ()> {
        self.with(|all| {
            let event = (space.to_owned(), event.to_owned());
            if paused {
                all.paused.insert(event)
            } else {
                all.paused.remove(&event)
            };
        })
    }

    fn paused<'s>(&'s self, space: &'s str) -> Step<'s, Vec<String>> {
        self.with(|all| {
            let of_space = all.paused.iter().filter(|(of, _)| of == space);
            of_space.map(|(_, event)| event.clone()).collect()
        })
    }

    fn check(&self) -> Step<'_, ()> {
        self.with(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_does_what_every_inbox_must_do() {
        crate::inbox_conformance(Arc::new(MemoryInbox::default())).await;
    }
}
