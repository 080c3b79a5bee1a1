//! What an inbox must do in any order of events: deliveries, workers, crashes, lanes, schedules, and people who change rows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use kiket::{
    dedupe::{DedupeKey, LeaseState, LeaseToken},
    inbox::{
        Acceptance, ClaimRequest, ClaimedWork, DeadReason, HandlerName, Inbox, InboxFilter, InboxRow,
        NewWork, Redrive, RowId, RowState, Swept, WorkEnd, WorkLease,
    },
};
use proptest::prelude::*;

/// An inbox in a space of its own.
pub struct TestedInbox {
    /// The inbox, opened anew: what was not kept durably is lost.
    pub open: Box<dyn Fn() -> Arc<dyn Inbox>>,
    /// The space.
    pub space: String,
}

/// One event. Each claim is of a worker, which may come back long after its lease.
#[derive(Debug, Clone)]
enum Step {
    /// A delivery arrives, for the first time or again; or the slot of a schedule, by any number of processes.
    Accept {
        key: u8,
        handler: u8,
        organisation: u8,
        lane: u8,
        blocks: bool,
        delay: u8,
    },
    /// Workers ask for rows.
    Claim {
        handlers: u8,
        limit: u8,
        idle: bool,
        lease: u8,
        after: u8,
    },
    /// Workers start handlers, or are still at them.
    Renew {
        workers: [u8; 2],
        lease: u8,
    },
    /// A handler has ended.
    Finish {
        worker: u8,
        end: End,
    },
    /// A process drains.
    Release {
        worker: u8,
        delay: u8,
    },
    /// A worker looks after rows.
    Promote,
    /// Time passes; perhaps a worker dies meanwhile, which no test can know.
    Advance {
        by: u16,
    },
    /// The process starts anew.
    Restart,
    Pause {
        event: u8,
        paused: bool,
    },
    Redrive {
        which: Which,
    },
    Hurry {
        which: Which,
    },
    Drop {
        which: Which,
    },
    Forget {
        organisation: u8,
    },
}

#[derive(Debug, Clone, Copy)]
enum End {
    Done,
    Retry { delay: u8 },
    Dead { permanent: bool },
}

/// A filter.
#[derive(Debug, Clone, Copy)]
struct Which {
    row: Option<u8>,
    event: Option<u8>,
    state: Option<u8>,
    organisation: Option<u8>,
    limit: u8,
}

/// All times are multiples of this.
const TICK: u64 = 10_000;
/// Retention in ticks.
const DAY: u64 = 24 * 60 * 60 * 1_000;

/// A sequence of events.
#[derive(Debug, Clone)]
pub struct InboxSteps(Vec<Step>);

/// Sequences of events.
pub fn inbox_steps() -> impl Strategy<Value = InboxSteps> {
    let optional = |most: u8| prop_oneof![3 => Just(None), 1 => (0..most).prop_map(Some)];
    let which = (optional(12), optional(3), optional(5), optional(3), 0..3u8);
    let which = which.prop_map(|(row, event, state, organisation, limit)| Which {
        row,
        event,
        state,
        organisation,
        limit,
    });
    let end = prop_oneof![
        3 => Just(End::Done),
        2 => (0..4u8).prop_map(|delay| End::Retry { delay }),
        2 => any::<bool>().prop_map(|permanent| End::Dead { permanent }),
    ];
    let step = prop_oneof![
        10 => (0..16u8, 0..3u8, 0..3u8, 0..3u8, any::<bool>(), prop_oneof![3 => Just(0), 1 => 1..4u8])
            .prop_map(|(key, handler, organisation, lane, blocks, delay)| {
                Step::Accept { key, handler, organisation, lane, blocks, delay }
            }),
        8 => (prop_oneof![2 => Just(7), 1 => 0..8u8], 0..5u8, any::<bool>(), 1..4u8, 0..4u8)
            .prop_map(|(handlers, limit, idle, lease, after)| Step::Claim { handlers, limit, idle, lease, after }),
        4 => ([0..12u8, 0..12u8], 1..4u8).prop_map(|(workers, lease)| Step::Renew { workers, lease }),
        6 => (0..12u8, end).prop_map(|(worker, end)| Step::Finish { worker, end }),
        2 => (0..12u8, 0..3u8).prop_map(|(worker, delay)| Step::Release { worker, delay }),
        5 => Just(Step::Promote),
        5 => (1..4u16).prop_map(|by| Step::Advance { by }),
        // Retention is over for what is done, and for what is dead.
        1 => prop_oneof![Just(8_640u16), Just(65_000)].prop_map(|by| Step::Advance { by }),
        1 => Just(Step::Restart),
        1 => (0..3u8, any::<bool>()).prop_map(|(event, paused)| Step::Pause { event, paused }),
        2 => which.clone().prop_map(|which| Step::Redrive { which }),
        1 => which.clone().prop_map(|which| Step::Hurry { which }),
        1 => which.prop_map(|which| Step::Drop { which }),
        1 => (0..3u8).prop_map(|organisation| Step::Forget { organisation }),
    ];
    prop::collection::vec(step, 1..80).prop_map(InboxSteps)
}

