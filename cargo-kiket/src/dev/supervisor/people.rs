//! What people see of it and do: lines, the status line, keys.

use std::{path::PathBuf, sync::Arc, thread};

use kiket_testing::delivery;
use serde_json::{Value, json};

use super::{
    super::{
        delivered::Delivered,
        event::{Event, Number},
        lines::harmless,
        log::{self, Line},
        observer::{Last, Own},
        open,
        proxy::Ended,
        screen::Tone,
        sender,
    },
    Supervisor,
};
use crate::{
    console::{Level, State},
    send::body::{Body, fresh_id},
    time,
};

impl Supervisor {
    pub(super) fn printed(&mut self, process: Number, line: &str, is_error: bool) {
        self.setup.observer.printed(line, is_error);
        if is_error {
            let json = json!({ "type": "log", "process": process, "stderr": true, "line": line });
            return self.screen.print_error(&json, line);
        }
        match Line::read(line) {
            Line::Listening(log) => {
                self.listens(process, log.get("addresses").and_then(Value::as_str));
                let of = |name: &str| log.get(name).and_then(Value::as_str).map(harmless).unwrap_or_default();
                self.setup.observer.is_extension(&of("extension_id"), &of("extension_version"));
                let json = json!({ "type": "log", "process": process, "line": log });
                if self.screen.is_json() {
                    self.screen.print(&json, "");
                }
            }
            Line::Log(log) => {
                if self.screen.is_json() || !log::is_said_elsewhere(&log) {
                    let text = log::text(&log);
                    self.screen.print(&json!({ "type": "log", "process": process, "line": log }), &text);
                }
            }
            Line::Own(line) => {
                self.screen.print(&json!({ "type": "log", "process": process, "line": line }), &line);
            }
        }
    }

    pub(super) fn key(&mut self, key: u8) {
        match key {
            b'r' => match self.setup.observer.last() {
                Some(last) => self.replay(last),
                None => self.note(
                    Tone::Plain,
                    "there was no delivery yet: `cargo kiket send issue.created` sends one",
                ),
            },
            b'o' => match &self.setup.console {
                Some(console) => {
                    if let Err(error) = open::open(console) {
                        self.note(
                            Tone::Doubtful,
                            &format!("no browser can be opened: {error}; the console is {console}"),
                        );
                    }
                }
                None => self.note(Tone::Plain, "there is no console"),
            },
            b'b' => self.change(vec![PathBuf::from("key b")]),
            // Ctrl-D ends the input.
            b'q' | 4 => self.end("the key q"),
            _ => {}
        }
    }

    /// Sends a delivery again with a new id, signed now.
    pub(super) fn replay(&mut self, last: Last) {
        let (origin, observer) = (last.origin(), Arc::clone(&self.setup.observer));
        let body = Body::new(last.body.to_vec()).with_id(Some(fresh_id()));
        let signed =
            delivery("", "", &()).path(last.target).body(body).sign(self.setup.secret.expose(), time::now());
        let (address, events) = (self.setup.address, self.setup.events.clone());
        thread::spawn(move || {
            let connected = |end| observer.expect(end, Own { origin, arrived: None });
            if let Err(error) = sender::send(address, &signed.path, &signed.headers, &signed.body, connected)
            {
                let _ = events.blocking_send(Event::Note(format!("the delivery was not sent: {error}")));
            }
        });
    }

    pub(super) fn delivered(&mut self, delivered: &Delivered) {
        let status = delivered.status();
        self.deliveries += 1;
        let tone = match status {
            Some(200..=299) => Tone::Good,
            Some(400..=499) => Tone::Doubtful,
            _ => Tone::Bad,
        };
        self.failures += u64::from(tone != Tone::Good);
        let (event, id) = (delivered.event(), delivered.id());
        let by_proxy = matches!(delivered.end, Ended::Response { by_proxy: true, .. });
        let why = match &delivered.end {
            Ended::Nothing { why, .. } => Some(*why),
            Ended::Response { .. } if by_proxy => Some("without the extension"),
            Ended::Response { .. } => None,
        };
        let json = json!({ "type": "delivery", "event": event, "id": id, "status": status,
            "took_ms": delivered.took.as_secs_f64() * 1000.0, "outside": delivered.is_outside,
            "by_proxy": by_proxy, "why": why });
        let mut text = event.unwrap_or_else(|| "delivery".to_owned());
        for more in [id, Some(format!("in {:.1?}", delivered.took))].into_iter().flatten() {
            text = text + " " + &more;
        }
        if delivered.is_outside {
            text += " from outside";
        }
        if let Some(why) = why {
            text = text + ": " + why;
        }
        let word = status.map_or("none".to_owned(), |status| status.to_string());
        self.screen.say(&json, tone, &word, &text);
    }

    pub(super) fn note(&mut self, tone: Tone, text: &str) {
        self.screen.say(&json!({ "type": "note", "text": text }), tone, "note", text);
        match tone {
            Tone::Plain | Tone::Good => {}
            Tone::Doubtful => self.setup.observer.noted(Level::Warning, text),
            Tone::Bad => self.setup.observer.noted(Level::Error, text),
        }
    }

    pub(super) fn show_status(&mut self) {
        let (tone, state) = match (&self.serving, &self.build, self.has_failed) {
            _ if self.ending.is_some() => (Tone::Plain, "ends".to_owned()),
            (None, Some(_), _) => (Tone::Plain, "builds".to_owned()),
            (None, None, _) if self.starting.is_some() => (Tone::Plain, "starts".to_owned()),
            (None, None, true) => (Tone::Bad, "does not build".to_owned()),
            (None, None, false) => (Tone::Bad, "does not run".to_owned()),
            (Some(_), Some(_), _) => (Tone::Good, "serves, and builds".to_owned()),
            (Some(_), None, true) => (Tone::Doubtful, "serves as before: the build failed".to_owned()),
            (Some(_), None, false) => (Tone::Good, "serves".to_owned()),
        };
        let mut parts = vec![state, format!("http://{}", self.setup.address)];
        parts.push(match self.failures {
            0 => format!("{} deliveries", self.deliveries),
            failures => format!("{} deliveries, {failures} failed", self.deliveries),
        });
        if self.keys.is_some() {
            let console = self.setup.console.is_some();
            let keys = [("r replay", true), ("o console", console), ("b build", true), ("q quit", true)];
            parts.extend(keys.into_iter().filter(|(_, there)| *there).map(|(key, _)| key.to_owned()));
        }
        self.screen.status(tone, &parts);
        self.setup.observer.state(match (&self.serving, &self.build) {
            (None, None) if self.starting.is_none() => State::Stopped,
            (None, _) => State::Starting,
            (Some(_), Some(_)) => State::Building,
            (Some(_), None) if self.has_failed => State::Failed,
            (Some(_), None) => State::Running,
        });
    }
}
