//! A delivery of the store as a capture, which becomes a test.

use kiket_runtime::Headers;
use kiket_testing::{Capture, Recording};

use super::record::{Record, Response};

/// The capture; `None` where a body is only an excerpt, the delivery names no event, or no handler was there for it.
pub(crate) fn capture(record: &Record) -> Option<Capture> {
    let event = record.event.clone()?;
    let response = record.response.as_ref();
    let is_cut = record.body.cut || response.is_some_and(|response| response.body.cut);
    if is_cut || response.is_some_and(Response::proves_nothing) {
        return None;
    }
    let pairs = |headers: &[(String, String)]| headers.iter().cloned().collect::<Headers>();
    let (sent, received) =
        (pairs(&record.headers), pairs(response.map(|it| &*it.headers).unwrap_or_default()));
    let version = record.version.clone().unwrap_or_else(|| "v1".to_owned());
    let mut recording = Recording::redacted(event, version, record.body.text.as_bytes())
        .path(record.target.clone())
        .at(record.at / 1000)
        .headers(texts(&sent));
    if let Some((response, status)) = response.and_then(|response| Some((response, response.status?))) {
        recording = recording.responded(status, texts(&received), response.body.text.as_bytes());
    }
    // Some calls are worse than none: a test would miss the others.
    let calls: Option<Vec<_>> = record.calls.iter().map(|call| call.captured.clone()).collect();
    if let Some(calls) = calls.filter(|_| record.left_out == 0) {
        recording = recording.redacted_calls(calls);
    }
    Some(recording.capture())
}

fn texts(headers: &Headers) -> impl Iterator<Item = (&str, &str)> {
    headers.iter().filter_map(|(name, value)| Some((name, std::str::from_utf8(value).ok()?)))
}