/// A row of the reference.
#[derive(Debug, Clone)]
struct Row {
    id: RowId,
    key: u8,
    handler: HandlerName,
    organisation: String,
    lane: Option<String>,
    blocks: bool,
    state: RowState,
    reason: Option<DeadReason>,
    error: Option<String>,
    attempts: u32,
    crashes: u32,
    has_started: bool,
    owner: Option<LeaseToken>,
    /// Who gave it back, until it is claimed again.
    released: Option<LeaseToken>,
    accepted_at: u64,
    at: u64,
    content: Vec<u8>,
}

impl Row {
    /// Whether no other row of its lane may wait or run.
    fn has_lane(&self) -> bool {
        match self.state {
            RowState::Waiting | RowState::Running => true,
            RowState::Dead => self.blocks,
            _ => false,
        }
    }
}

/// The reference: a list of rows in the order in which they were accepted.
struct Reference {
    rows: Vec<Row>,
    paused: BTreeSet<String>,
    now: u64,
}

impl Reference {
    fn index(&self, id: RowId) -> Option<usize> {
        self.rows.iter().position(|row| row.id == id)
    }

    fn is_taken(&self, lane: Option<&String>) -> bool {
        lane.is_some() && self.rows.iter().any(|row| row.lane.as_ref() == lane && row.has_lane())
    }

    /// After any change: a lane that no row has goes to the first one that is behind.
    fn advance(&mut self) {
        for at in 0..self.rows.len() {
            if self.rows[at].state == RowState::Behind && !self.is_taken(self.rows[at].lane.as_ref()) {
                self.rows[at].state = RowState::Waiting;
            }
        }
    }

    fn accept(&mut self, id: RowId, work: &NewWork, key: u8) {
        let due = self.now + millis(work.delay);
        let state = if self.is_taken(work.lane.as_ref()) { RowState::Behind } else { RowState::Waiting };
        self.rows.push(Row {
            id,
            key,
            handler: work.handler.clone(),
            organisation: work.organisation.clone(),
            lane: work.lane.clone(),
            blocks: work.blocks_lane && work.lane.is_some(),
            state,
            reason: None,
            error: None,
            attempts: 0,
            crashes: 0,
            has_started: false,
            owner: None,
            released: None,
            accepted_at: due,
            at: due,
            content: work.content.to_vec(),
        });
    }

    /// The rows that are due, as they became it.
    fn due(&self, request: &ClaimRequest) -> Vec<&Row> {
        let due = |row: &&Row| {
            row.state == RowState::Waiting
                && row.at <= self.now
                && request.handlers.contains(&row.handler)
                && !self.paused.contains(&row.handler.event)
        };
        let mut rows: Vec<&Row> = self.rows.iter().filter(due).collect();
        rows.sort_by_key(|row| (row.at, row.id));
        rows
    }

