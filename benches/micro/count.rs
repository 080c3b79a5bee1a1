//! Deliveries for callgrind: `scripts/instructions` counts what happens inside `counted`, and nothing else.

use bytes::Bytes;
use kiket::{Headers, signature};

use super::{NOW, SECRET, builder, deliver, deliveries, headers};
use crate::deliveries::SIZES;

/// Runs before anything is counted: what is made once is made then.
const WARM: usize = 50;

/// What is counted: each adds to the one before.
const WHAT: [&str; 4] = ["bare", "deduplicating", "logging", "metrics"];

/// Reads `--count SIZE WHAT RUNS` (`1` or `64`, one of [`WHAT`]), runs that many deliveries, and says whether it did.
pub(crate) fn asked() -> bool {
    let arguments: Vec<_> = std::env::args().skip_while(|argument| argument != "--count").skip(1).collect();
    let [size, what, runs, ..] = arguments.as_slice() else { return false };
    let kib: usize = size.parse().expect("SIZE is 1 or 64");
    let (size, _) = SIZES.into_iter().find(|(bytes, _)| *bytes == kib * 1024).expect("SIZE is 1 or 64");
    let runs: usize = runs.parse().expect("RUNS is a number");
    count(size, WHAT.into_iter().position(|known| known == what).expect("WHAT is known"), runs);
    true
}

fn count(size: usize, what: usize, runs: usize) {
    if what > 1 {
        kiket::telemetry::init_logging(); // to standard output, which `scripts/instructions` passes over
    }
    let builder = builder().dedupe(|group| group.enabled(what > 0));
    let builder = if what > 2 { builder.http(|http| http.metrics("127.0.0.1:0")) } else { builder };
    let extension = builder.build().expect("the extension is complete");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime is there");
    let _entered = runtime.enter();
    for number in 0..WARM + runs {
        let (headers, body) = delivery(size, number);
        let run = || deliver(&extension, headers, &body);
        if number < WARM { run() } else { counted(run) }
    }
}

/// What callgrind counts.
#[inline(never)]
fn counted(run: impl FnOnce()) {
    run();
}

/// A delivery of `size` bytes with an id of its own.
fn delivery(size: usize, number: usize) -> (Headers, Bytes) {
    let text = String::from_utf8(deliveries::body(size)).expect("the body is text");
    let body = Bytes::from(text.replacen("evt_01JZ8Q4W7C5N2M", &format!("evt_{number:014}"), 1));
    let signed = signature::sign(SECRET, NOW, &body);
    (headers(&NOW.to_string(), &signed, &size.to_string()), body)
}
