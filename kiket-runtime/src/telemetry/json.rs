//! The lines of the log that programs read: a JSON object for each event, written without a detour.

use std::{
    cell::Cell,
    fmt::{self, Debug, Write},
    mem,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::de::IgnoredAny;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    layer::{Context, Layer},
    registry::{LookupSpan, SpanRef},
};

use crate::{metrics::traces::traced, types::rfc3339};

/// A line for each event: `timestamp`, `level`, `message` and its fields; `span` with the fields of its span, and `spans`
/// with those of all spans around it where there are several, the outermost first. Each line is passed to a function.
pub(super) struct JsonLines(pub(super) fn(&[u8]));

/// The members of a line that are its own, whatever fields an event has.
const LINE: &[&str] = &["timestamp", "level", "message", "span", "spans"];
/// The same within a trace.
const TRACED_LINE: &[&str] = &["timestamp", "level", "message", "span", "spans", "trace_id", "span_id"];
/// The members of a span that are its own.
const SPAN: &[&str] = &["name"];
/// What the members of a span take, in bytes, unless they are many.
const USUAL_SPAN: usize = 192;

/// The fields of a span as the text of members, each with a comma before it: a line takes them as they are.
#[derive(Default)]
struct SpanMembers {
    text: String,
    /// The positions of the fields that are in the text, as bits.
    recorded: u64,
}

