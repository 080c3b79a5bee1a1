//! Reads timeouts, as manifests write them.

use std::time::Duration;

use super::{node::Node, report::quoted};
use crate::types::read_timeout;

/// Why a value is no timeout.
pub(super) struct InvalidTimeout {
    /// What was there instead.
    pub(super) found: String,
}

/// Reads a timeout:
///
/// ```text
/// timeout: 5000        milliseconds
/// timeout: "5000"      the same
/// timeout: 5s          with a unit: ms, s or m
/// ```
pub(super) fn read(node: &Node) -> Result<Duration, InvalidTimeout> {
    let Some(written) = node.as_written() else {
        return Err(InvalidTimeout { found: node.describe().to_owned() });
    };
    read_timeout(written.as_bytes()).ok_or_else(|| InvalidTimeout { found: quoted(&written) })
}
