//! What is delivered: events that each have one effect, once, whatever happens.

use kiket::testing::delivery;
use serde_json::json;

use crate::{SECRET, now};

/// An event, and what its handler does.
pub(crate) struct Event {
    pub(crate) id: String,
    /// How many attempts of each copy fail.
    failures: u32,
    before_ms: u64,
    after_ms: u64,
    /// Whether it gets a permanent failure.
    pub(crate) refused: bool,
}

impl Event {
    fn new(number: usize, random: &mut fastrand::Rng) -> Self {
        Self {
            id: format!("event-{number:04}"),
            failures: if random.u8(..100) < 15 { random.u32(1..=3) } else { 0 },
            before_ms: random.u64(0..15),
            after_ms: random.u64(0..30),
            refused: random.u8(..100) < 5,
        }
    }

    /// Its delivery, as bytes.
    pub(crate) fn request(&self, attempt: u32) -> Vec<u8> {
        let Self { id, failures, before_ms, after_ms, refused } = self;
        let payload = json!({
            "id": id, "attempt": attempt, "failures": failures, "before_ms": before_ms, "after_ms": after_ms,
            "refused": refused,
        });
        extension_process::post(&delivery("work.done", "v1", &payload).sign(SECRET, now()))
    }
}

/// A copy of an event: it is sent until it gets a response for good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copy {
    /// The position of its event.
    pub(crate) event: usize,
    /// The place that the first attempt goes to; the next goes to the other one.
    pub(crate) first: usize,
    /// Whether each attempt goes to that place.
    pub(crate) stays: bool,
}

/// Some events, and the order in which copies of them are sent.
pub(crate) fn events(count: usize, random: &mut fastrand::Rng) -> (Vec<Event>, Vec<Copy>) {
    let events = (0..count).map(|number| Event::new(number, random)).collect();
    let mut order: Vec<usize> = (0..count).collect();
    random.shuffle(&mut order);
    let mut copies = Vec::new();
    for event in order {
        let first = random.usize(..2);
        copies.push(Copy { event, first, stays: false });
        if random.u8(..100) < 20 {
            // At the same time, at the other place.
            copies.push(Copy { event, first: 1 - first, stays: false });
        }
    }
    for event in (0..count).filter(|_| random.u8(..100) < 20).collect::<Vec<_>>() {
        // Long before the first or long after it.
        copies.insert(random.usize(..=copies.len()), Copy { event, first: random.usize(..2), stays: false });
    }
    (events, copies)
}
