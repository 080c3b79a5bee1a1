//! What the page asks for, and what it does: JSON below `/api`.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use super::{
    control::{Control, Handler, InboxRow},
    guard::{Guard, Refusal},
    http::{Reply, Request, Response},
    page,
    record::{Record, milliseconds},
    resend::{self, Edited},
    ring::Ring,
    seen::DeliveryId,
    store::Store,
    why,
};

/// Everything that a request may need.
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) guard: Guard,
}

/// How long a stream is silent at most.
const PING: Duration = Duration::from_secs(10);
/// How long changes are gathered before they are sent.
const GATHERED: Duration = Duration::from_millis(40);
/// How many rows of the inbox are shown.
const INBOX_ROWS: usize = 50;
/// The longest name of a capture, in bytes.
const LONGEST_NAME: usize = 80;

impl Api {
    /// The reply to a request.
    pub(crate) fn reply(&self, request: &Request) -> Reply {
        let replied = self.guard.check(request).and_then(|()| self.route(request));
        let mut reply = replied.unwrap_or_else(|(status, text)| Reply::Whole(error(status, text)));
        let (Reply::Whole(response) | Reply::Stream(response, _)) = &mut reply;
        response.headers.extend(page::security_headers());
        reply
    }

    fn route(&self, request: &Request) -> Result<Reply, Refusal> {
        let method = if request.method == "HEAD" { "GET" } else { &*request.method };
        match (method, &*request.path) {
            ("GET", "/") => return Ok(Reply::Whole(page::response())),
            ("POST", "/api/session") => return self.session(request).map(Reply::Whole),
            _ => self.guard.admit(request)?,
        }
        // What no page looked at before is read now.
        self.store.settle();
        let id = |text: &str| text.parse().map(DeliveryId).map_err(|_| (404, "there is no such delivery"));
        let asked = |name: &str| {
            let value = request.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().to_owned()
        };
        Ok(Reply::Whole(match (method, &*request.path) {
            ("GET", "/api/events") => return Ok(self.events(&asked("epoch"), &asked("after"))),
            ("GET", "/api/search") => self.search(&asked("q")),
            ("GET", "/api/diff") => self.diff(id(&asked("a"))?, id(&asked("b"))?)?,
            ("GET", "/api/form") => self.form(),
            ("GET", "/api/inbox") => self.inbox(),
            ("GET", "/api/export") => self.export(),
            ("GET", path) if path.starts_with("/api/deliveries/") => {
                self.delivery(id(path.trim_start_matches("/api/deliveries/"))?)?
            }
            ("POST", "/api/send") => self.send(&body(request)?)?,
            ("POST", "/api/save") => self.save(&body(request)?)?,
            ("POST", "/api/inbox") => self.move_on(&body(request)?),
            ("POST", "/api/clear") => {
                self.store.change(Ring::clear);
                ok(&json!({}))
            }
            ("GET" | "POST", _) => return Err((404, "there is no such page")),
            _ => return Err((405, "this console takes GET and POST")),
        }))
    }

    fn session(&self, request: &Request) -> Result<Response, Refusal> {
        let token: Value = body(request)?;
        let token = token.get("token").and_then(Value::as_str).unwrap_or_default();
        let (cookie, proof) = self.guard.exchange(request, token)?;
        let mut response = ok(&json!({ "proof": proof }));
        response.headers.push(("set-cookie", cookie));
        Ok(response)
    }

