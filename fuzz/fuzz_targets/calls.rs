//! Whatever Kiket's responses say about delays and further pages: nothing panics, no delay is longer than a day, and every
//! list ends after as many requests as there are pages to name, with their retries and a few empty ones.
//!
//! ```text
//! 429 7                                         the status of a response, and its `Retry-After`, if it has one
//! {"data":[1],"meta":{"next_page":2}}           its body
//! ```
//!
//! So on, two lines for each response; the last one is that of all further requests.

#![no_main]

use std::{cell::OnceCell, collections::BTreeSet, time::Duration};

use kiket_runtime::internals::{ListRead, read_list, read_retry_after};
use libfuzzer_sys::{Corpus, fuzz_target};

thread_local! {
    static RUNTIME: OnceCell<tokio::runtime::Runtime> = const { OnceCell::new() };
}

const DAY: Duration = Duration::from_secs(86_400);
/// The attempts of a call.
const ATTEMPTS: usize = 3;
/// The pages in a row that may be empty.
const EMPTY: usize = 10;

fuzz_target!(|input: &[u8]| -> Corpus {
    let lines: Vec<_> = input.split(|byte| *byte == b'\n').collect();
    let mut responses = Vec::new();
    for pair in lines.chunks(2) {
        let &[head, body] = pair else { return Corpus::Reject };
        let (status, delay) = match head.iter().position(|byte| *byte == b' ') {
            Some(end) => (&head[..end], head.get(end + 1..)),
            None => (head, None),
        };
        let status = str::from_utf8(status).ok().and_then(|status| status.parse().ok());
        let Some(status @ 200..600) = status else { return Corpus::Reject };
        if let Some(delay) = delay {
            check_delay(delay);
        }
        responses.push((status, delay.map(<[u8]>::to_vec), body.to_vec()));
    }
    if responses.is_empty() || responses.len() > 64 {
        return Corpus::Reject;
    }
    // Every page is named by some response, and none is fetched twice.
    let names: BTreeSet<_> = responses.iter().map(|(.., body)| body.clone()).collect();
    let most = ATTEMPTS * (1 + names.len() + EMPTY);
    let ListRead { requests, error, .. } = RUNTIME.with(|runtime| {
        let runtime = runtime.get_or_init(|| {
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
        });
        runtime.block_on(read_list(responses))
    });
    assert!(requests <= most, "{requests} requests, at most {most}: {error:?}");
    if let Some(error) = error {
        assert!(error.retry_after().is_none_or(|delay| delay <= DAY), "{error:?}");
        assert!(error.to_string().len() < 64 * 1024, "an error is bounded");
    }
    Corpus::Keep
});

/// A delay of digits is read whatever their number, and none is longer than a day.
fn check_delay(text: &[u8]) {
    let read = read_retry_after(text);
    assert!(read.is_none_or(|delay| delay <= DAY));
    // A header has no other white space.
    let text = str::from_utf8(text).unwrap_or_default().trim_matches([' ', '\t']);
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = text.parse().unwrap_or(u64::MAX);
        assert_eq!(read, Some(Duration::from_secs(seconds).min(DAY)));
    }
}
