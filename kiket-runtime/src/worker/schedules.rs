//! Inserts the rows of schedules. That of the next slot waits ahead, so that what was missed is known after any downtime.

use std::{
    iter::successors,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::json;
use sha2::Digest as _;

use super::runner::Runner;
use crate::{
    auth::Authentic,
    delivery::{Delivery, JsonText, Placement},
    handler::{Route, Schedule},
    store::{
        DedupeKey, StoreError,
        inbox::{Acceptance, InboxFilter, InboxRow, RowState},
    },
    types::{Headers, after, hex, rfc3339, sha256_of_parts},
};

/// The most missed slots that are inserted in one round; the next one goes on.
const MOST_MISSED: usize = 1000;
/// The longest name that stands in ids as it is.
const LONGEST_NAME: usize = 50;

impl Runner {
    /// Inserts the next slot of each schedule, and what was missed before: any number of processes may do so.
    pub(super) async fn insert_slots(&self) {
        let now = self.pipeline.services.clock.now();
        for schedule in self.pipeline.registry.schedules() {
            let event = schedule.route.key.event.as_str();
            let known = self.inserted.lock().get(event).copied();
            if known.is_some_and(|known| known > now) {
                continue;
            }
            let inserted = self.within_time(|| Box::pin(self.insert_slots_of(schedule, known, now))).await;
            if let Ok(Some(next)) = inserted {
                self.inserted.lock().insert(event.to_owned(), next);
            }
        }
    }

    /// Inserts what was missed until `now`, and the next slot. Returns the last one that it inserted.
    async fn insert_slots_of(
        &self,
        schedule: &Schedule,
        known: Option<SystemTime>,
        now: SystemTime,
    ) -> Result<Option<SystemTime>, StoreError> {
        let rows = self.rows_of(schedule).await?;
        let latest = rows.iter().filter_map(|row| slot_of(&row.key)).max();
        if let Some(latest) = latest.max(known).filter(|latest| *latest <= now) {
            let mut missed = Vec::new();
            if schedule.catches_up() {
                let slots = successors(schedule.next(latest), |slot| schedule.next(*slot));
                missed.extend(slots.take_while(|slot| *slot <= now).take(MOST_MISSED));
            } else if let Some(last) = schedule.last(now).filter(|last| *last > latest) {
                // One of them is enough, and it is the last one, unless an earlier one runs already.
                if !self.remove(&rows).await? {
                    missed.push(last);
                }
            }
            for slot in &missed {
                self.insert(schedule, *slot, now).await?;
            }
            if missed.len() == MOST_MISSED {
                return Ok(missed.pop());
            }
        }
        let next = schedule.next(now);
        if let Some(next) = next {
            self.insert(schedule, next, now).await?;
        }
        Ok(next)
    }

    async fn rows_of(&self, schedule: &Schedule) -> Result<Vec<InboxRow>, StoreError> {
        let filter = InboxFilter::new(&*self.inbox.space).event(schedule.route.key.event.to_string());
        self.inbox.store.list(&filter).await
    }

    /// Removes the slots that wait for their first attempt. Returns whether another one runs.
    async fn remove(&self, rows: &[InboxRow]) -> Result<bool, StoreError> {
        for row in rows.iter().filter(|row| row.state == RowState::Waiting && row.attempts == 0) {
            let filter = InboxFilter::new(&*self.inbox.space).id(row.id);
            self.inbox.store.drop_rows(&filter, self.inbox.now()).await?;
        }
        Ok(rows.iter().any(|row| row.state == RowState::Running))
    }

    async fn insert(&self, schedule: &Schedule, slot: SystemTime, now: SystemTime) -> Result<(), StoreError> {
        let Some(delivery) = self.delivery_of(&schedule.route, slot) else { return Ok(()) };
        let delay = slot.duration_since(now).unwrap_or_default();
        let placement = Placement { lane: None, blocks_lane: false, delay };
        match self.inbox.accept(&delivery.work(&self.inbox, &placement)?).await? {
            Acceptance::Full => Err(StoreError::new("the inbox is full, and a schedule waits for room")),
            _ => Ok(()),
        }
    }

    /// A slot as the delivery of its handler: its time is that of the event.
    fn delivery_of(&self, route: &Route, slot: SystemTime) -> Option<Delivery> {
        let seconds = slot.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let name = route.key.event.schedule()?;
        let short = if name.len() <= LONGEST_NAME {
            name.to_owned()
        } else {
            hex(sha256_of_parts([name]).finalize().get(..8)?)
        };
        let id = format!("{short}:{seconds}");
        let body = json!({ "id": id, "schedule": name, "timestamp": rfc3339(seconds) });
        let body = JsonText::new(body.to_string().into()).ok()?;
        let services = Arc::clone(&self.pipeline.services);
        let authentic = Authentic::restored(services.clock.unix_seconds(), None);
        let key = Arc::clone(&route.key);
        Some(Delivery::new(services, key, Headers::default(), body, authentic, after(Duration::ZERO)))
    }

    /// Whether a row is of a slot that its schedule has no more.
    pub(super) fn is_obsolete(&self, route: &Route, key: &DedupeKey) -> bool {
        let schedules = self.pipeline.registry.schedules().iter();
        let mut schedules = schedules.filter(|schedule| schedule.route.key == route.key);
        let (Some(schedule), Some(slot)) = (schedules.next(), slot_of(key)) else { return false };
        schedule.last(slot) != Some(slot)
    }
}

/// The slot in the key of a row.
fn slot_of(key: &DedupeKey) -> Option<SystemTime> {
    let seconds = key.as_str().rsplit(':').next()?.parse().ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}