impl<S> Layer<S> for JsonLines
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut text = String::with_capacity(USUAL_SPAN);
        let mut members = Members::new(&mut text, SPAN);
        attributes.record(&mut members);
        let recorded = members.recorded;
        span.extensions_mut().replace(SpanMembers { text, recorded });
    }

    fn on_record(&self, id: &Id, fields: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        // Taken out, because a value that is written may log a line of its own.
        let taken = span.extensions_mut().get_mut::<SpanMembers>().map(mem::take);
        let Some(SpanMembers { mut text, recorded }) = taken else { return };
        fields.record(&mut Forgotten { text: &mut text, recorded });
        let mut members = Members { recorded, ..Members::new(&mut text, SPAN) };
        fields.record(&mut members);
        let recorded = members.recorded;
        span.extensions_mut().replace(SpanMembers { text, recorded });
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // The line of a value that logs while it is written finds none, and takes another one.
        let mut line = LAST.try_with(Cell::take).unwrap_or_default();
        line.begin(SystemTime::now());
        let text = &mut line.text;
        text.push_str(event.metadata().level().as_str());
        text.push('"');
        let trace = traced(|traces| traces.current()).flatten();
        if let Some((trace, span)) = trace {
            let _ = write!(text, r#","trace_id":"{trace:032x}","span_id":"{span:016x}""#);
        }
        event.record(&mut Members::new(text, if trace.is_some() { TRACED_LINE } else { LINE }));
        if let Some(span) = context.event_span(event) {
            text.push_str(r#","span":"#);
            push_span(text, &span);
            if span.parent().is_some() {
                for (number, span) in span.scope().from_root().enumerate() {
                    text.push_str(if number == 0 { r#","spans":["# } else { "," });
                    push_span(text, &span);
                }
                text.push(']');
            }
        }
        text.push_str("}\n");
        (self.0)(text.as_bytes());
        if text.capacity() <= LARGEST_KEPT {
            let _ = LAST.try_with(|last| last.set(line));
        }
    }
}

thread_local! {
    /// The last line of this thread: the next one takes its memory, and its time up to the second.
    static LAST: Cell<Line> = Cell::default();
}

/// The largest line whose memory is kept, in bytes.
const LARGEST_KEPT: usize = 16 * 1024;

#[derive(Default)]
struct Line {
    text: String,
    second: Option<u64>,
    /// The beginning of a line in that second.
    beginning: String,
}

impl Line {
    /// Writes the line up to its level.
    fn begin(&mut self, now: SystemTime) {
        let Self { text, second, beginning } = self;
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if *second != Some(since.as_secs()) {
            *second = Some(since.as_secs());
            *beginning = format!(r#"{{"timestamp":"{}."#, rfc3339(since.as_secs()).trim_end_matches('Z'));
        }
        text.clear();
        text.push_str(beginning);
        push_digits(text, since.subsec_micros(), 100_000);
        text.push_str(r#"Z","level":""#);
    }
}

/// Writes the digits of a number from that at `place`, a power of ten.
fn push_digits(text: &mut String, number: u32, mut place: u32) {
    while place > 0 {
        text.extend(char::from_digit(number / place % 10, 10));
        place /= 10;
    }
}

fn push_span<S>(text: &mut String, span: &SpanRef<'_, S>)
where
    S: for<'s> LookupSpan<'s>,
{
    text.push_str(r#"{"name":""#);
    push_escaped(text, span.name());
    text.push('"');
    if let Some(members) = span.extensions().get::<SpanMembers>() {
        text.push_str(&members.text);
    }
    text.push('}');
}

fn bit(field: &Field) -> u64 {
    u32::try_from(field.index()).ok().and_then(|position| 1_u64.checked_shl(position)).unwrap_or(u64::MAX)
}

/// Takes fields that are recorded again out of the text of members.
struct Forgotten<'t> {
    text: &'t mut String,
    recorded: u64,
}

impl Visit for Forgotten<'_> {
    fn record_debug(&mut self, field: &Field, _: &dyn Debug) {
        if self.recorded & bit(field) == 0 {
            return;
        }
        let (text, name) = (&mut *self.text, plain(field.name()));
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

/// Writes fields as members. One that has the name of one of `own` is called `field.level`, and so on.
struct Members<'m> {
    to: &'m mut String,
    own: &'static [&'static str],
    has_message: bool,
    /// The positions of the fields, as bits.
    recorded: u64,
}

impl<'m> Members<'m> {
    fn new(to: &'m mut String, own: &'static [&'static str]) -> Self {
        Self { to, own, has_message: false, recorded: 0 }
    }

    /// Begins a member: where its value is to be written. `None` for the fields that the crate `tracing-log` adds.
    fn member(&mut self, field: &Field) -> Option<&mut String> {
        let name = plain(field.name());
        if name.starts_with("log.") {
            return None;
        }
        self.recorded |= bit(field);
        let is_message = name == "message" && !mem::replace(&mut self.has_message, true);
        let prefix = if !is_message && self.own.contains(&name) { "field." } else { "" };
        self.to.push_str(",\"");
        self.to.push_str(prefix);
        push_escaped(self.to, name);
        self.to.push_str("\":");
        Some(self.to)
    }

    fn write(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        // A string takes every text.
        let _ = self.member(field).map(|to| to.write_fmt(value));
    }
}

/// The name of a field that may be a keyword.
fn plain(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}

impl Visit for Members<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let Some(to) = self.member(field) else { return };
        to.push('"');
        // What a value writes before it fails stays.
        let _ = write!(Escaped(to), "{value:?}");
        to.push('"');
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let Some(to) = self.member(field) else { return };
        to.push('"');
        push_escaped(to, value);
        to.push('"');
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, format_args!("{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match in_thousandths(value) {
            _ if !value.is_finite() => self.write(field, format_args!("null")),
            None => self.write(field, format_args!("{value:?}")),
            Some(number) => {
                let Some(to) = self.member(field) else { return };
                let _ = write!(to, "{}.", number / 1000);
                push_digits(to, number % 1000, 100);
                // One digit stays, as in `12.0`.
                while to.ends_with('0') && !to.ends_with(".0") {
                    to.pop();
                }
            }
        }
    }
}

/// A number with at most three decimal places in thousandths. As most numbers are such, few need a search for their
/// shortest text.
fn in_thousandths(value: f64) -> Option<u32> {
    let thousandths = (value * 1e3).round();
    if !value.is_sign_positive() || thousandths > f64::from(u32::MAX) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between")]
    let number = thousandths as u32;
    let same = (f64::from(number) / 1e3).total_cmp(&value).is_eq();
    same.then_some(number)
}

/// Writes text so that it can stand in quotes.
struct Escaped<'e>(&'e mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_escaped(self.0, text);
        Ok(())
    }
}

fn push_escaped(to: &mut String, text: &str) {
    let is_special = |byte: u8| matches!(byte, ..b' ' | b'"' | b'\\');
    // It looks at all bytes, because the compiler then looks at many at once.
    if !text.bytes().fold(false, |found, byte| found | is_special(byte)) {
        return to.push_str(text);
    }
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate().filter(|(_, byte)| is_special(*byte)) {
        to.push_str(&text[from..at]);
        let _ = match byte {
            b'\n' => to.write_str("\\n"),
            b'\t' => to.write_str("\\t"),
            0..b' ' => write!(to, "\\u{byte:04x}"),
            _ => write!(to, "\\{}", char::from(byte)),
        };
        from = at + 1;
    }
    to.push_str(&text[from..]);
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Mutex};

    use serde_json::{Value, json};
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// The lines that `log` makes, without their time.
    fn lines(log: impl FnOnce()) -> Vec<Value> {
        static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
        static ALONE: Mutex<()> = Mutex::new(());
        let _alone = ALONE.lock();
        let lines = JsonLines(|line| LINES.lock().unwrap().extend_from_slice(line));
        with_default(tracing_subscriber::registry().with(lines), log);
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
