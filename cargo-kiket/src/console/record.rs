//! What is kept of one delivery: no secret, and a bounded number of bytes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kiket_runtime::{Headers, internals};
use kiket_testing::{__private::Keyring, CapturedCall};
use serde::{Serialize, de::IgnoredAny};

use super::{
    body::{Body, whole},
    line::Line,
    seen::{Arrival, DeliveryId, End, Origin, ResponseSeen},
    signature::Signature,
};

/// A delivery.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Record {
    pub(crate) id: DeliveryId,
    /// The number of the last change of anything; it only grows.
    pub(crate) changed: u64,
    /// When it arrived, in Unix milliseconds.
    pub(crate) at: u64,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) event: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) delivery_id: Option<String>,
    pub(crate) from: &'static str,
    /// The delivery that it replays.
    pub(crate) of: Option<DeliveryId>,
    pub(crate) headers: Vec<(String, String)>,
    /// The form of the signature, without the signature.
    pub(crate) signature_form: Option<String>,
    pub(crate) signature: Signature,
    pub(crate) body: Body,
    /// Whether all of the body arrived, and was small enough to be looked at.
    pub(crate) is_whole: bool,
    pub(crate) response: Option<Response>,
    pub(crate) calls: Vec<CallMade>,
    pub(crate) lines: Vec<Line>,
    pub(crate) handler: Option<String>,
    /// How many lines and calls were too many to keep.
    pub(crate) left_out: usize,
    /// The capture that it was saved as.
    pub(crate) saved: Option<String>,
}

/// How a delivery ended.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Response {
    /// In microseconds.
    pub(crate) took: u64,
    /// The status; without one there was no response.
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
    /// The stable code of an error.
    pub(crate) code: Option<String>,
    pub(crate) replayed: bool,
    pub(crate) by_proxy: bool,
    /// Why there was no response.
    pub(crate) nothing: Option<String>,
    pub(crate) sender_left: bool,
}

/// A call of the extension to Kiket.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CallMade {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: Option<u16>,
    /// In microseconds.
    pub(crate) took: Option<u64>,
    /// From the arrival of the delivery, in microseconds.
    pub(crate) after: u64,
    pub(crate) request: Body,
    pub(crate) response: Body,
    /// Whether no other delivery can have made it.
    pub(crate) certain: bool,
    /// As a capture has it; `None` if it is too large.
    #[serde(skip)]
    pub(crate) captured: Option<CapturedCall>,
}

/// The headers that are shown. All others may be secret.
const SHOWN: [&str; 16] = [
    "accept",
    "allow",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "host",
    "retry-after",
    "transfer-encoding",
    "user-agent",
    "x-kiket-delivery",
    "x-kiket-event-version",
    "x-kiket-invocation",
    "x-kiket-replayed",
    "x-kiket-timestamp",
    "x-request-id",
];
/// How much of a short text, like a path, is kept, in bytes.
const SHORT: usize = 1024;
/// How many log lines and calls of a delivery are kept.
pub(crate) const LINES: usize = 200;
/// How much of all log lines and calls of a delivery is kept, in bytes.
const MORE: usize = 256 << 10;

impl Record {
    pub(crate) fn new(id: DeliveryId, arrival: &Arrival, keyring: &mut Keyring) -> Self {
        let Arrival { at, method, target, headers, body: bytes, is_whole, from } = arrival;
        // First, for its secrets may be in all the others.
        let mut body = Body::delivery(bytes, keyring);
        if !is_whole {
            body.breaks_off();
        }
        let named = Named::of(target, headers, bytes);
        let (from, of) = match from {
            Origin::Machine => ("machine", None),
            Origin::Outside => ("outside", None),
            Origin::Platform => ("platform", None),
            Origin::Console { of } => ("console", *of),
        };
        let short = |text: &str| short(text, keyring);
        Self {
            id,
            changed: 0,
            at: milliseconds(*at),
            method: short(method),
            target: short(target),
            event: named.event.as_deref().map(short),
            version: named.version.as_deref().map(short),
            delivery_id: named.delivery_id.as_deref().map(short),
            from,
            of,
            headers: shown(headers, keyring),
            signature_form: form(headers),
            signature: Signature::Unknown,
            body,
            is_whole: *is_whole,
            response: None,
            calls: Vec::new(),
            lines: Vec::new(),
            handler: None,
            left_out: 0,
            saved: None,
        }
    }

    /// Whether its sender proved that it is Kiket, or one who has its secret: by the signature, or by what the extension did.
    pub(crate) fn is_authentic(&self) -> bool {
        let let_in = || self.response.as_ref().is_some_and(Response::is_of_authentic);
        matches!(self.signature, Signature::Accepted { .. }) || let_in()
    }