    /// The changes after those that the page knows, as server-sent events.
    fn events(&self, epoch: &str, after: &str) -> Reply {
        let store = self.store.clone();
        let is_same = epoch == store.epoch().to_string();
        let mut known: u64 = after.parse().ok().filter(|_| is_same).unwrap_or_default();
        let mut first = true;
        let next = move || {
            if !std::mem::take(&mut first) {
                drop(store.wait(known, PING));
                std::thread::sleep(GATHERED);
            }
            let ring = store.ring();
            if known > 0 && ring.changed() <= known {
                return Some(b": still here\n\n".to_vec());
            }
            let deliveries: Vec<_> = ring
                .all()
                .filter(|record| record.changed > known)
                .map(|record| summary(record, &ring))
                .collect();
            let notices: Vec<_> = ring.notices_since(known).collect();
            let message = json!({
                "epoch": store.epoch(),
                "changed": ring.changed(),
                "whole": ring.is_forgotten(known),
                "oldest": ring.oldest(),
                "missed": ring.missed,
                "status": ring.status_since(known),
                "deliveries": deliveries,
                "notices": notices,
            });
            known = ring.changed();
            drop(ring);
            Some(format!("data: {message}\n\n").into_bytes())
        };
        let headers = vec![("content-type", "text/event-stream".to_owned())];
        Reply::Stream(Response { status: 200, headers, body: Vec::new() }, Box::new(next))
    }

    fn search(&self, encoded: &str) -> Response {
        let text = decoded(encoded).to_lowercase();
        let ring = self.store.ring();
        let found: Vec<_> =
            ring.all().filter(|record| record.contains(&text)).map(|record| record.id).collect();
        ok(&json!({ "found": found }))
    }

    fn delivery(&self, id: DeliveryId) -> Result<Response, Refusal> {
        // The extension may be asked: not while others wait for the list.
        let handlers = self.control.handlers();
        let inbox = self.control.inbox();
        let ring = self.store.ring();
        let record = ring.find(id).ok_or((404, "this delivery is not kept any more"))?;
        let attempts: Vec<_> = ring.attempts(record).collect();
        let number = attempts.iter().position(|other| other.id == id).map_or(1, |at| at + 1);
        let handler = handlers.iter().find(|handler| is_handler(record, handler));
        let rows = inbox.iter().flat_map(|inbox| &inbox.rows);
        let row = { rows }.find(|row| Some(&row.delivery_id) == record.delivery_id.as_ref());
        let before = record.of.and_then(|of| ring.find(of));
        Ok(ok(&json!({
            "record": record,
            "summary": summary(record, &ring),
            "attempt": number,
            "attempts": attempts.iter().map(|other| summary(other, &ring)).collect::<Vec<_>>(),
            "replays": ring.all().filter(|other| other.of == Some(id)).map(|other| summary(other, &ring)).collect::<Vec<_>>(),
            "before": before.map(|before| summary(before, &ring)),
            "handler": handler,
            "why": why::why(record, &handlers),
            "again": why::again(record, number),
            "deduplication": why::deduplication(record, handler, number),
            "inbox": row.map(in_inbox),
            "has_inbox": inbox.is_some(),
            "placeholders": resend::placeholders(record),
            "capture_name": capture_name(record),
        })))
    }

    /// The lines in which two responses differ.
    fn diff(&self, one: DeliveryId, other: DeliveryId) -> Result<Response, Refusal> {
        let ring = self.store.ring();
        let text = |id| ring.find(id).map(response_text).ok_or((404, "this delivery is not kept any more"));
        let (before, after) = (text(one)?, text(other)?);
        drop(ring);
        let mut diff = TextDiff::configure();
        diff.timeout(Duration::from_secs(1));
        let diff = diff.diff_lines(&*before, &*after);
        let lines = diff.iter_all_changes().map(|change| {
            let sign = match change.tag() {
                ChangeTag::Delete => "-",
                ChangeTag::Insert => "+",
                ChangeTag::Equal => " ",
            };
            (sign, change.value().trim_end_matches('\n').to_owned())
        });
        let lines: Vec<_> = lines.collect();
        Ok(ok(&json!({ "same": before == after, "lines": lines })))
    }