    /// The rows that a claim has to return, in their order.
    fn claimable(&self, request: &ClaimRequest) -> Vec<RowId> {
        let rows = self.due(request);
        if request.limit > 0
            && request.is_idle
            && let Some(alone) = rows.iter().find(|row| row.crashes >= 2)
        {
            return vec![alone.id];
        }
        let mut turns: BTreeMap<&str, Vec<RowId>> = BTreeMap::new();
        for row in rows.iter().rev().filter(|row| row.crashes < 2) {
            turns.entry(&row.organisation).or_default().push(row.id);
        }
        let (mut claimed, mut last) = (Vec::new(), request.after.as_str());
        while claimed.len() < request.limit {
            turns.retain(|_, rows| !rows.is_empty());
            let next = turns.keys().find(|name| **name > last).or_else(|| turns.keys().next());
            let Some(&next) = next else { break };
            claimed.extend(turns.get_mut(next).and_then(Vec::pop));
            last = next;
        }
        claimed
    }

    /// The row that a lease is of, if it is held.
    fn held(&mut self, lease: WorkLease) -> Option<&mut Row> {
        let now = self.now;
        self.rows.iter_mut().find(|row| {
            row.id == lease.id
                && row.owner == Some(lease.token)
                && row.state == RowState::Running
                && now < row.at
        })
    }

    fn finish(&mut self, lease: WorkLease, end: &WorkEnd) -> LeaseState {
        let now = self.now;
        let Some(row) = self.held(lease) else {
            let repeats = |row: &Row| {
                row.id == lease.id && row.owner == Some(lease.token) && row.state != RowState::Running
            };
            return if self.rows.iter().any(repeats) { LeaseState::Held } else { LeaseState::Lost };
        };
        match end {
            WorkEnd::Done => {
                (row.state, row.at, row.error) = (RowState::Done, now, None);
                row.content.clear();
            }
            WorkEnd::Retry { delay, error } => {
                (row.state, row.at, row.error) =
                    (RowState::Waiting, now + millis(*delay), Some(error.clone()));
            }
            WorkEnd::Dead { reason, error } => {
                (row.state, row.at, row.error) = (RowState::Dead, now, Some(error.clone()));
                row.reason = Some(*reason);
            }
            other => unreachable!("{other:?} is no end that is tested"),
        }
        LeaseState::Held
    }

    fn promote(&mut self) -> Swept {
        let now = self.now;
        let mut swept = Swept::default();
        for row in self.rows.iter_mut().filter(|row| row.state == RowState::Running && row.at <= now) {
            row.crashes += u32::from(row.has_started);
            row.attempts -= u32::from(!row.has_started);
            (row.at, row.owner, row.has_started) = (now, None, false);
            if row.crashes < 3 {
                row.state = RowState::Waiting;
                swept.expired += 1;
            } else {
                (row.state, row.reason) = (RowState::Dead, Some(DeadReason::Crashed));
                swept.crashed += 1;
            }
        }
        let before = self.rows.len();
        self.rows.retain(|row| match row.state {
            RowState::Done => now < row.at + DAY,
            // A row that has just crashed has a month left.
            RowState::Dead => now < row.at + 30 * DAY,
            _ => true,
        });
        swept.removed = (before - self.rows.len()) as u64;
        swept
    }

    /// The rows that a filter finds.
    fn find(&self, filter: &InboxFilter) -> Vec<RowId> {
        let found = self.rows.iter().filter(|row| {
            filter.id.is_none_or(|id| row.id == id)
                && filter.event.as_ref().is_none_or(|event| row.handler.event == *event)
                && filter.state.is_none_or(|state| row.state == state)
                && filter.organisation.as_ref().is_none_or(|organisation| row.organisation == *organisation)
        });
        found.map(|row| row.id).take(if filter.limit == 0 { usize::MAX } else { filter.limit }).collect()
    }

    /// The rows of a change, which is for rows of one state.
    fn find_only(&self, filter: &InboxFilter, state: RowState, also: impl Fn(&Row) -> bool) -> Vec<RowId> {
        if filter.state.is_some_and(|wanted| wanted != state) {
            return Vec::new();
        }
        let all = filter.clone().state(state).limit(0);
        let found =
            self.find(&all).into_iter().filter(|id| self.index(*id).is_some_and(|at| also(&self.rows[at])));
        found.take(if filter.limit == 0 { usize::MAX } else { filter.limit }).collect()
    }

