//! The last deliveries, as many as are kept, and what happened between them.

use std::collections::VecDeque;

use serde::Serialize;

use super::{
    line::Line,
    record::Record,
    seen::{DeliveryId, Level, Status},
};

/// How many deliveries are kept.
pub(crate) const DELIVERIES: usize = 500;
/// How much of all of them is kept, in bytes.
pub(crate) const BYTES: usize = 32 << 20;
/// How many notices are kept.
const NOTICES: usize = 200;

/// A bounded list of deliveries, the oldest first.
#[derive(Debug)]
pub(crate) struct Ring {
    records: VecDeque<(Record, usize)>,
    bytes: usize,
    notices: VecDeque<Entry>,
    status: Status,
    /// The number of the last change. 0 is none: a page that knows of none gets everything.
    changed: u64,
    /// The number of the change that forgot all before it.
    cleared: u64,
    /// The number of the last change of the status.
    status_changed: u64,
    /// How many deliveries were not recorded, because they came too fast.
    pub(crate) missed: u64,
}

/// Something that happened between the deliveries.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    pub(crate) changed: u64,
    /// In Unix milliseconds.
    pub(crate) at: u64,
    pub(crate) level: Level,
    pub(crate) text: String,
    /// More of it, like what the compiler said.
    pub(crate) more: String,
}

impl Default for Ring {
    fn default() -> Self {
        Self {
            records: VecDeque::new(),
            bytes: 0,
            notices: VecDeque::new(),
            status: Status::default(),
            changed: 1,
            cleared: 1,
            status_changed: 1,
            missed: 0,
        }
    }
}

impl Ring {
    /// Adds a delivery; the oldest ones make room for it.
    pub(crate) fn push(&mut self, mut record: Record) {
        self.changed += 1;
        record.changed = self.changed;
        let weight = record.weight();
        self.bytes += weight;
        self.records.push_back((record, weight));
        self.make_room();
    }

    /// Changes a delivery, if it is still there.
    pub(crate) fn change(&mut self, id: DeliveryId, change: impl FnOnce(&mut Record)) {
        let Ok(place) = self.place(id) else { return };
        let Some((record, weight)) = self.records.get_mut(place) else { return };
        change(record);
        self.changed += 1;
        record.changed = self.changed;
        self.bytes -= *weight;
        *weight = record.weight();
        self.bytes += *weight;
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.records.len() > DELIVERIES || (self.bytes > BYTES && self.records.len() > 1) {
            let Some((_, weight)) = self.records.pop_front() else { break };
            self.bytes -= weight;
        }
    }

    /// Forgets all deliveries.
    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.notices.clear();
        self.bytes = 0;
        self.changed += 1;
        (self.cleared, self.status_changed) = (self.changed, self.changed);
    }

    /// Whether everything before this change was forgotten since.
    pub(crate) fn is_forgotten(&self, changed: u64) -> bool {
        changed < self.cleared
    }

    fn place(&self, id: DeliveryId) -> Result<usize, usize> {
        self.records.binary_search_by_key(&id, |(record, _)| record.id)
    }

    pub(crate) fn find(&self, id: DeliveryId) -> Option<&Record> {
        self.records.get(self.place(id).ok()?).map(|(record, _)| record)
    }

    /// The deliveries, the oldest first.
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.iter().map(|(record, _)| record)
    }

    /// The attempts of the same delivery, the oldest first; the delivery itself is among them.
    pub(crate) fn attempts<'r>(&'r self, record: &'r Record) -> impl Iterator<Item = &'r Record> {
        let same = move |other: &&Record| {
            other.id == record.id || (record.key().is_some() && record.key() == other.key())
        };
        self.all().filter(same)
    }

    /// Adds something that happened.
    pub(crate) fn note(&mut self, at: u64, level: Level, text: String, more: String) {
        self.changed += 1;
        self.notices.push_back(Entry { changed: self.changed, at, level, text, more });
        while self.notices.len() > NOTICES {
            self.notices.pop_front();
        }
    }

    pub(crate) fn set_status(&mut self, status: Status) {
        if self.status != status {
            self.changed += 1;
            (self.status, self.status_changed) = (status, self.changed);
        }
    }

    /// The status, if it changed after this change.
    pub(crate) fn status_since(&self, changed: u64) -> Option<&Status> {
        (self.status_changed > changed).then_some(&self.status)
    }

    /// What happened after this change.
    pub(crate) fn notices_since(&self, changed: u64) -> impl Iterator<Item = &Entry> {
        self.notices.iter().filter(move |entry| entry.changed > changed)
    }

    /// The number of the last change.
    pub(crate) fn changed(&self) -> u64 {
        self.changed
    }

    /// The id of the oldest delivery.
    pub(crate) fn oldest(&self) -> Option<DeliveryId> {
        self.all().next().map(|record| record.id)
    }

    /// Gives a line of the log to its delivery. Returns it where there is none.
    pub(crate) fn give(&mut self, line: Line) -> Option<Line> {
        let Some(of) = &line.of else { return Some(line) };
        let is_it = |record: &Record| {
            record.event.as_deref().is_some_and(|event| {
                event == of.event || of.event.ends_with(event) || event.ends_with(&of.event)
            }) && record.delivery_id == of.delivery_id
        };
        // The last attempt: those before it have their lines.
        let found = self.all().rev().find(|record| is_it(record)).map(|record| record.id);
        match found {
            Some(id) => {
                self.change(id, |record| record.add_line(line));
                None
            }
            None => Some(line),
        }
    }

    #[cfg(test)]
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.records.len(), self.bytes)
    }
}
