//! The log lines of the extension as a person reads them.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::lines::harmless;
use crate::shell::{BAD, DOUBTFUL, GOOD, HINT};

/// What a line of the extension's standard output is.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// The report of the start: it listens there.
    Listening(Map<String, Value>),
    /// Another line of the log.
    Log(Map<String, Value>),
    /// A line of the program's own.
    Own(String),
}

impl Line {
    pub(super) fn read(line: &str) -> Self {
        match serde_json::from_str::<Value>(line) {
            Ok(Value::Object(log)) if log.contains_key("level") && log.contains_key("message") => {
                if log["message"] == "listening" && log.contains_key("authentication") {
                    Self::Listening(log)
                } else {
                    Self::Log(log)
                }
            }
            _ => Self::Own(line.to_owned()),
        }
    }
}

/// Whether `dev` says the same by itself: each delivery, and the handlers at a start.
pub(super) fn is_said_elsewhere(log: &Map<String, Value>) -> bool {
    let (level, message) = (log.get("level"), log.get("message"));
    let is = |text: &str| message.and_then(Value::as_str) == Some(text);
    let is_info = level.and_then(Value::as_str) == Some("INFO");
    is_info
        && (is("delivery handled")
            || is("handler") && log.contains_key("handler")
            || is("draining") && log.contains_key("signal"))
}

/// A line of the log: time, level, message, fields, and those of its span.
pub(super) fn text(log: &Map<String, Value>) -> String {
    let of = |name: &str| log.get(name).and_then(Value::as_str).unwrap_or_default();
    // `2026-11-26T04:35:12.123456Z`: the date is known.
    let time = of("timestamp").get(11..23).unwrap_or_default();
    let level = of("level");
    let style = match level {
        "ERROR" => BAD,
        "WARN" => DOUBTFUL,
        "INFO" => GOOD,
        _ => HINT,
    };
    let mut line =
        format!("{} {style}{:>5}{style:#} {}", harmless(time), harmless(level), multiline(of("message")));
    let span = log.get("span").and_then(Value::as_object).into_iter().flatten();
    let fields = log
        .iter()
        .filter(|(name, _)| !["timestamp", "level", "message", "span", "spans"].contains(&&***name));
    for (name, value) in fields.chain(span.filter(|(name, _)| *name != "name")) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = write!(line, " {}={}", harmless(name), multiline(&value));
    }
    line
}

/// A text whose lines stay lines.
fn multiline(text: &str) -> String {
    text.trim_end().lines().map(harmless).collect::<Vec<_>>().join("\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_becomes_one_for_people() {
        let line = r#"{"timestamp":"2026-11-26T04:35:12.123456Z","level":"WARN","status":400,"error":"bad \u001b[2J","message":"delivery rejected","span":{"name":"delivery","event":"issue.created","delivery_id":"evt_1"}}"#;
        let Line::Log(log) = Line::read(line) else { panic!("{line}") };
        let text = super::super::lines::without_colours(&text(&log));
        assert!(text.starts_with("04:35:12.123  WARN delivery rejected "), "{text}");
        for field in ["status=400", "error=bad \u{fffd}[2J", "event=issue.created", "delivery_id=evt_1"] {
            assert!(text.contains(&format!(" {field}")), "{field}: {text}");
        }
        assert!(!text.contains("name=") && !text.contains('\u{1b}'), "{text}");
        assert!(!is_said_elsewhere(&log));
    }

    #[test]
    fn other_lines_are_the_programs_own() {
        for line in ["", "hello", "{\"a\":1}", "[1]", "{"] {
            assert_eq!(Line::read(line), Line::Own(line.to_owned()));
        }
        let listening = r#"{"level":"INFO","message":"listening","authentication":"hmac","addresses":"x"}"#;
        assert!(matches!(Line::read(listening), Line::Listening(_)));
    }
}