    pub(crate) fn respond(&mut self, seen: ResponseSeen, keyring: &mut Keyring) {
        let took = microseconds(seen.took);
        self.response = Some(match seen.end {
            End::Response { status, headers, body, by_proxy } => {
                let body = Body::read(&body, keyring);
                let code = body.value().and_then(|body| Some(body.get("code")?.as_str()?.to_owned()));
                let replayed = headers.get("x-kiket-replayed") == Some("true");
                let headers = shown(&headers, keyring);
                Response {
                    took,
                    status: Some(status),
                    headers,
                    body,
                    code,
                    replayed,
                    by_proxy,
                    nothing: None,
                    sender_left: false,
                }
            }
            End::Nothing { why, sender_left } => Response {
                took,
                status: None,
                headers: Vec::new(),
                body: Body::default(),
                code: None,
                replayed: false,
                by_proxy: false,
                nothing: Some(short(&why, keyring)),
                sender_left,
            },
        });
    }

    pub(crate) fn add_line(&mut self, line: Line) {
        if let Some(handler) = line.of.as_ref().and_then(|of| of.handler.clone()) {
            self.handler = Some(handler);
        }
        if self.lines.len() < LINES && self.more() + line.weight() <= MORE {
            self.lines.push(line);
        } else {
            self.left_out += 1;
        }
    }

    pub(crate) fn add_call(&mut self, call: CallMade) {
        if self.calls.len() < LINES && self.more() + call.weight() <= MORE {
            self.calls.push(call);
        } else {
            self.left_out += 1;
        }
    }

    fn more(&self) -> usize {
        let lines = self.lines.iter().map(Line::weight);
        lines.chain(self.calls.iter().map(CallMade::weight)).sum()
    }

    /// Its size in memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        let texts = [&self.method, &self.target].map(String::len).iter().sum::<usize>();
        let pairs = |headers: &[(String, String)]| {
            headers.iter().map(|(name, value)| 48 + name.len() + value.len()).sum::<usize>()
        };
        let response =
            self.response.as_ref().map_or(0, |response| response.body.text.len() + pairs(&response.headers));
        1024 + texts + pairs(&self.headers) + self.body.text.len() + response + self.more()
    }

    /// What the attempts of one delivery have in common; `None` for a delivery without an id.
    pub(crate) fn key(&self) -> Option<(&str, Option<&str>, Option<&str>)> {
        Some((self.delivery_id.as_deref()?, self.event.as_deref(), self.version.as_deref()))
    }

    /// Whether it contains the text, which is in small letters.
    pub(crate) fn contains(&self, text: &str) -> bool {
        let has = |other: &str| other.to_lowercase().contains(text);
        let response = self.response.as_ref();
        let status = response.and_then(|response| response.status).map(|status| status.to_string());
        let short = [&self.event, &self.version, &self.delivery_id, &self.handler, &status];
        short.into_iter().flatten().any(|part| has(part))
            || has(&self.target)
            || has(&self.body.text)
            || response.is_some_and(|response| has(&response.body.text))
            || self
                .lines
                .iter()
                .any(|line| has(&line.text) || line.fields.iter().any(|(_, value)| has(value)))
            || self.calls.iter().any(|call| has(&call.path))
    }
}

impl Response {
    /// Whether it is one that only an authentic delivery gets (wire contract, order).
    pub(crate) fn is_of_authentic(&self) -> bool {
        const BEFORE: [&str; 8] = [
            "not_found",
            "method_not_allowed",
            "draining",
            "overloaded",
            "body_too_large",
            "body_too_slow",
            "body_incomplete",
            "unsupported_content_encoding",
        ];
        let code = self.code.as_deref().unwrap_or_default();
        !self.by_proxy && self.status.is_some_and(|status| status != 401) && !BEFORE.contains(&code)
    }
}

