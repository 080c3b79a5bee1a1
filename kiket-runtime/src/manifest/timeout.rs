//! Reads timeouts, as manifests write them.

use std::time::Duration;

use super::{node::Node, report::quoted};
use crate::types::read_timeout;

/// Reads a timeout:
///
/// ```text
/// timeout: 5000        milliseconds
/// timeout: "5000"      the same
/// timeout: 5s          with a unit: ms, s or m
/// ```
///
/// The error is what was found instead.
pub(super) fn read(node: &Node) -> Result<Duration, String> {
    let written = node.as_written().ok_or_else(|| node.describe().to_owned())?;
    read_timeout(written.as_bytes()).ok_or_else(|| quoted(&written))
}
