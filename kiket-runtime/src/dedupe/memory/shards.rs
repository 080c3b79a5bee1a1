//! The contents of a [`MemoryStore`](super::MemoryStore), in shards with a lock each.
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

/// The shards; the key of a delivery chooses one. Each has its share of the limits, so that no operation touches two.
pub(crate) struct Shards {
    first: Mutex<Shard>,
    others: Box<[Mutex<Shard>]>,
    share: Limits,
    hasher: RandomState,
}

/// The limits of the contents.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

/// The most shards: as many as threads may contend for one lock.
const MOST_SHARDS: usize = 16;
/// The least entries of a shard: with few, chance would fill one shard much earlier than the others.
const FEWEST_ENTRIES: usize = 1024;
/// The least bytes of a shard, enough for large replies.
const FEWEST_BYTES: usize = 4 * 1024 * 1024;
/// What an entry costs besides its key and its body: the map, the queue, and the heap.
const OVERHEAD: usize = 200;
/// The operations after which a shard with few entries is swept.
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
        reply: &StoredReply,
        now: Instant,
        retention: Duration,
    ) -> Result<LeaseState, StoreError> {
        self.at(key, |shard| shard.commit(key, token, reply, now + retention, now, self.share))
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
            let replies = shard.entries.values().filter(|entry| entry.reply.is_some()).count();
            assert!(shard.by_commit.len() >= replies, "every reply is in the queue");
            assert!(shard.entries.len() <= self.share.entries && bytes <= self.share.bytes);
            usage = (usage.0 + shard.entries.len(), usage.1 + bytes);
        }
        usage
    }

    fn at<T>(&self, key: &DedupeKey, step: impl FnOnce(&mut Shard) -> T) -> T {
        let parts = self.others.len() as u64 + 1;
        let index = usize::try_from(self.hasher.hash_one(key) % parts).unwrap_or_default();
        let shard = self.others.get(index).unwrap_or(&self.first);
        // No operation panics, and one that did would leave a usable shard.
        step(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Default)]
struct Shard {
    entries: HashMap<DedupeKey, Entry>,
    /// The entries with a reply, in the order of their commits; some may be gone.
    by_commit: VecDeque<(DedupeKey, LeaseToken)>,
    /// The cost of the entries.
    bytes: usize,
    /// Steps since the last sweep.
    steps: usize,
    /// Replies that were evicted before their time.
    evicted: u64,
}

struct Entry {
    token: LeaseToken,
    /// The end of the lease, or of the retention of the reply.
    until: Instant,
    reply: Option<StoredReply>,
}

impl Entry {
    fn cost(&self, key: &DedupeKey) -> usize {
        cost(key, self.reply.as_ref().map_or(0, |reply| reply.body().len()))
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
        self.sweep_if_due(now);
        if let Some(entry) = self.entries.get(key) {
            if now < entry.until {
                return Ok(match &entry.reply {
                    Some(reply) => BeginOutcome::Done(reply.clone()),
                    None => BeginOutcome::Running { remaining: entry.until.saturating_duration_since(now) },
                });
            }
            self.remove(key);
        }
        self.make_room(1, cost(key, 0), now, limits)?;
        let token = LeaseToken::unique();
        self.bytes += cost(key, 0);
        self.entries.insert(key.clone(), Entry { token, until: now + lease, reply: None });
        Ok(BeginOutcome::Leased(token))
    }

    fn commit(
        &mut self,
        key: &DedupeKey,
        token: LeaseToken,
        reply: &StoredReply,
        until: Instant,
        now: Instant,
        limits: Limits,
    ) -> Result<LeaseState, StoreError> {
        match self.held(key, token, now) {
            None => return Ok(LeaseState::Lost),
            Some(entry) if entry.reply.is_some() => return Ok(LeaseState::Held),
            Some(_) => {}
        }
        let size = reply.body().len();
        if cost(key, size) > limits.bytes {
            return Err(too_large(size, limits.bytes));
        }
        self.make_room(0, size, now, limits)?; // which never removes a held lease
        if let Some(entry) = self.entries.get_mut(key) {
            entry.until = until;
            entry.reply = Some(reply.clone());
            self.bytes += size;
            self.by_commit.push_back((key.clone(), token));
        }
        Ok(LeaseState::Held)
    }

    fn release(&mut self, key: &DedupeKey, token: LeaseToken, now: Instant) -> LeaseState {
        match self.held(key, token, now) {
            Some(entry) if entry.reply.is_none() => {
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

    /// Makes room: evicts the replies that were stored first, then removes expired entries; never a held lease.
    fn make_room(
        &mut self,
        entries: usize,
        bytes: usize,
        now: Instant,
        limits: Limits,
    ) -> Result<(), StoreError> {
        let mut swept = false;
        while self.entries.len() + entries > limits.entries || self.bytes + bytes > limits.bytes {
            if let Some((key, token)) = self.by_commit.pop_front() {
                if let Some(entry) = self.entries.get(&key).filter(|entry| entry.has_reply_of(token)) {
                    if now < entry.until {
                        self.evicted += 1;
                        self.warn();
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

    /// Sweeps after as many operations as there are entries, so that each operation pays for one.
    fn sweep_if_due(&mut self, now: Instant) {
        self.steps += 1;
        if self.steps > self.entries.len().max(SWEPT_AFTER) {
            self.sweep(now);
        }
    }

    fn sweep(&mut self, now: Instant) {
        self.steps = 0;
        let bytes = &mut self.bytes;
        self.entries.retain(|key, entry| {
            let stays = now < entry.until;
            if !stays {
                *bytes -= entry.cost(key);
            }
            stays
        });
        let Self { entries, by_commit, .. } = self;
        let stays = |(key, token): &(DedupeKey, LeaseToken)| {
            entries.get(key).is_some_and(|entry| entry.has_reply_of(*token))
        };
        while by_commit.front().is_some_and(|front| !stays(front)) {
            by_commit.pop_front();
        }
        // With different retentions, the entries that are gone are not all in front.
        if by_commit.len() > 2 * entries.len() + SWEPT_AFTER {
            by_commit.retain(stays);
        }
    }

    fn warn(&self) {
        if self.evicted.is_power_of_two() {
            let evicted = self.evicted;
            tracing::warn!(
                evicted,
                "the memory store is full: replies are evicted before their time, and a late redelivery of \
                 their deliveries would run again; give the store more room, or use Redis or PostgreSQL"
            );
        }
    }
}

impl Entry {
    fn has_reply_of(&self, token: LeaseToken) -> bool {
        self.reply.is_some() && self.token == token
    }
}

fn full() -> StoreError {
    StoreError::new("the memory for leases is full of deliveries that are running")
        .mend("give the store more room, or let fewer deliveries in")
}

fn too_large(size: usize, room: usize) -> StoreError {
    StoreError::new(format!(
        "a reply of {size} bytes is larger than a shard of the memory store, {room} bytes"
    ))
    .mend("give the store more room, or reply with less")
}

impl fmt::Debug for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shards")
            .field("parts", &(self.others.len() + 1))
            .field("share", &self.share)
            .finish_non_exhaustive()
    }
}