    /// Checks what a lane promises.
    fn check(&self) -> Result<(), TestCaseError> {
        let mut taken = BTreeSet::new();
        for row in self.rows.iter().filter(|row| row.lane.is_some() && row.has_lane()) {
            prop_assert!(taken.insert(&row.lane), "two rows have the lane {:?}", row.lane);
        }
        for row in self.rows.iter().filter(|row| row.state == RowState::Behind) {
            prop_assert!(taken.contains(&row.lane), "no row has the lane {:?}", row.lane);
        }
        Ok(())
    }
}

/// Checks that the inbox does as the reference does, event by event, and has the same rows after each.
///
/// # Errors
///
/// When it does something else.
#[expect(clippy::too_many_lines, reason = "an arm for each event")]
pub async fn follows_the_inbox_model(subject: TestedInbox, steps: InboxSteps) -> Result<(), TestCaseError> {
    let space = subject.space.as_str();
    let mut inbox = (subject.open)();
    let mut reference = Reference { rows: Vec::new(), paused: BTreeSet::new(), now: 1_900_000_000_000 };
    let mut workers: Vec<WorkLease> = Vec::new();
    // Besides the reference, what the whole is for: no row is run twice at a time, and none after it was done.
    let mut done: BTreeSet<RowId> = BTreeSet::new();

    for step in steps.0 {
        let now = Some(time(reference.now));
        match step {
            Step::Accept { key, handler, organisation, lane, blocks, delay } => {
                let (of, handler) = (format!("id:{key}"), handlers()[usize::from(handler)].clone());
                let content = vec![key; usize::from(key)].into();
                let mut work = NewWork::new(space, DedupeKey::new("model", &of), handler, content);
                work.organisation = format!("o{organisation}");
                work.lane = (lane > 0).then(|| format!("l{lane}"));
                work.blocks_lane = blocks;
                work.delay = ticks(delay);
                let known = reference.rows.iter().find(|row| row.key == key).map(|row| row.state);
                match (known, ok(inbox.accept(&work, now).await)?) {
                    (None, Acceptance::Accepted(id)) => {
                        let last = reference.rows.iter().map(|row| row.id).max();
                        prop_assert!(Some(id) > last, "a number is given twice");
                        reference.accept(id, &work, key);
                    }
                    (Some(state), Acceptance::Known(found)) => prop_assert_eq!(found, state),
                    (known, found) => prop_assert!(false, "{known:?}, and the inbox says {found:?}"),
                }
            }
            Step::Claim { handlers: wanted, limit, idle, lease, after } => {
                let named = handlers().into_iter().enumerate().filter(|(bit, _)| wanted & (1 << bit) != 0);
                let named = named.map(|(_, handler)| handler).collect();
                let mut request = ClaimRequest::new(space, named, limit.into(), ticks(lease));
                request.is_idle = idle;
                request.after = if after == 0 { String::new() } else { format!("o{}", after - 1) };
                let alone = reference.due(&request).iter().any(|row| row.crashes >= 2);
                prop_assert_eq!(ok(inbox.waits_alone(&request, now).await)?, alone, "{:?}", request);
                let expected = reference.claimable(&request);
                let claimed = ok(inbox.claim(&request, now).await)?;
                let found: Vec<_> = claimed.iter().map(|work| work.lease.id).collect();
                prop_assert_eq!(&found, &expected, "{:?}", request);
                for work in claimed {
                    prop_assert!(!done.contains(&work.lease.id), "it was done");
                    prop_assert!(
                        workers.iter().all(|other| other.token != work.lease.token),
                        "a token is given twice"
                    );
                    workers.push(work.lease);
                    claimed_as(&mut reference, &work, ticks(lease))?;
                }
            }
            Step::Renew { workers: pair, lease } => {
                let leases: Vec<_> = pair.iter().filter_map(|worker| nth(&workers, *worker)).collect();
                let leases: Vec<_> = leases.into_iter().map(|held| (held, ticks(lease))).collect();
                let until = reference.now + millis(ticks(lease));
                let expected = leases.iter().map(|(lease, _)| match reference.held(*lease) {
                    Some(row) => {
                        (row.at, row.has_started) = (until, true);
                        LeaseState::Held
                    }
                    None => LeaseState::Lost,
                });
                let expected: Vec<_> = expected.collect();
                prop_assert_eq!(ok(inbox.renew(&leases, now).await)?, expected);
            }
            Step::Finish { worker, end } => {
                let Some(lease) = nth(&workers, worker) else { continue };
                let end = match end {
                    End::Done => WorkEnd::Done,
                    End::Retry { delay } => WorkEnd::Retry { delay: ticks(delay), error: "again".to_owned() },
                    End::Dead { permanent: true } => {
                        WorkEnd::Dead { reason: DeadReason::Permanent, error: "wrong".to_owned() }
                    }
                    End::Dead { permanent: false } => {
                        WorkEnd::Dead { reason: DeadReason::Attempts, error: "often".to_owned() }
                    }
                };
                let was_held = reference.held(lease).is_some();
                prop_assert_eq!(ok(inbox.finish(&lease, &end, now).await)?, reference.finish(lease, &end));
                if was_held && end == WorkEnd::Done {
                    prop_assert!(done.insert(lease.id), "it is done twice");
                }
            }
            Step::Release { worker, delay } => {
                let Some(lease) = nth(&workers, worker) else { continue };
                let due = reference.now + millis(ticks(delay));
                let repeats = |row: &Row| row.id == lease.id && row.released == Some(lease.token);
                let expected = if let Some(row) = reference.held(lease) {
                    (row.state, row.at, row.owner) = (RowState::Waiting, due, None);
                    row.released = Some(lease.token);
                    row.attempts -= 1;
                    LeaseState::Held
                } else if let Some(row) = reference.rows.iter_mut().find(|row| repeats(row)) {
                    row.at = due;
                    LeaseState::Held
                } else {
                    LeaseState::Lost
                };
                prop_assert_eq!(ok(inbox.release(&lease, ticks(delay), now).await)?, expected);
            }
            Step::Promote => {
                prop_assert_eq!(ok(inbox.promote(space, now).await)?, reference.promote());
            }
            Step::Advance { by } => reference.now += TICK * u64::from(by),
            Step::Restart => inbox = (subject.open)(),
            Step::Pause { event, paused } => {
                let event = &handlers()[usize::from(event)].event;
                ok(inbox.pause(space, event, paused).await)?;
                if paused {
                    reference.paused.insert(event.clone());
                } else {
                    reference.paused.remove(event);
                }
            }
            Step::Redrive { which } => {
                let filter = filter(&reference, space, which);
                let expected = reference.find_only(&filter, RowState::Dead, |_| true);
                let redrive = Redrive::new(filter, Duration::ZERO);
                prop_assert_eq!(ok(inbox.redrive(&redrive, now).await)?, expected.len() as u64);
                for id in expected {
                    let Some(at) = reference.index(id) else { continue };
                    let has_lane = reference.rows[at].has_lane();
                    let is_taken = !has_lane && reference.is_taken(reference.rows[at].lane.as_ref());
                    let now = reference.now;
                    let row = &mut reference.rows[at];
                    row.state = if is_taken { RowState::Behind } else { RowState::Waiting };
                    (row.attempts, row.crashes, row.reason, row.error) = (0, 0, None, None);
                    (row.owner, row.at) = (None, now);
                }
            }
            Step::Hurry { which } => {
                let filter = filter(&reference, space, which);
                let now_is = reference.now;
                let found = reference.find_only(&filter, RowState::Waiting, |row| row.at > now_is);
                prop_assert_eq!(ok(inbox.hurry(&filter, now).await)?, found.len() as u64);
                for row in reference.rows.iter_mut().filter(|row| found.contains(&row.id)) {
                    row.at = now_is;
                }
            }
            Step::Drop { which } => {
                let filter = filter(&reference, space, which);
                let all = filter.clone().limit(0);
                let limit = if filter.limit == 0 { usize::MAX } else { filter.limit };
                let found: BTreeSet<_> = reference.find(&all).into_iter().collect();
                let kept = reference.rows.iter().filter(|row| row.state != RowState::Running);
                let found: BTreeSet<_> =
                    kept.map(|row| row.id).filter(|id| found.contains(id)).take(limit).collect();
                prop_assert_eq!(ok(inbox.drop_rows(&filter, now).await)?, found.len() as u64);
                reference.rows.retain(|row| !found.contains(&row.id));
            }
            Step::Forget { organisation } => {
                let organisation = format!("o{organisation}");
                let before = reference.rows.len();
                reference.rows.retain(|row| row.organisation != organisation);
                let removed = (before - reference.rows.len()) as u64;
                prop_assert_eq!(ok(inbox.forget(space, &organisation, now).await)?, removed);
            }
        }
        reference.advance();
        reference.check()?;
        same(&reference, inbox.as_ref(), space).await?;
    }
    Ok(())
}

