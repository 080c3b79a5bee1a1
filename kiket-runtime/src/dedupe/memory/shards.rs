//! The contents of a [`MemoryStore`](super::MemoryStore), in shards with a lock each.
//!
//! A delivery that is done leaves a mark of 56 bytes: a keyed hash of its key, the token, status and end of retention. Its body
//! is beside it, unless it is `{"ok":true}`, or had to go.
//!
//! `tests/packages/stores` takes this file as it is, with the locks of a model checker: it names nothing but `super::parts`.

use std::{
    collections::{VecDeque, hash_map::RandomState},
    fmt,
    hash::BuildHasher as _,
    num::NonZeroU64,
    sync::{
        PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hashbrown::HashTable;

use super::parts::{
    BeginOutcome, DedupeKey, Instant, LeaseState, LeaseToken, Mutex, StatusCode, StoreError, StoreErrorKind,
    StoredReply,
};

/// The shards; the key of a delivery chooses one. Each has its share of the limits, so that no operation touches two.
pub(crate) struct Shards {
    first: Mutex<Shard>,
    others: Box<[Mutex<Shard>]>,
    share: Limits,
    hashers: [RandomState; 2],
    /// From where marks count milliseconds.
    from: Instant,
    evicted: Evicted,
}

/// The limits of the contents.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Of deliveries, running and done.
    pub(crate) entries: usize,
    /// Of bodies.
    pub(crate) bytes: usize,
}

/// The most shards: as many as threads may contend for one lock.
const MOST_SHARDS: usize = 16;
/// The least entries of a shard: with few, chance would fill one shard much earlier than the others.
const FEWEST_ENTRIES: usize = 1024;
/// The least bytes of a shard, enough for large replies.
const FEWEST_BYTES: usize = 4 * 1024 * 1024;
/// What a body costs besides its bytes: the heap.
const OVERHEAD: usize = 112;
/// The operations after which a shard with few leases is swept.
const SWEPT_AFTER: usize = 64;
/// The body of a mark without one.
const OK: &[u8] = br#"{"ok":true}"#;

impl Shards {
    pub(crate) fn new(limits: Limits) -> Self {
        let parts = (limits.entries / FEWEST_ENTRIES).min(limits.bytes / FEWEST_BYTES).clamp(1, MOST_SHARDS);
        Self {
            first: Mutex::default(),
            others: (1..parts).map(|_| Mutex::default()).collect(),
            share: Limits { entries: limits.entries.div_ceil(parts), bytes: limits.bytes.div_ceil(parts) },
            hashers: [RandomState::new(), RandomState::new()],
            from: Instant::now(),
            evicted: Evicted::default(),
        }
    }

    pub(crate) fn begin(
        &self,
        name: Name,
        now: Instant,
        lease: Duration,
    ) -> Result<BeginOutcome, StoreError> {
        self.at(name, |shard| shard.begin(name, now, self.millis(now), lease, self))
    }

    pub(crate) fn commit(
        &self,
        name: Name,
        token: LeaseToken,
        reply: &StoredReply,
        now: Instant,
        retention: Duration,
    ) -> LeaseState {
        let at = self.millis(now);
        let until = at.saturating_add(u64::try_from(retention.as_millis()).unwrap_or(u64::MAX));
        let mark = Mark::new(name, token, until, reply);
        self.at(name, |shard| shard.commit(mark, reply, now, at, self))
    }

    pub(crate) fn release(&self, name: Name, token: LeaseToken, now: Instant) -> LeaseState {
        self.at(name, |shard| match shard.take_lease(name, token, now) {
            Some(_) => LeaseState::Held,
            None => LeaseState::Lost,
        })
    }

    /// Deliveries, the bytes of their bodies, and those of their marks with the room for more; counted and checked.
    #[cfg(test)]
    pub(crate) fn usage(&self) -> (usize, usize, usize) {
        let mut usage = (0, 0, 0);
        for shard in self.others.iter().chain([&self.first]) {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let bytes = shard.done.iter().map(Mark::cost).sum::<usize>();
            assert_eq!(shard.bytes, bytes, "bytes are counted right");
            let indexed = shard.index.iter().filter(|number| shard.mark(**number).is_some()).count();
            assert_eq!(shard.index.len(), indexed, "the index leads to marks");
            let of_marks = shard.done.capacity() * size_of::<Mark>() + shard.index.allocation_size();
            usage = (usage.0 + shard.entries(), usage.1 + bytes, usage.2 + of_marks);
        }
        usage
    }

    /// The name of a delivery here: its key is hashed once for all steps.
    pub(crate) fn name(&self, key: &DedupeKey) -> Name {
        Name(self.hashers.each_ref().map(|hasher| hasher.hash_one(key)))
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.from).as_millis()).unwrap_or(u64::MAX)
    }

    fn at<T>(&self, name: Name, step: impl FnOnce(&mut Shard) -> T) -> T {
        let parts = self.others.len() as u64 + 1;
        let index = usize::try_from(name.0[1] % parts).unwrap_or_default();
        let shard = self.others.get(index).unwrap_or(&self.first);
        // No operation panics, and one that did would leave a usable shard.
        step(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A keyed hash of 128 bits in place of a key: no sender can make two keys equal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name([u64; 2]);

#[derive(Default)]
struct Shard {
    running: HashTable<Lease>,
    /// In the order of their commits.
    done: VecDeque<Mark>,
    /// The number of the first of `done`.
    first: u32,
    /// The numbers of marks by their names, but not of those that have expired and began again.
    index: HashTable<u32>,
    /// The numbers of marks whose bodies may go, in the order of their commits; some may be gone.
    large: VecDeque<u32>,
    /// The cost of all bodies.
    bytes: usize,
    /// Steps since the last sweep.
    steps: usize,
}

struct Lease {
    name: Name,
    token: LeaseToken,
    until: Instant,
}

/// A delivery that is done. The store holds many: every byte counts.
struct Mark {
    name: Name,
    token: LeaseToken,
    /// The end of retention in milliseconds, and in the last 16 bits the status.
    until_and_status: u64,
    request_hash: Option<NonZeroU64>,
    /// Absent if it is `{"ok":true}`, or had to go.
    body: Option<Box<StoredReply>>,
}

impl Mark {
    /// The mark of a reply, without its body.
    fn new(name: Name, token: LeaseToken, until: u64, reply: &StoredReply) -> Self {
        let status = u64::from(reply.status().as_u16());
        let until_and_status = until.min(u64::MAX >> 16) << 16 | status;
        Self { name, token, until_and_status, request_hash: reply.request_hash(), body: None }
    }

    fn is_over(&self, now: u64) -> bool {
        self.until_and_status >> 16 <= now
    }

    fn reply(&self) -> StoredReply {
        if let Some(reply) = &self.body {
            return (**reply).clone();
        }
        let status = u16::try_from(self.until_and_status & 0xffff).unwrap_or_default();
        let status = StatusCode::from_u16(status).unwrap_or_default();
        StoredReply::new(status, OK).with_request_hash(self.request_hash)
    }

    fn cost(&self) -> usize {
        self.body.as_ref().map_or(0, |reply| OVERHEAD + reply.body().len())
    }
}

impl Shard {
    fn begin(
        &mut self,
        name: Name,
        now: Instant,
        at: u64,
        lease: Duration,
        store: &Shards,
    ) -> Result<BeginOutcome, StoreError> {
        self.sweep_if_due(now, at);
        if let Some(number) = self.numbered(name) {
            match self.mark(number) {
                Some(mark) if !mark.is_over(at) => return Ok(BeginOutcome::Done(mark.reply())),
                _ => self.forget(number),
            }
        }
        if let Ok(found) = self.running.find_entry(name.0[0], |lease| lease.name == name) {
            let remaining = found.get().until.saturating_duration_since(now);
            if !remaining.is_zero() {
                return Ok(BeginOutcome::Running { remaining });
            }
            found.remove();
        }
        while self.entries() >= store.share.entries {
            if !self.drop_first(at, &store.evicted) {
                self.running.retain(|lease| now < lease.until);
                if self.entries() >= store.share.entries {
                    return Err(full());
                }
            }
        }
        let token = LeaseToken::unique();
        let lease = Lease { name, token, until: now + lease };
        self.running.insert_unique(name.0[0], lease, |lease| lease.name.0[0]);
        Ok(BeginOutcome::Leased(token))
    }

    fn commit(
        &mut self,
        mut mark: Mark,
        reply: &StoredReply,
        now: Instant,
        at: u64,
        store: &Shards,
    ) -> LeaseState {
        let (name, token) = (mark.name, mark.token);
        if self.take_lease(name, token, now).is_none() {
            let known = self.numbered(name).and_then(|number| self.mark(number));
            return match known {
                Some(known) if known.token == token && !known.is_over(at) => LeaseState::Held,
                _ => LeaseState::Lost,
            };
        }
        // Marks that go to make room do not change it.
        let number = self.first.wrapping_add(u32::try_from(self.done.len()).unwrap_or(u32::MAX));
        if !is_ok(reply) && self.make_room(reply, at, store) {
            mark.body = Some(Box::new(body(reply)));
            self.bytes += mark.cost();
            if !reply.needs_body() {
                self.large.push_back(number);
            }
        }
        self.done.push_back(mark);
        let Self { index, done, first, .. } = self;
        index.insert_unique(name.0[0], number, |number| {
            done.get(number.wrapping_sub(*first) as usize).map_or(0, |mark| mark.name.0[0])
        });
        LeaseState::Held
    }

    /// Makes room for the body of a reply: large bodies that were stored first go first, then whole marks. `false` if the
    /// body itself is one that goes.
    fn make_room(&mut self, reply: &StoredReply, at: u64, store: &Shards) -> bool {
        let cost = OVERHEAD + reply.body().len();
        let may_go = !reply.needs_body();
        while self.bytes + cost > store.share.bytes {
            if may_go && cost > store.share.bytes {
                store.evicted.a_body();
                return false;
            }
            match self.large.pop_front() {
                Some(number) => {
                    let dropped = self.drop_body(number);
                    if dropped {
                        store.evicted.a_body();
                    }
                }
                None if may_go => {
                    store.evicted.a_body();
                    return false;
                }
                // A guard's body that is larger than the shard is stored alone.
                None if !self.drop_first(at, &store.evicted) => return true,
                None => {}
            }
        }
        true
    }

    /// Takes the lease out, if it is held.
    fn take_lease(&mut self, name: Name, token: LeaseToken, now: Instant) -> Option<Lease> {
        let held = |lease: &Lease| lease.name == name && lease.token == token && now < lease.until;
        Some(self.running.find_entry(name.0[0], held).ok()?.remove().0)
    }

    fn entries(&self) -> usize {
        self.running.len() + self.done.len()
    }

    fn mark(&self, number: u32) -> Option<&Mark> {
        self.done.get(number.wrapping_sub(self.first) as usize)
    }

    fn numbered(&self, name: Name) -> Option<u32> {
        let named = |number: &u32| self.mark(*number).is_some_and(|mark| mark.name == name);
        self.index.find(name.0[0], named).copied()
    }

    fn drop_body(&mut self, number: u32) -> bool {
        let mark = self.done.get_mut(number.wrapping_sub(self.first) as usize);
        let Some((cost, mark)) = mark.map(|mark| (mark.cost(), mark)).filter(|(cost, _)| *cost > 0) else {
            return false;
        };
        mark.body = None;
        self.bytes -= cost;
        true
    }

    /// Forgets an expired mark. It stays in the queue until it is in front.
    fn forget(&mut self, number: u32) {
        self.drop_body(number);
        if let Some(name) = self.mark(number).map(|mark| mark.name)
            && let Ok(found) = self.index.find_entry(name.0[0], |found| *found == number)
        {
            found.remove();
        }
    }

    /// Drops the mark that was stored first; `false` if there is none.
    fn drop_first(&mut self, at: u64, evicted: &Evicted) -> bool {
        let number = self.first;
        let Some(mark) = self.done.pop_front() else { return false };
        self.first = number.wrapping_add(1);
        self.bytes -= mark.cost();
        if let Ok(found) = self.index.find_entry(mark.name.0[0], |found| *found == number) {
            found.remove();
            if !mark.is_over(at) {
                evicted.a_delivery();
            }
        }
        while self.large.front() == Some(&number) {
            self.large.pop_front();
        }
        true
    }

    /// Removes expired marks that are in front; expired leases after as many operations as there are, so that each operation
    /// pays for one.
    fn sweep_if_due(&mut self, now: Instant, at: u64) {
        for _ in 0..2 {
            if self.done.front().is_some_and(|mark| mark.is_over(at)) {
                self.drop_first(at, &Evicted::default());
            }
        }
        self.steps += 1;
        if self.steps > self.running.len().max(SWEPT_AFTER) {
            self.steps = 0;
            self.running.retain(|lease| now < lease.until);
        }
    }
}

/// Whether a mark says everything about a reply.
fn is_ok(reply: &StoredReply) -> bool {
    *reply.body() == OK && reply.retry_after().is_none()
}

/// A reply as it is stored; a small body in a piece of memory of its own size.
fn body(reply: &StoredReply) -> StoredReply {
    if reply.body().len() > StoredReply::SMALL_BODY {
        return reply.clone();
    }
    let small = StoredReply::new(reply.status(), reply.body().to_vec());
    small.with_retry_after(reply.retry_after()).with_request_hash(reply.request_hash())
}

/// What was evicted before its time, in all shards. The log says so whenever the number has doubled.
#[derive(Default)]
struct Evicted {
    bodies: AtomicU64,
    deliveries: AtomicU64,
}

impl Evicted {
    fn a_body(&self) {
        let evicted = self.bodies.fetch_add(1, Ordering::Relaxed) + 1;
        if evicted.is_power_of_two() {
            tracing::warn!(
                evicted,
                "the memory store is full: a late redelivery of a delivery with a large reply gets `{{\"ok\":true}}` in \
                 its place; give the store more room, or use Redis or PostgreSQL"
            );
        }
    }

    fn a_delivery(&self) {
        let evicted = self.deliveries.fetch_add(1, Ordering::Relaxed) + 1;
        if evicted.is_power_of_two() {
            tracing::warn!(
                evicted,
                "the memory store is full: deliveries are forgotten before their time, and a late redelivery of one \
                 would run again; give the store more room, or use Redis or PostgreSQL"
            );
        }
    }
}

fn full() -> StoreError {
    StoreError::new("the memory for leases is full of deliveries that are running")
        .with_kind(StoreErrorKind::Full)
        .mend("give the store more room, or let fewer deliveries in")
}

impl fmt::Debug for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shards")
            .field("parts", &(self.others.len() + 1))
            .field("share", &self.share)
            .finish_non_exhaustive()
    }
}
