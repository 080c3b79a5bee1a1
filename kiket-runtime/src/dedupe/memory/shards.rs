//! What [`MemoryStore`](super::MemoryStore) remembers, in parts with a lock each.
//!
//! `tests/packages/stores` takes this file as it is, with the locks of a model checker: it names nothing but `super::parts`.

use std::{
    collections::{HashMap, VecDeque, hash_map::RandomState},
    fmt,
    hash::BuildHasher as _,
    sync::PoisonError,
    time::Duration,
};

use super::parts::{
    BeginOutcome, DedupeKey, Instant, LeaseState, LeaseToken, Mutex, StoreError, StoredReply,
};

/// Parts that a delivery's key chooses from. Each has its share of the limits, so that no step touches two.
pub(crate) struct Shards {
    first: Mutex<Shard>,
    others: Box<[Mutex<Shard>]>,
    share: Limits,
    hasher: RandomState,
}

/// How much may be remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

/// As many parts as threads that would wait for each other at one.
const MOST_SHARDS: usize = 16;
/// A part has room for this many entries at least, so that chance fills none much earlier than the others.
const FEWEST_ENTRIES: usize = 1024;
/// A part has room for large answers.
const FEWEST_BYTES: usize = 4 * 1024 * 1024;
/// What an entry costs besides its key and its body: its place in the map, in the queue, and on the heap.
const OVERHEAD: usize = 200;
/// A part with few entries is not swept at every step.
const SWEPT_AFTER: usize = 64;

impl Shards {
    pub(crate) fn new(limits: Limits) -> Self {
        let parts = (limits.entries / FEWEST_ENTRIES).min(limits.bytes / FEWEST_BYTES).clamp(1, MOST_SHARDS);
        Self {
            first: Mutex::default(),
            others: (1..parts).map(|_| Mutex::default()).collect(),
            share: Limits { entries: limits.entries.div_ceil(parts), bytes: limits.bytes.div_ceil(parts) },
            hasher: RandomState::new(),
        }
    }

    pub(crate) fn begin(
        &self,
        key: &DedupeKey,
        now: Instant,
        lease: Duration,
    ) -> Result<BeginOutcome, StoreError> {
        self.at(key, |shard| shard.begin(key, now, lease, self.share))
    }

    pub(crate) fn commit(
        &self,
        key: &DedupeKey,
        token: LeaseToken,
        answer: &StoredReply,
        now: Instant,
        keep: Duration,
    ) -> Result<LeaseState, StoreError> {
        self.at(key, |shard| shard.commit(key, token, answer, now + keep, now, self.share))
    }

    pub(crate) fn release(&self, key: &DedupeKey, token: LeaseToken, now: Instant) -> LeaseState {
        self.at(key, |shard| shard.release(key, token, now))
    }

    /// Entries and bytes, counted and checked.
    #[cfg(test)]
    pub(crate) fn usage(&self) -> (usize, usize) {
        let mut usage = (0, 0);
        for shard in self.others.iter().chain([&self.first]) {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let bytes = shard.entries.iter().map(|(key, entry)| entry.cost(key)).sum::<usize>();
            assert_eq!(shard.bytes, bytes, "bytes are counted right");
            let answers = shard.entries.values().filter(|entry| entry.answer.is_some()).count();
            assert!(shard.answered.len() >= answers, "every answer is in the queue");
            assert!(shard.entries.len() <= self.share.entries && bytes <= self.share.bytes);
            usage = (usage.0 + shard.entries.len(), usage.1 + bytes);
        }
        usage
    }

    fn at<T>(&self, key: &DedupeKey, step: impl FnOnce(&mut Shard) -> T) -> T {
        let parts = self.others.len() as u64 + 1;
        let index = usize::try_from(self.hasher.hash_one(key) % parts).unwrap_or_default();
        let shard = self.others.get(index).unwrap_or(&self.first);
        // No step panics, and if one did, it would leave a shard that can be used.
        step(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Default)]
struct Shard {
    entries: HashMap<DedupeKey, Entry>,
    /// The entries with an answer, in the order of their commits; some may be gone.
    answered: VecDeque<(DedupeKey, LeaseToken)>,
    /// What the entries cost.
    bytes: usize,
    /// Steps since the last sweep.
    steps: usize,
    /// Answers that were forgotten before their time.
    forgotten: u64,
}

struct Entry {
    token: LeaseToken,
    /// Until then the lease is held, or the answer kept.
    until: Instant,
    answer: Option<StoredReply>,
}

impl Entry {
    fn cost(&self, key: &DedupeKey) -> usize {
        cost(key, self.answer.as_ref().map_or(0, |answer| answer.body().len()))
    }
}

fn cost(key: &DedupeKey, body: usize) -> usize {
    OVERHEAD + key.as_str().len() + body
}

impl Shard {
    fn begin(
        &mut self,
        key: &DedupeKey,
        now: Instant,
        lease: Duration,
        limits: Limits,
    ) -> Result<BeginOutcome, StoreError> {
        self.sweep_in_turn(now);
        if let Some(entry) = self.entries.get(key) {
            if now < entry.until {
                return Ok(match &entry.answer {
                    Some(answer) => BeginOutcome::Done(answer.clone()),
                    None => BeginOutcome::Running { remaining: entry.until.saturating_duration_since(now) },
                });
            }
            self.remove(key);
        }
        self.make_room(1, cost(key, 0), now, limits)?;
        let token = LeaseToken::unique();
        self.bytes += cost(key, 0);
        self.entries.insert(key.clone(), Entry { token, until: now + lease, answer: None });
        Ok(BeginOutcome::Leased(token))
    }