    fn form(&self) -> Response {
        let fixtures = kiket_testing::fixtures().iter();
        let fixtures =
            fixtures.map(|it| json!({ "event": it.event(), "shape": it.shape(), "body": it.text() }));
        let own = self.control.bodies().into_iter();
        let own =
            own.map(|(event, body)| json!({ "event": event, "shape": "yours", "body": format!("{body:#}") }));
        // The names of handlers may be other names of documented events.
        let handlers = self.control.handlers();
        let named = handlers.iter().filter_map(|handler| {
            let is_listed = kiket_testing::fixtures().iter().any(|it| it.event() == handler.event);
            let body = kiket_testing::fixture(&handler.event).filter(|_| !is_listed)?;
            Some(json!({ "event": handler.event, "shape": "usual", "body": format!("{body:#}") }))
        });
        let bodies: Vec<_> = own.chain(named).chain(fixtures).collect();
        ok(&json!({ "handlers": handlers, "bodies": bodies }))
    }

    fn inbox(&self) -> Response {
        let Some(inbox) = self.control.inbox() else { return ok(&json!({ "states": null })) };
        let states = inbox.states.iter();
        let states = states
            .map(|it| json!({ "state": it.state, "count": it.rows, "oldest": it.oldest.as_secs_f64() }));
        let states: Vec<_> = states.collect();
        let ring = self.store.ring();
        let rows = inbox.rows.iter().filter(|row| row.state != "done").take(INBOX_ROWS).map(|row| {
            let is_it = |record: &&Record| record.delivery_id.as_deref() == Some(&*row.delivery_id);
            let mut shown = in_inbox(row);
            shown["delivery"] = json!(ring.all().rev().find(is_it).map(|record| record.id));
            shown
        });
        ok(&json!({ "states": states, "rows": rows.collect::<Vec<_>>() }))
    }

    fn move_on(&self, moving: &Moving) -> Response {
        match self.control.move_on(moving.row) {
            Ok(rows) => ok(&json!({ "rows": rows })),
            Err(why) => error(422, &why),
        }
    }

    /// All deliveries that can be captures.
    fn export(&self) -> Response {
        let captures: Vec<_> = self.store.ring().all().filter_map(super::capture::capture).collect();
        let mut response = ok(&json!(captures));
        let disposition = "attachment; filename=\"deliveries.json\"".to_owned();
        response.headers.push(("content-disposition", disposition));
        response
    }

    fn send(&self, sending: &Sending) -> Result<Response, Refusal> {
        let of = sending.of.map(DeliveryId);
        let before = match of {
            Some(of) => {
                let ring = self.store.ring();
                Some(ring.find(of).cloned().ok_or((404, "this delivery is not kept any more"))?)
            }
            None => None,
        };
        let edited = Edited {
            event: sending.event.as_deref(),
            version: sending.version.as_deref(),
            body: sending.body.as_deref(),
            same_id: sending.same_id,
            force: sending.force,
        };
        let sent = resend::send(&*self.control, before.as_ref(), &edited, self.store.clock().unix_seconds());
        Ok(match sent {
            Ok((id, notes)) => ok(&json!({ "id": id, "notes": notes })),
            Err(refused) => {
                let mut response = error(422, &refused.what);
                response.body =
                    json!({ "error": refused.what, "missing": refused.missing }).to_string().into_bytes();
                response
            }
        })
    }

    fn save(&self, saving: &Saving) -> Result<Response, Refusal> {
        let id = DeliveryId(saving.id);
        let capture = self.store.capture(id).ok_or((
            422,
            "this delivery cannot be a test: it is not kept any more, it names no event, no handler was there for it or its signature was \
             refused, or a body of it is larger than 64 KiB or did not arrive whole",
        ))?;
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        let name = saving.name.trim_end_matches(".json");
        if name.is_empty()
            || name.len() > LONGEST_NAME
            || name.starts_with('.')
            || !name.chars().all(is_plain)
        {
            return Err((422, "a name has letters, digits, `.`, `_` and `-`"));
        }
        Ok(match self.control.save(name, &capture) {
            Ok(path) => {
                let path = path.display().to_string();
                self.store.change(|ring| ring.change(id, |record| record.saved = Some(path.clone())));
                ok(&json!({ "path": path }))
            }
            Err(why) => error(422, &why),
        })
    }
}

