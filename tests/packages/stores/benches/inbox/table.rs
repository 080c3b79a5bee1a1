//! The figures of a row.

use std::time::Duration;

pub(crate) fn head(columns: &str) {
    println!("\n| {columns} |\n|{}", "---|".repeat(columns.split('|').count()));
}

#[expect(clippy::cast_precision_loss, reason = "there are far less than 2^52 rows")]
pub(crate) fn ratio(rows: usize, of: f64) -> f64 {
    rows as f64 / of
}

/// `p50 | p99`, in milliseconds.
pub(crate) fn percentiles(times: &mut [Duration]) -> String {
    times.sort();
    let of = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    format!("{} | {}", milliseconds(of(50)), milliseconds(of(99)))
}

pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1_000.0)
}
