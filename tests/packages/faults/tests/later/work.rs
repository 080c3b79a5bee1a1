//! What is delivered.

use kiket::testing::delivery;
use serde_json::json;

use crate::{SECRET, micros};

/// A delivery, and what its handler does.
pub(crate) struct Work {
    pub(crate) id: String,
    pub(crate) event: &'static str,
    pub(crate) lane: Option<u8>,
    organisation: u8,
    ms: u64,
    /// Whether some attempts fail.
    pub(crate) fails: bool,
    /// Why its row dies.
    pub(crate) poison: Option<&'static str>,
    /// Whether Kiket sends it again after it was acknowledged.
    pub(crate) is_repeated: bool,
}

impl Work {
    /// Two of five are in one of so many lanes.
    pub(crate) fn new(number: usize, event: &'static str, lanes: u8, random: &mut fastrand::Rng) -> Self {
        Self {
            id: format!("work-{number:06}"),
            event,
            lane: (random.u8(..100) < 40).then(|| random.u8(..lanes)),
            organisation: random.u8(..5),
            ms: if random.u8(..100) < 3 { random.u64(50..100) } else { random.u64(0..20) },
            fails: true,
            poison: event.strip_prefix("poison."),
            is_repeated: random.u8(..100) < 10,
        }
    }

    /// The delivery as bytes, signed now.
    pub(crate) fn request(&self) -> Vec<u8> {
        let Self { id, event, lane, organisation, ms, fails, poison, .. } = self;
        let mut payload = json!({
            "id": id, "ms": ms, "fails": fails, "poison": poison.unwrap_or_default(),
            "organization_id": format!("org-{organisation}"),
        });
        if let Some(lane) = lane {
            payload["lane"] = format!("lane-{lane}").into();
        }
        extension_process::post(&delivery(event, "v1", &payload).sign(SECRET, micros() / 1_000_000))
    }
}
