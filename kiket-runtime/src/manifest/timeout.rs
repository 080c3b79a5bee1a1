//! How long Kiket waits for an answer, as manifests write it.

use std::time::Duration;

use super::{node::Node, report::quoted};

/// The longest timeout, the same as the attribute's: no sender waits longer than an hour.
const LONGEST: Duration = Duration::from_secs(3600);

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
    milliseconds(&written)
        .map(Duration::from_millis)
        .filter(|timeout| !timeout.is_zero() && *timeout <= LONGEST)
        .ok_or_else(|| InvalidTimeout { found: quoted(&written) })
}

fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None; // `parse` would accept a sign
    }
    let unit = match text.strip_prefix(digits)? {
        "" | "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_milliseconds_or_carry_a_unit() {
        for (text, expected) in
            [("5000", 5000), ("1", 1), ("250ms", 250), ("5s", 5000), ("2m", 120_000), ("3600000", 3_600_000)]
        {
            assert_eq!(milliseconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_timeouts() {
        for text in
            ["", "s", "-1", "+1", "1.5", "5 s", "5h", "5S", "1e3", "soon", "99999999999999999999", "٣"]
        {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }
}