/// What is sent, or sent again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sending {
    /// The delivery that it replays.
    of: Option<u64>,
    event: Option<String>,
    version: Option<String>,
    /// The body, in place of that of the other delivery.
    body: Option<String>,
    #[serde(default)]
    same_id: bool,
    /// Sends placeholders in place of secrets that are not known.
    #[serde(default)]
    force: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saving {
    id: u64,
    name: String,
}

/// Which row of the inbox is moved on; all dead ones without a number.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Moving {
    row: Option<i64>,
}

fn in_inbox(row: &InboxRow) -> Value {
    json!({ "row": row.id, "event": row.event, "delivery_id": row.delivery_id, "state": row.state, "accepted": milliseconds(row.accepted),
        "attempts": row.attempts, "due": row.due.map(milliseconds), "error": row.error })
}

/// What the list shows of a delivery.
fn summary(record: &Record, ring: &Ring) -> Value {
    let response = record.response.as_ref();
    json!({
        "id": record.id,
        "changed": record.changed,
        "at": record.at,
        "event": record.event,
        "version": record.version,
        "delivery_id": record.delivery_id,
        "method": record.method,
        "target": record.target,
        "from": record.from,
        "of": record.of,
        "attempt": ring.attempts(record).take_while(|other| other.id <= record.id).count(),
        "status": response.and_then(|response| response.status),
        "ended": response.is_some(),
        "code": response.and_then(|response| response.code.as_deref()),
        "nothing": response.and_then(|response| response.nothing.as_deref()),
        "took": response.map(|response| response.took),
        "replayed": response.is_some_and(|response| response.replayed),
        "calls": record.calls.len(),
        "lines": record.lines.len(),
        "saved": record.saved.is_some(),
        "signature": record.signature,
    })
}

fn is_handler(record: &Record, handler: &Handler) -> bool {
    if let Some(function) = &record.handler {
        return *function == handler.function;
    }
    let version = |text: &str| text.parse::<kiket_runtime::EventVersion>().ok();
    record.event.as_deref() == Some(&*handler.event)
        && record.version.as_deref().and_then(version) == version(&handler.version)
}

/// The status and the body of a response, as lines.
fn response_text(record: &Record) -> String {
    let Some(response) = &record.response else { return "no response yet\n".to_owned() };
    let Some(status) = response.status else {
        return format!("no response: {}\n", response.nothing.as_deref().unwrap_or_default());
    };
    let body = response.body.value().map_or_else(|| response.body.text.clone(), |json| format!("{json:#}"));
    let replayed = if response.replayed { "x-kiket-replayed: true\n" } else { "" };
    format!("{status}\n{replayed}{body}\n")
}

/// The name that a capture gets, unless another one is chosen.
fn capture_name(record: &Record) -> String {
    let plain = |text: &str| -> String {
        text.chars()
            .map(|it| if it.is_ascii_alphanumeric() || "._-".contains(it) { it } else { '-' })
            .collect()
    };
    let event = record.event.as_deref().map(plain).unwrap_or_default();
    let id = record.delivery_id.as_deref().map_or_else(|| record.id.0.to_string(), plain);
    let mut name = format!("{event}-{id}");
    name.truncate(LONGEST_NAME);
    name.trim_start_matches('.').to_owned()
}

/// The JSON of a request.
fn body<T: for<'de> Deserialize<'de>>(request: &Request) -> Result<T, Refusal> {
    let kind = request.header("content-type").unwrap_or_default();
    if kind != "application/json" {
        return Err((415, "send JSON"));
    }
    serde_json::from_slice(&request.body).map_err(|_| (400, "this is not what the page sends"))
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn ok(value: &Value) -> Response {
    let headers = vec![("content-type", "application/json".to_owned())];
    Response { status: 200, headers, body: value.to_string().into_bytes() }
}

fn error(status: u16, text: &str) -> Response {
    Response { status, ..ok(&json!({ "error": text })) }
}
