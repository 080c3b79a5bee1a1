//! What is known of a delivery that is judged.

use kiket_runtime::{Headers, Secret};

/// What is known of a delivery.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence<'e> {
    pub(crate) headers: &'e Headers,
    pub(crate) body: &'e [u8],
    /// The time at which it is judged, in Unix seconds.
    pub(crate) now: u64,
    /// The live secrets, the current one first.
    pub(crate) live: &'e [Secret],
    /// Secrets that are known and not live.
    pub(crate) retired: &'e [Secret],
    /// Bodies of other deliveries, each with its name.
    pub(crate) other_bodies: &'e [(String, Vec<u8>)],
}