impl Response {
    /// Whether it says nothing of the extension's handlers: the proxy made it, the signature was refused, or there is no handler.
    pub(crate) fn proves_nothing(&self) -> bool {
        // Handlers say that something is not found with the same statuses, and perhaps codes.
        let says = |text: &str| self.body.text.contains(text);
        self.by_proxy
            || self.status == Some(401) && says(r#""error":"invalid signature""#)
            || self.status == Some(404)
                && (says(r#""code":"no_handler""#) || says(r#""error":"there is nothing at this path""#))
    }
}

impl CallMade {
    fn weight(&self) -> usize {
        let texts = self.request.text.len() + self.response.text.len();
        // The capture has them a second time, as a tree.
        512 + self.path.len() + texts * if self.captured.is_some() { 5 } else { 1 }
    }
}

/// What a delivery says that it is.
struct Named {
    event: Option<String>,
    version: Option<String>,
    delivery_id: Option<String>,
}

impl Named {
    fn of(target: &str, headers: &Headers, body: &[u8]) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let at = segments.iter().position(|segment| *segment == "webhooks");
        let event = at.and_then(|at| segments.get(at + 1));
        let version = at.and_then(|at| match segments.get(at.checked_sub(2)?..at) {
            Some(["v", version]) => Some((*version).to_owned()),
            _ => None,
        });
        let in_query = || {
            let pairs = query.split('&').find_map(|pair| pair.strip_prefix("version="));
            pairs.map(str::to_owned)
        };
        let version =
            version.or_else(|| headers.get("x-kiket-event-version").map(str::to_owned)).or_else(in_query);
        let text = std::str::from_utf8(body).unwrap_or_default().trim_start_matches('\u{feff}');
        let envelope = internals::decode::<IgnoredAny>(text).1.ok();
        let (in_body, id) = envelope.map_or((None, None), |fields| (fields.routed_event, fields.delivery_id));
        let in_headers =
            ["x-kiket-invocation", "x-kiket-delivery"].into_iter().find_map(|name| headers.get(name));
        Self {
            event: event.map(|event| (*event).to_owned()).or(in_body),
            version: version.map(|version| version.trim().to_owned()).filter(|version| !version.is_empty()),
            delivery_id: id.or_else(|| in_headers.map(str::to_owned)),
        }
    }
}

pub(crate) fn short(text: &str, keyring: &Keyring) -> String {
    let mut text = keyring.redact(text);
    if text.len() > SHORT {
        text.truncate(whole(&text, SHORT));
        text.push('…');
    }
    text
}

fn shown(headers: &Headers, keyring: &Keyring) -> Vec<(String, String)> {
    let texts =
        headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), String::from_utf8_lossy(value)));
    let shown = texts.filter(|(name, _)| SHOWN.contains(&name.as_str()));
    shown.map(|(name, value)| (name, short(&value, keyring))).collect()
}

/// The form of the signature: the signature itself is that of this body, and may be sent again.
fn form(headers: &Headers) -> Option<String> {
    let all: Vec<_> = headers.all("x-kiket-signature").collect();
    let value = std::str::from_utf8(all.first()?).unwrap_or_default();
    let (prefix, digits) =
        value.strip_prefix("sha256=").map_or(("", value), |digits| ("`sha256=` and ", digits));
    let of = if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) { "hex digits" } else { "characters" };
    let times = if all.len() > 1 { format!(", and {} more", all.len() - 1) } else { String::new() };
    Some(format!("{prefix}{} {of}{times}", digits.chars().count()))
}

pub(crate) fn milliseconds(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn microseconds(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn named(target: &str, headers: &[(&str, &str)], body: &str, expected: [Option<&str>; 3]) {
        let headers: Headers = headers.iter().copied().collect();
        let Named { event, version, delivery_id } = Named::of(target, &headers, body.as_bytes());
        assert_eq!([event.as_deref(), version.as_deref(), delivery_id.as_deref()], expected, "{target}");
    }

    #[test]
    fn a_delivery_says_what_it_is() {
        named("/v/v1/webhooks/a.b", &[], r#"{"id":"e"}"#, [Some("a.b"), Some("v1"), Some("e")]);
        named("/p//v/2/webhooks/a.b/", &[], "{", [Some("a.b"), Some("2"), None]);
        named(
            "/webhooks/a.b?x=1&version=v3",
            &[("X-Kiket-Delivery", "d")],
            "",
            [Some("a.b"), Some("v3"), Some("d")],
        );
        named(
            "/webhook",
            &[("X-Kiket-Event-Version", " v1 ")],
            r#"{"event":"c.d","delivery_id":7}"#,
            [Some("c.d"), Some("v1"), Some("7")],
        );
        named("/webhooks", &[], "[]", [None, None, None]);
    }

    #[test]
    fn only_the_form_of_a_signature_is_kept() {
        for (values, expected) in [
            (&["ab12"][..], Some("4 hex digits")),
            (&["sha256=ab12"], Some("`sha256=` and 4 hex digits")),
            (&["x!", "y"], Some("2 characters, and 1 more")),
            (&[], None),
        ] {
            let headers: Headers = values.iter().map(|value| ("X-Kiket-Signature", *value)).collect();
            assert_eq!(form(&headers).as_deref(), expected);
            assert!(shown(&headers, &Keyring::new([])).is_empty());
        }
    }
}
