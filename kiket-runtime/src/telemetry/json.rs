//! The lines of the log that programs read: a JSON object for each event, written without a detour.

use std::fmt::{self, Debug, Write};

use serde::de::IgnoredAny;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::Record,
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime as _, SystemTime},
    },
    registry::{LookupSpan, SpanRef},
};

use crate::traces::traced;

/// A line for each event: `timestamp`, `level`, `message` and its fields; `span` with the fields of its span, and `spans`
/// with those of all spans around it where there are several, the outermost first.
pub(super) struct JsonLine;

/// The members of a line that are its own, whatever fields an event has.
const LINE: &[&str] = &["timestamp", "level", "message", "span", "spans"];
/// The same within a trace.
const TRACED_LINE: &[&str] = &["timestamp", "level", "message", "span", "spans", "trace_id", "span_id"];
/// The members of a span that are its own.
const SPAN: &[&str] = &["name"];

impl<S> FormatEvent<S, JsonMembers> for JsonLine
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonMembers>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        line.write_str(r#"{"timestamp":""#)?;
        SystemTime.format_time(&mut line)?;
        write!(line, r#"","level":"{}""#, event.metadata().level().as_str())?;
        let trace = traced(|traces| traces.current()).flatten();
        if let Some((trace, span)) = trace {
            write!(line, r#","trace_id":"{trace:032x}","span_id":"{span:016x}""#)?;
        }
        members(&mut line, if trace.is_some() { TRACED_LINE } else { LINE }, event)?;
        if let Some(span) = context.parent_span() {
            line.write_str(r#","span":"#)?;
            write_span(&mut line, &span)?;
            if span.parent().is_some() {
                for (number, span) in span.scope().from_root().enumerate() {
                    line.write_str(if number == 0 { r#","spans":["# } else { "," })?;
                    write_span(&mut line, &span)?;
                }
                line.write_char(']')?;
            }
        }
        line.write_str("}\n")
    }
}

fn write_span<S>(line: &mut Writer<'_>, span: &SpanRef<'_, S>) -> fmt::Result
where
    S: for<'s> LookupSpan<'s>,
{
    line.write_str(r#"{"name":"#)?;
    quoted(line, span.name())?;
    if let Some(members) = span.extensions().get::<FormattedFields<JsonMembers>>() {
        line.write_str(members)?;
    }
    line.write_char('}')
}

/// The fields of a span as the text of members, each with a comma before it: a line takes them as they are.
pub(super) struct JsonMembers;

impl<'w> FormatFields<'w> for JsonMembers {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        members(&mut writer, SPAN, fields)
    }

    fn add_fields(&self, current: &'w mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        fields.record(&mut Forgotten(&mut current.fields));
        members(&mut current.as_writer(), SPAN, fields)
    }
}

/// Takes fields out of the text of members.
struct Forgotten<'t>(&'t mut String);

impl Visit for Forgotten<'_> {
    fn record_debug(&mut self, field: &Field, _: &dyn Debug) {
        let (text, name) = (&mut *self.0, plain(field.name()));
        // A quote within a text has a backslash before it, so nothing but a name is found.
        let is_name = |at: &usize| text[..*at].ends_with(",\"") && text[at + name.len()..].starts_with("\":");
        let Some(at) = text.match_indices(name).map(|(at, _)| at).find(is_name) else { return };
        let value = at + name.len() + "\":".len();
        let mut values = serde_json::Deserializer::from_str(&text[value..]).into_iter::<IgnoredAny>();
        let _ = values.next();
        let end = value + values.byte_offset();
        text.replace_range(at - ",\"".len()..end, "");
    }
}

/// Writes `fields` as members. One that has the name of one of `own` is called `field.level`, and so on.
fn members(to: &mut Writer<'_>, own: &[&str], fields: impl RecordFields) -> fmt::Result {
    let mut members = Members { to, own, has_message: false, result: Ok(()) };
    fields.record(&mut members);
    members.result
}

struct Members<'m, 'w> {
    to: &'m mut Writer<'w>,
    own: &'m [&'m str],
    has_message: bool,
    result: fmt::Result,
}

impl Members<'_, '_> {
    fn member(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let name = plain(field.name());
        // The crate `tracing-log` has fields of its own.
        if self.result.is_err() || name.starts_with("log.") {
            return;
        }
        let is_message = name == "message" && !std::mem::replace(&mut self.has_message, true);
        let prefix = if !is_message && self.own.contains(&name) { "field." } else { "" };
        self.result = self.begin(prefix, name).and_then(|()| value(self.to));
    }

    fn begin(&mut self, prefix: &str, name: &str) -> fmt::Result {
        self.to.write_str(",\"")?;
        self.to.write_str(prefix)?;
        Escaped(self.to).write_str(name)?;
        self.to.write_str("\":")
    }
}

/// The name of a field that may be a keyword.
fn plain(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}

impl Visit for Members<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.member(field, |to| quoted(to, format_args!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |to| quoted(to, value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |to| write!(to, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |to| write!(to, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |to| write!(to, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(
            field,
            |to| if value.is_finite() { write!(to, "{value:?}") } else { to.write_str("null") },
        );
    }
}

fn quoted(to: &mut Writer<'_>, text: impl fmt::Display) -> fmt::Result {
    to.write_char('"')?;
    write!(Escaped(to), "{text}")?;
    to.write_char('"')
}

/// Writes text so that it can stand in quotes.
struct Escaped<'e, 'w>(&'e mut Writer<'w>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut from = 0;
        for (at, byte) in text.bytes().enumerate() {
            if byte >= b' ' && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.0.write_str(&text[from..at])?;
            match byte {
                b'\n' => self.0.write_str("\\n")?,
                b'\t' => self.0.write_str("\\t")?,
                0..b' ' => write!(self.0, "\\u{byte:04x}")?,
                _ => write!(self.0, "\\{}", char::from(byte))?,
            }
            from = at + 1;
        }
        self.0.write_str(&text[from..])
    }
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Mutex};

    use serde_json::{Value, json};
    use tracing::subscriber::with_default;

    use super::*;

    /// The lines that `log` makes, without their time.
    fn lines(log: impl FnOnce()) -> Vec<Value> {
        static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
        static ALONE: Mutex<()> = Mutex::new(());
        struct Lines;
        impl io::Write for Lines {
            fn write(&mut self, text: &[u8]) -> io::Result<usize> {
                LINES.lock().unwrap().extend_from_slice(text);
                Ok(text.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let _alone = ALONE.lock();
        let subscriber = tracing_subscriber::fmt().fmt_fields(JsonMembers).with_writer(|| Lines);
        with_default(subscriber.event_format(JsonLine).finish(), log);
        let text = String::from_utf8(std::mem::take(&mut LINES.lock().unwrap())).unwrap();
        let lines = text.lines().map(|line| {
            assert_eq!(
                names(line).len(),
                serde_json::from_str::<Value>(line).unwrap().as_object().unwrap().len()
            );
            let mut line: Value = serde_json::from_str(line).unwrap();
            let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            assert!(time.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{time}");
            line
        });
        lines.collect()
    }

    /// The names of an object, repeated ones as well.
    fn names(line: &str) -> Vec<String> {
        struct Names;
        impl<'de> serde::de::Visitor<'de> for Names {
            type Value = Vec<String>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(names)
            }
        }
        serde::Deserializer::deserialize_map(&mut serde_json::Deserializer::from_str(line), Names).unwrap()
    }

    #[test]
    fn the_lines_own_members_are_never_those_of_a_field() {
        let lines = lines(|| {
            tracing::info!(level = "ERROR", timestamp = 7, span = "mine", status = 200, "paid");
            let _entered = tracing::info_span!("delivery", event = "a.b", name = "mine").entered();
            tracing::warn!(message = "mine", span = ?"x", level = 1, "paid \"twice\"");
        });
        let span = json!({ "name": "delivery", "event": "a.b", "field.name": "mine" });
        assert_eq!(
            lines,
            [
                json!({ "level": "INFO", "message": "paid", "field.level": "ERROR", "field.timestamp": 7,
                    "field.span": "mine", "status": 200 }),
                json!({ "level": "WARN", "message": "paid \"twice\"", "field.message": "mine",
                    "field.span": "\"x\"", "field.level": 1, "span": span }),
            ]
        );
    }

    #[test]
    fn values_of_all_kinds_are_json() {
        let text = "\"quoted\" \\ line\nend\ttab \u{1}\u{1f} ü€😀\u{7f}";
        let lines = lines(|| {
            tracing::info!(text, debug = ?text, yes = true, few = -7_i64, many = u64::MAX, wide = i128::MAX);
            tracing::info!(half = 0.5, whole = 12.0, huge = 1e300, tiny = 5e-324, no = f64::NAN, r#type = 1);
            tracing::info!(error = &io::Error::other(text) as &dyn std::error::Error, absent = None::<u64>);
        });
        assert_eq!(
            lines,
            [
                json!({ "level": "INFO", "text": text, "debug": format!("{text:?}"), "yes": true, "few": -7,
                    "many": u64::MAX, "wide": i128::MAX.to_string() }),
                json!({ "level": "INFO", "half": 0.5, "whole": 12.0, "huge": 1e300, "tiny": 5e-324, "no": null,
                    "type": 1 }),
                json!({ "level": "INFO", "error": text }),
            ]
        );
    }

    #[test]
    fn a_line_has_the_fields_of_all_spans_around_it() {
        let lines = lines(|| {
            let _outer = tracing::info_span!("delivery", delivery_id = "d1").entered();
            let _inner = tracing::info_span!("charge", cents = 5).entered();
            tracing::info!("charged");
        });
        let (outer, inner) =
            (json!({ "name": "delivery", "delivery_id": "d1" }), json!({ "name": "charge", "cents": 5 }));
        let line = json!({ "level": "INFO", "message": "charged", "span": inner, "spans": [outer, inner] });
        assert_eq!(lines, [line]);
    }

    #[test]
    fn a_field_that_is_recorded_again_replaces_the_first() {
        let lines = lines(|| {
            let span =
                tracing::info_span!("s", id = tracing::field::Empty, a = "x,\"id\":1,\\", b = 2, a_b = 3);
            let _entered = span.enter();
            span.record("id", "first");
            tracing::info!("1");
            span.record("id", 7);
            span.record("a", "]}");
            tracing::info!("2");
        });
        let of = |message: &str, id: Value, a: &str| {
            let span = json!({ "name": "s", "id": id, "a": a, "b": 2, "a_b": 3 });
            json!({ "level": "INFO", "message": message, "span": span })
        };
        assert_eq!(lines, [of("1", json!("first"), "x,\"id\":1,\\"), of("2", json!(7), "]}")]);
    }
}