fn claimed_as(reference: &mut Reference, work: &ClaimedWork, lease: Duration) -> Result<(), TestCaseError> {
    let now = reference.now;
    let row = reference.rows.iter_mut().find(|row| row.id == work.lease.id);
    let Some(row) = row else { return Err(TestCaseError::fail("a row that there is not")) };
    row.attempts += 1;
    (row.state, row.at) = (RowState::Running, now + millis(lease));
    (row.owner, row.released, row.has_started) = (Some(work.lease.token), None, false);
    prop_assert_eq!(&work.content[..], &row.content[..]);
    prop_assert_eq!((work.attempt, work.crashes), (row.attempts, row.crashes));
    prop_assert_eq!(work.age, Duration::from_millis(now.saturating_sub(row.accepted_at)));
    prop_assert_eq!(
        (&work.handler, &work.organisation, &work.lane),
        (&row.handler, &row.organisation, &row.lane)
    );
    Ok(())
}

/// Checks that both have the same rows.
async fn same(reference: &Reference, inbox: &dyn Inbox, space: &str) -> Result<(), TestCaseError> {
    let filter = InboxFilter::new(space);
    let found = ok(inbox.list(&filter).await)?;
    let expected = reference.rows.iter().map(|row| {
        let key = DedupeKey::new("model", &format!("id:{}", row.key));
        let mut expected = InboxRow::new(row.id, key, row.handler.clone(), row.state, time(row.accepted_at));
        expected.organisation.clone_from(&row.organisation);
        expected.lane.clone_from(&row.lane);
        (expected.reason, expected.error) = (row.reason, row.error.clone());
        (expected.attempts, expected.crashes) = (row.attempts, row.crashes);
        (expected.at, expected.bytes) = (time(row.at), row.content.len() as u64);
        expected
    });
    prop_assert_eq!(found, expected.collect::<Vec<_>>());
    let mut expected: BTreeMap<_, u64> = BTreeMap::new();
    for row in &reference.rows {
        *expected.entry((row.handler.clone(), row.state)).or_default() += 1;
    }
    let counts =
        ok(inbox.count(space).await)?.into_iter().map(|count| ((count.handler, count.state), count.rows));
    prop_assert_eq!(counts.collect::<BTreeMap<_, _>>(), expected);
    let paused: BTreeSet<_> = ok(inbox.paused(space).await)?.into_iter().collect();
    prop_assert_eq!(&paused, &reference.paused);
    Ok(())
}

fn handlers() -> [HandlerName; 3] {
    [("issue.created", "v1"), ("issue.created", "v2"), ("schedule:remind", "v1")]
        .map(|(event, version)| HandlerName::new(event, version))
}

fn filter(reference: &Reference, space: &str, which: Which) -> InboxFilter {
    let id = |row| reference.rows.get(usize::from(row)).map_or(RowId(-1), |row: &Row| row.id);
    InboxFilter::new(space)
        .id(which.row.map(id))
        .event(which.event.map(|event| handlers()[usize::from(event)].event.clone()))
        .state(which.state.map(|state| RowState::ALL[usize::from(state)]))
        .organisation(which.organisation.map(|organisation| format!("o{organisation}")))
        .limit(which.limit.into())
}

/// One of the last workers: the others have seldom something left to do.
fn nth(workers: &[WorkLease], number: u8) -> Option<WorkLease> {
    workers.iter().rev().nth(number.into()).copied()
}

fn ticks(count: u8) -> Duration {
    Duration::from_millis(TICK * u64::from(count))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn time(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

fn ok<T, E: std::fmt::Debug>(result: Result<T, E>) -> Result<T, TestCaseError> {
    result.map_err(|error| TestCaseError::fail(format!("{error:?}")))
}
