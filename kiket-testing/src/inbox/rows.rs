//! The rows of an inbox in memory: who runs next, and who waits behind whom.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use kiket_runtime::{
    dedupe::LeaseToken,
    inbox::{ClaimRequest, DeadReason, InboxFilter, InboxRow, NewWork, Now, RowId, RowState, WorkLease},
};

/// The rows of an inbox in memory.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) is_down: bool,
    /// The most rows, if there is a limit.
    pub(super) limit: Option<usize>,
    /// In the order in which they were accepted.
    pub(super) all: BTreeMap<RowId, Row>,
    pub(super) next: i64,
    pub(super) paused: BTreeSet<(String, String)>,
    /// The time of the test, as the last operation had it.
    pub(super) now: Now,
}

/// A row, in whatever state.
pub(super) struct Row {
    pub(super) work: NewWork,
    pub(super) state: RowState,
    pub(super) reason: Option<DeadReason>,
    pub(super) attempts: u32,
    pub(super) crashes: u32,
    pub(super) accepted_at: SystemTime,
    /// When it is due, when its lease ends, or when it ended.
    pub(super) at: SystemTime,
    pub(super) token: Option<LeaseToken>,
    /// Of who gave it back, until it is claimed again.
    pub(super) released: Option<LeaseToken>,
    pub(super) has_started: bool,
    pub(super) error: Option<String>,
}

/// After so many crashes a row runs alone, and after so many it is dead.
pub(super) const CRASHES: (u32, u32) = (2, 3);
/// How long done and dead rows are kept.
pub(super) const RETENTION: (Duration, Duration) =
    (Duration::from_secs(24 * 60 * 60), Duration::from_secs(30 * 24 * 60 * 60));

impl Row {
    /// Whether the rows of its lane wait behind it.
    pub(super) fn holds_lane(&self) -> bool {
        match self.state {
            RowState::Waiting | RowState::Running => true,
            RowState::Dead => self.work.blocks_lane,
            _ => false,
        }
    }

    pub(super) fn end(&mut self, state: RowState, at: SystemTime, error: Option<String>) {
        (self.state, self.at, self.error) = (state, at, error.or_else(|| self.error.take()));
    }

    pub(super) fn shown(&self, id: RowId) -> InboxRow {
        let work = &self.work;
        let mut row = InboxRow::new(id, work.key.clone(), work.handler.clone(), self.state, self.accepted_at);
        row.organisation.clone_from(&work.organisation);
        row.lane.clone_from(&work.lane);
        (row.reason, row.attempts, row.crashes) = (self.reason, self.attempts, self.crashes);
        (row.at, row.bytes) = (self.at, work.content.len() as u64);
        row.error.clone_from(&self.error);
        row
    }
}

impl Rows {
    pub(super) fn holder(&self, space: &str, lane: &str) -> bool {
        let of_lane = |row: &&Row| row.work.space == space && row.work.lane.as_deref() == Some(lane);
        self.all.values().filter(of_lane).any(Row::holds_lane)
    }

    /// Lets the first row run that waits behind others of the lane, if they are all done.
    pub(super) fn promote_next(&mut self, space: &str, lane: Option<&str>) {
        let Some(lane) = lane.filter(|lane| !self.holder(space, lane)) else { return };
        let next = self.all.values_mut().find(|row| {
            row.state == RowState::Behind && row.work.space == space && row.work.lane.as_deref() == Some(lane)
        });
        if let Some(row) = next {
            row.state = RowState::Waiting;
        }
    }

    pub(super) fn held(&mut self, lease: &WorkLease, now: SystemTime) -> Option<&mut Row> {
        self.all
            .get_mut(&lease.id)
            .filter(|row| row.state == RowState::Running && row.token == Some(lease.token) && now < row.at)
    }

    /// Whether a lease ended its row, which no other has claimed since: an end can be repeated, where its response was lost.
    pub(super) fn has_ended(&self, lease: &WorkLease) -> bool {
        let is_last = |row: &Row| row.token == Some(lease.token) && row.state != RowState::Running;
        self.all.get(&lease.id).is_some_and(is_last)
    }

    /// The rows that match a filter, and that `is_meant`: its limit counts no others.
    pub(super) fn matching(&self, filter: &InboxFilter, is_meant: impl Fn(&Row) -> bool) -> Vec<RowId> {
        let wanted = |(id, row): &(&RowId, &Row)| {
            row.work.space == filter.space
                && filter.id.is_none_or(|wanted| wanted == **id)
                && filter.event.as_ref().is_none_or(|event| *event == row.work.handler.event)
                && filter.state.is_none_or(|state| state == row.state)
                && filter.organisation.as_ref().is_none_or(|wanted| *wanted == row.work.organisation)
        };
        let limit = if filter.limit == 0 { usize::MAX } else { filter.limit };
        self.all
            .iter()
            .filter(wanted)
            .filter(|(_, row)| is_meant(row))
            .map(|(id, _)| *id)
            .take(limit)
            .collect()
    }

    pub(super) fn remove(&mut self, ids: Vec<RowId>) -> u64 {
        let count = ids.len() as u64;
        let removed: Vec<_> = ids.into_iter().filter_map(|id| self.all.remove(&id)).collect();
        for row in removed {
            self.promote_next(&row.work.space, row.work.lane.as_deref());
        }
        count
    }

    /// The rows that are due, as they became it.
    fn due(&self, request: &ClaimRequest, now: SystemTime) -> Vec<(RowId, &Row)> {
        let is_due = |row: &Row| {
            row.state == RowState::Waiting
                && row.at <= now
                && row.work.space == request.space
                && request.handlers.contains(&row.work.handler)
                && !self.paused.contains(&(request.space.clone(), row.work.handler.event.clone()))
        };
        let rows = self.all.iter().map(|(id, row)| (*id, row));
        let mut due: Vec<_> = rows.filter(|(_, row)| is_due(row)).collect();
        due.sort_by_key(|(id, row)| (row.at, *id));
        due
    }

    /// The first row that is due and runs alone.
    pub(super) fn alone(&self, request: &ClaimRequest, now: SystemTime) -> Option<RowId> {
        first_alone(&self.due(request, now))
    }

    pub(super) fn claim(&self, request: &ClaimRequest, now: SystemTime) -> Vec<RowId> {
        let due = self.due(request, now);
        if request.is_idle
            && let Some(id) = first_alone(&due)
        {
            return vec![id];
        }
        // Each organisation gets its first row before one gets its second, beginning after the last one.
        let mut places = BTreeMap::<&str, usize>::new();
        let mut ranked: Vec<_> = due.into_iter().filter(|(_, row)| row.crashes < CRASHES.0).collect();
        ranked.sort_by_cached_key(|(_, row)| {
            let organisation = row.work.organisation.as_str();
            let place = places.entry(organisation).or_default();
            *place += 1;
            (*place, Reverse(organisation > request.after.as_str()), organisation)
        });
        ranked.into_iter().map(|(id, _)| id).take(request.limit).collect()
    }
}

/// The first of these rows that runs alone.
fn first_alone(due: &[(RowId, &Row)]) -> Option<RowId> {
    due.iter().find(|(_, row)| row.crashes >= CRASHES.0).map(|(id, _)| *id)
}