    fn commit(
        &mut self,
        key: &DedupeKey,
        token: LeaseToken,
        answer: &StoredReply,
        until: Instant,
        now: Instant,
        limits: Limits,
    ) -> Result<LeaseState, StoreError> {
        match self.held(key, token, now) {
            None => return Ok(LeaseState::Lost),
            Some(entry) if entry.answer.is_some() => return Ok(LeaseState::Held),
            Some(_) => {}
        }
        let size = answer.body().len();
        if cost(key, size) > limits.bytes {
            return Err(too_large(size, limits.bytes));
        }
        self.make_room(0, size, now, limits)?; // which takes no lease that is held
        if let Some(entry) = self.entries.get_mut(key) {
            entry.until = until;
            entry.answer = Some(answer.clone());
            self.bytes += size;
            self.answered.push_back((key.clone(), token));
        }
        Ok(LeaseState::Held)
    }

    fn release(&mut self, key: &DedupeKey, token: LeaseToken, now: Instant) -> LeaseState {
        match self.held(key, token, now) {
            Some(entry) if entry.answer.is_none() => {
                self.remove(key);
                LeaseState::Held
            }
            _ => LeaseState::Lost,
        }
    }

    fn held(&self, key: &DedupeKey, token: LeaseToken, now: Instant) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.token == token && now < entry.until)
    }

    fn remove(&mut self, key: &DedupeKey) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.cost(key);
        }
    }

    /// Makes room for more: by what has expired, then by the answers that were stored first, never by a lease.
    fn make_room(
        &mut self,
        entries: usize,
        bytes: usize,
        now: Instant,
        limits: Limits,
    ) -> Result<(), StoreError> {
        let mut swept = false;
        while self.entries.len() + entries > limits.entries || self.bytes + bytes > limits.bytes {
            if let Some((key, token)) = self.answered.pop_front() {
                if let Some(entry) = self.entries.get(&key).filter(|entry| entry.is_answered_by(token)) {
                    if now < entry.until {
                        self.forgotten += 1;
                        self.tell();
                    }
                    self.remove(&key);
                }
            } else if swept {
                return Err(full());
            } else {
                self.sweep(now);
                swept = true;
            }
        }
        Ok(())
    }

    /// Sweeps as often as there are entries to sweep: each step pays for one.
    fn sweep_in_turn(&mut self, now: Instant) {
        self.steps += 1;
        if self.steps > self.entries.len().max(SWEPT_AFTER) {
            self.sweep(now);
        }
    }

    fn sweep(&mut self, now: Instant) {
        self.steps = 0;
        let bytes = &mut self.bytes;
        self.entries.retain(|key, entry| {
            let keeps = now < entry.until;
            if !keeps {
                *bytes -= entry.cost(key);
            }
            keeps
        });
        let Self { entries, answered, .. } = self;
        let stays = |(key, token): &(DedupeKey, LeaseToken)| {
            entries.get(key).is_some_and(|entry| entry.is_answered_by(*token))
        };
        while answered.front().is_some_and(|front| !stays(front)) {
            answered.pop_front();
        }
        // Where answers are kept for different times, those that are gone are not all in front.
        if answered.len() > 2 * entries.len() + SWEPT_AFTER {
            answered.retain(stays);
        }
    }

    fn tell(&self) {
        if self.forgotten.is_power_of_two() {
            let forgotten = self.forgotten;
            tracing::warn!(
                forgotten,
                "the memory for answers is full: some are forgotten before their time, and a late repetition of \
                 their deliveries would run again; give the store more room, or use Redis or PostgreSQL"
            );
        }
    }
}

impl Entry {
    fn is_answered_by(&self, token: LeaseToken) -> bool {
        self.answer.is_some() && self.token == token
    }
}

fn full() -> StoreError {
    StoreError::new("the memory for leases is full of deliveries that are running")
        .mend("give the store more room, or let fewer deliveries in")
}

fn too_large(size: usize, room: usize) -> StoreError {
    StoreError::new(format!(
        "an answer of {size} bytes is larger than a part of the memory for answers, {room} bytes"
    ))
    .mend("give the store more room, or answer with less")
}

impl fmt::Debug for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shards")
            .field("parts", &(self.others.len() + 1))
            .field("share", &self.share)
            .finish_non_exhaustive()
    }
}
