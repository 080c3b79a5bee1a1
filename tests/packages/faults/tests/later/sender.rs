//! Delivers as Kiket does: again after a 5xx, 429, a lost connection or silence, until there is a 2xx.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use extension_process::Connection;

use crate::{
    PATIENCE,
    fleet::{Place, Places},
    work::Work,
};

/// How many deliveries are under way at once.
const SENDERS: usize = 16;
/// How long the first response may take; the next ones may take longer, on a machine that is busy.
const SILENCE: Duration = Duration::from_secs(1);
/// Between two attempts: Kiket's 30 s, 1 m, 5 m, …, and then as long as the last. A test has no half day.
const PAUSES_MS: [u64; 4] = [20, 50, 100, 200];

pub(crate) struct Sender<'t> {
    places: &'t Places,
    count: usize,
    random: Mutex<fastrand::Rng>,
    seen: Mutex<Seen>,
}

/// What the sender saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) attempts: usize,
    /// The positions of deliveries that got a 2xx, as often as they got it.
    pub(crate) acknowledged: Vec<usize>,
    /// How many of those responses said that the delivery was known.
    pub(crate) known: usize,
    /// What must not be: a refusal for ever, or no 2xx in all the time.
    pub(crate) wrong: Vec<String>,
}

impl<'t> Sender<'t> {
    pub(crate) fn new(places: &'t Places, count: usize, random: &mut fastrand::Rng) -> Self {
        let (random, seen) = (Mutex::new(random.fork()), Mutex::default());
        Self { places, count, random, seen }
    }

    /// Sends deliveries in their order, spread over some time, each until it is acknowledged. `is_for` says which process may get
    /// one.
    pub(crate) fn send(
        &self,
        works: &[Work],
        over: Duration,
        is_for: impl Fn(&Work, Place) -> bool + Send + Sync,
    ) {
        let (from, next) = (Instant::now(), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..SENDERS {
                scope.spawn(|| {
                    loop {
                        let position = next.fetch_add(1, Ordering::Relaxed);
                        let Some(work) = works.get(position) else { return };
                        if self.places.is_abandoned() {
                            return;
                        }
                        let share = u32::try_from(position).expect("they are fewer");
                        let due = over * share / u32::try_from(works.len()).expect("they are fewer");
                        thread::sleep(due.saturating_sub(from.elapsed()));
                        self.deliver(position, work, &is_for);
                    }
                });
            }
        });
    }

    pub(crate) fn seen(self) -> Seen {
        self.seen.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, position: usize, work: &Work, is_for: impl Fn(&Work, Place) -> bool) {
        for _ in 0..=usize::from(work.is_repeated) {
            let (until, mut attempt) = (Instant::now() + PATIENCE, 0);
            while !self.attempt(position, work, SILENCE * (1 + attempt.min(9)), &is_for) {
                if self.places.is_abandoned() {
                    return;
                }
                if Instant::now() > until {
                    return self.see(|seen| seen.wrong.push(format!("{} is not acknowledged", work.id)));
                }
                thread::sleep(Duration::from_millis(PAUSES_MS[(attempt as usize).min(PAUSES_MS.len() - 1)]));
                attempt += 1;
            }
        }
    }

    /// Whether there will be no other attempt.
    fn attempt(
        &self,
        position: usize,
        work: &Work,
        silence: Duration,
        is_for: impl Fn(&Work, Place) -> bool,
    ) -> bool {
        let (place, tries_stopped) = {
            let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
            (random.usize(..self.count), random.u8(..10) == 0)
        };
        // A balancer mostly knows that a process does not respond.
        let found = self.places.at(place).filter(|found| tries_stopped || !found.is_stopped);
        let Some(found) = found.filter(|found| is_for(work, *found)) else { return false };
        let response = Connection::open(found.address).ok().and_then(|mut connection| {
            connection.give_up_after(silence);
            connection.send(&work.request()).ok()?;
            connection.response().ok()
        });
        self.see(|seen| {
            seen.attempts += 1;
            let Some(response) = response else { return false };
            match response.status {
                200..300 => {
                    seen.acknowledged.push(position);
                    seen.known += usize::from(response.header("x-kiket-replayed").is_some());
                    true
                }
                429 | 500.. => false,
                _ => {
                    seen.wrong.push(format!("{} gets {response:?}", work.id));
                    true
                }
            }
        })
    }

    fn see<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
