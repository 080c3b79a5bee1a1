//! Why a delivery ended as it did: why its handler did not run, whether Kiket sends it again and when, and whether it was a
//! duplicate.

use serde::Serialize;

use super::{
    control::Handler,
    record::{Record, Response},
};

/// An explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Why {
    /// Whether the handler ran.
    pub(crate) ran: bool,
    /// What happened, as a sentence.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) help: Option<String>,
}

/// The code of a response, whether the handler ran, what happened, and what to do.
type Row = (&'static str, bool, &'static str, &'static str);

/// The codes (wire contract, order).
const CODES: [Row; 34] = [
    (
        "inbox_down",
        false,
        "The inbox could not be reached.",
        "Look at `KIKET_INBOX_URL`: what is not stored is not acknowledged.",
    ),
    ("inbox_full", false, "The inbox is full.", "See what waits there: `cargo kiket inbox ls`."),
    (
        "not_found",
        false,
        "No route has this path.",
        "Send deliveries to `/v/{version}/webhooks/{event}`, below the prefix if the extension has one.",
    ),
    ("method_not_allowed", false, "This path takes another method.", "Send deliveries by POST."),
    ("draining", false, "The extension was shutting down.", ""),
    (
        "overloaded",
        false,
        "The concurrency limit was reached.",
        "Raise `concurrency_limit`, or find the handlers that take long.",
    ),
    (
        "body_too_large",
        false,
        "The body is over the limit.",
        "Raise `body_limit`: Kiket does not send it again.",
    ),
    (
        "body_too_slow",
        false,
        "The body did not arrive in time.",
        "Look at the network in front of the extension.",
    ),
    (
        "body_incomplete",
        false,
        "The body is shorter than its `Content-Length`.",
        "The sender broke off, or announces the wrong length.",
    ),
    (
        "unsupported_content_encoding",
        false,
        "The body is compressed.",
        "Signatures are of the bytes as they are: send it without `Content-Encoding`.",
    ),
    (
        "version_missing",
        false,
        "No version: neither the path, nor `X-Kiket-Event-Version`, nor `?version=` has one.",
        "Send to `/v/v1/webhooks/{event}`, or set a default version (`KIKET_DEFAULT_EVENT_VERSION`).",
    ),
    (
        "versions_conflict",
        false,
        "Two versions: path, header and query name different ones.",
        "Keep one of them.",
    ),
    (
        "malformed_version",
        false,
        "What is in the place of the version is no version.",
        "Versions are like `v1`, `2` or `1.1`.",
    ),
    (
        "malformed_event",
        false,
        "What is in the place of the event is no event name.",
        "Names are segments of letters, digits, `-` and `_`, joined by dots.",
    ),
    (
        "event_missing",
        false,
        "No event: neither the path nor the body names one.",
        "Put `event` into the body, or send to `/v/v1/webhooks/{event}`.",
    ),
    (
        "no_handler",
        false,
        "No handler is registered for this event and version.",
        "Write one: `#[kiket::webhook(\"…\", version = \"…\")]`.",
    ),
    (
        "works_only",
        false,
        "This process only works (`kiket work`): it takes no deliveries.",
        "Let the service or load balancer select the processes that take deliveries alone.",
    ),
    ("not_json", false, "The body is no JSON.", "Correct the body; Kiket sends JSON objects."),
    (
        "not_an_object",
        false,
        "The body is JSON, and no object.",
        "Correct the body; Kiket sends JSON objects.",
    ),
    ("too_deep", false, "The body is nested more deeply than 128 levels.", ""),
    (
        "event_mismatch",
        false,
        "The body names another event than the path.",
        "Correct `event` in the body, or the path.",
    ),
    (
        "insufficient_scopes",
        false,
        "The runtime token lacks scopes that the handler requires.",
        "Grant the extension these scopes, or send a token that has them.",
    ),
    (
        "still_running",
        false,
        "The same delivery was still running.",
        "The first attempt goes on; this one did nothing.",
    ),
    (
        "store_down",
        false,
        "The deduplication store could not be reached.",
        "Look at `KIKET_DEDUPE_URL`: without its store a delivery might run twice.",
    ),
    (
        "keys_unavailable",
        false,
        "The keys of runtime tokens could not be fetched.",
        "Look at `KIKET_BASE_URL`.",
    ),
    (
        "token_in_use",
        false,
        "The runtime token was being checked for another request, or came again with other secrets.",
        "Only a signature proves what changed: in mode `both` or `either` a signed delivery is accepted.",
    ),
    (
        "undecodable_payload",
        false,
        "The payload does not decode into the type of the handler.",
        "Correct the type: the field is in `error`. The next attempt finds the new build.",
    ),
    ("handler_busy", true, "The handler asked for a later attempt.", ""),
    (
        "handler_failed",
        true,
        "The handler failed.",
        "The log line of the delivery has the error with its causes.",
    ),
    (
        "handler_failed_permanently",
        true,
        "The handler failed for good: it says that another attempt would not help.",
        "",
    ),
    ("rejected", true, "The handler, or something before it, rejected the delivery.", ""),
    (
        "handler_panicked",
        true,
        "The handler panicked.",
        "The log line of the delivery has the message and its place.",
    ),
    (
        "deadline_exceeded",
        true,
        "The handler ran past its timeout, and was stopped.",
        "Raise `timeout` at the handler, or do less in it.",
    ),
    (
        "secret_missing",
        true,
        "A secret that the handler asks for is not set.",
        "Set it in Kiket, or its variable.",
    ),
];

/// Why the delivery ended as it did; `None` while it runs, and where all is well.
pub(crate) fn why(record: &Record, handlers: &[Handler]) -> Option<Why> {
    let response = record.response.as_ref()?;
    let plain = |ran, what: &str, help: &str| Why {
        ran,
        what: what.to_owned(),
        help: (!help.is_empty()).then(|| help.to_owned()),
    };
    if response.by_proxy {
        return Some(plain(
            false,
            "The extension was not there: the proxy of `cargo kiket dev` responded.",
            "See whether it builds and starts; the log and the builds are in the overview.",
        ));
    }
    if response.replayed {
        return Some(plain(
            false,
            "The delivery was handled before: this is the stored reply of the first attempt, and the handler did not run again.",
            "To run it again, replay it with a new id.",
        ));
    }
    let Some(status) = response.status else {
        let what = response.nothing.as_deref().unwrap_or_default();
        let what = if response.sender_left {
            format!("The sender left before the response: {what}. The handler still runs to completion.")
        } else {
            format!("There was no response: {what}.")
        };
        return Some(plain(true, &what, ""));
    };
    if status == 401 {
        return Some(plain(
            false,
            "The signature or the runtime token was refused. The response never says why; this page does.",
            "",
        ));
    }
    let code = response.code.as_deref().unwrap_or_default();
    let row = CODES.iter().find(|(known, ..)| *known == code);
    match row {
        Some((_, ran, what, help)) => {
            let mut why = plain(*ran, what, help);
            match code {
                "no_handler" => why.help = Some(nearest(record, handlers)),
                "insufficient_scopes" => {
                    let missing = missing_scopes(response);
                    if !missing.is_empty() {
                        why.what =
                            format!("The runtime token lacks scopes that the handler requires: {missing}.");
                    }
                }
                _ => {}
            }
            Some(why)
        }
        None if status >= 400 => Some(plain(true, "The handler responded with this status.", "")),
        None => None,
    }
}

fn missing_scopes(response: &Response) -> String {
    let body = response.body.value().unwrap_or_default();
    let missing =
        body.get("missing_scopes").and_then(|missing| missing.as_array()).cloned().unwrap_or_default();
    let names: Vec<_> =
        missing.iter().filter_map(|name| name.as_str()).map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// The handlers that may have been meant.
fn nearest(record: &Record, handlers: &[Handler]) -> String {
    let event = record.event.as_deref().unwrap_or_default();
    let version = record.version.as_deref().unwrap_or_default();
    let same: Vec<_> = handlers
        .iter()
        .filter(|handler| handler.event == event)
        .map(|handler| format!("`{}`", handler.version))
        .collect();
    if !same.is_empty() {
        return format!(
            "`{event}` has handlers of other versions: {}. Send one of these, or write a handler for `{version}`.",
            same.join(", ")
        );
    }
    let mut near: Vec<_> = handlers
        .iter()
        .map(|handler| (strsim::normalized_damerau_levenshtein(event, &handler.event), &*handler.event))
        .collect();
    near.retain(|(likeness, _)| *likeness >= 0.6);
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    near.dedup_by_key(|(_, name)| *name);
    // Those that are about as near as the nearest one.
    let nearest = near.first().map_or(0.0, |(likeness, _)| *likeness);
    near.retain(|(likeness, _)| *likeness > nearest - 0.1);
    let write = format!("write `#[kiket::webhook(\"{event}\", version = \"{version}\")]`");
    if near.is_empty() {
        let mut all: Vec<_> = handlers.iter().map(|handler| format!("`{}`", handler.event)).collect();
        all.sort();
        all.dedup();
        let count = all.len();
        all.truncate(8);
        let more = if count > 8 { format!(" and {} more", count - 8) } else { String::new() };
        return match count {
            0 => format!("The extension has no handlers: {write}."),
            _ => format!("There are handlers of {}{more}. For this event, {write}.", all.join(", ")),
        };
    }
    let near: Vec<_> = near.into_iter().take(3).map(|(_, name)| format!("`{name}`")).collect();
    format!("Did you mean {}? Otherwise {write}.", near.join(", "))
}

/// Whether Kiket sends a delivery again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Again {
    #[serde(rename = "again")]
    pub(crate) comes: bool,
    /// When, in Unix milliseconds.
    pub(crate) at: Option<u64>,
    pub(crate) what: String,
    /// Whether an event is lost.
    pub(crate) lost: bool,
}

/// The pauses between attempts, in seconds (wire contract, redelivery-schedule).
const SCHEDULE: [(u64, &str); 6] =
    [(30, "30 s"), (60, "1 min"), (300, "5 min"), (1800, "30 min"), (7200, "2 h"), (28_800, "8 h")];

/// Whether Kiket sends it again after this attempt, the `attempt`th of the delivery; `None` while it runs.
pub(crate) fn again(record: &Record, attempt: usize) -> Option<Again> {
    let response = record.response.as_ref()?;
    let never = |what: &str, lost| Again { comes: false, at: None, what: what.to_owned(), lost };
    Some(match response.status {
        Some(429 | 500..) | None => {
            let Some((seconds, name)) = SCHEDULE.get(attempt.saturating_sub(1)) else {
                return Some(never(
                    "This was the last attempt: Kiket tries seven times in all, and gives up.",
                    true,
                ));
            };
            let ended = record.at + response.took / 1000;
            let after = match response.status {
                Some(429) => "a 429",
                Some(_) => "a 5xx",
                None => "no response",
            };
            let hint = response.headers.iter().any(|(name, _)| name == "retry-after");
            let hint = if hint { " `Retry-After` does not change that." } else { "" };
            Again {
                comes: true,
                at: Some(ended + seconds * 1000),
                what: format!(
                    "After {after} Kiket sends it again: attempt {} of 7 comes {name} after this one.{hint}",
                    attempt + 1
                ),
                lost: false,
            }
        }
        Some(400..) => never(
            "Kiket does not send it again: of 4xx only a 429 is retried. The event is lost unless you send it yourself.",
            true,
        ),
        Some(_) => never("Kiket does not send it again: it has its response.", false),
    })
}

/// What deduplication made of the delivery; `None` while it runs.
pub(crate) fn deduplication(record: &Record, handler: Option<&Handler>, attempt: usize) -> Option<String> {
    let response = record.response.as_ref()?;
    let code = response.code.as_deref().unwrap_or_default();
    Some(match response.status {
        _ if handler.is_some_and(|handler| !handler.deduplicated) => {
            "Off for this handler: each attempt runs it.".to_owned()
        }
        _ if response.replayed => {
            "A duplicate: the reply of an earlier attempt was stored, and sent again.".to_owned()
        }
        _ if code == "still_running" => "A duplicate of an attempt that was still running.".to_owned(),
        None => "Open: the attempt holds its lease until its deadline and 5 s.".to_owned(),
        Some(429 | 500..) => {
            "Released: the reply was not stored, and the next attempt runs the handler.".to_owned()
        }
        Some(400..) if why(record, &[]).is_some_and(|why| !why.ran) => {
            "Not reached: the delivery was refused before.".to_owned()
        }
        Some(202) if handler.is_some_and(|handler| handler.deferred) => {
            "Accepted into the inbox once: another attempt is acknowledged, and not worked on again."
                .to_owned()
        }
        Some(_) => {
            let id = if record.delivery_id.is_some() { "its id" } else { "its content, for it has no id" };
            let first = if attempt > 1 {
                "The handler ran again, and its reply is stored"
            } else {
                "The handler ran, and its reply is stored"
            };
            format!("{first} by {id}: another attempt gets it, and does not run the handler.")
        }
    })
}
