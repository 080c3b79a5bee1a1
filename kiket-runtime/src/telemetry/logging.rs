//! The log: its format, its filter, and its stable fields.

use std::{
    fmt::{self, Write as _},
    future::poll_fn,
    io::IsTerminal as _,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tracing::{
    Dispatch, Event, Subscriber,
    dispatcher::{get_default, with_default},
    field::FieldSet,
    subscriber::NoSubscriber,
};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Json, JsonFields, Writer, format},
    },
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use super::output::log_writer;
use crate::config::log_filter;

/// Sets up logging as `kiket::main!` does: to standard output, pretty on a terminal and JSON lines otherwise, filtered by
/// `RUST_LOG`. If the program has set a subscriber already, that one stays.
///
/// There is one line for each delivery, in the span `delivery`. These names are stable:
///
/// | Field | Where | What |
/// |---|---|---|
/// | `event`, `version`, `handler` | span | as registered |
/// | `delivery_id` | span | the id, if there is one |
/// | `status` | line | of the response |
/// | `code` | line | of the response, unless it is a 200 |
/// | `duration_ms` | line | from decoding the payload to the response |
/// | `error` | line | the error, with all causes |
///
/// The lines are `delivery answered` (info), `delivery rejected` (a 4xx, warn) and `delivery failed` (a 5xx, error);
/// `delivery refused` (warn) is one that was signed and had no handler, and `signature refused` (warn, with `cause`
/// and `count`, at most once a second for each cause) one that was not signed.
///
/// A field of your log line with the name of one of the line's own (`timestamp`, `level`, `message`, `span`) is called
/// `field.level`, and so on. Lines are written as by [`log_writer`].
pub fn init_logging() {
    if !is_subscribed() {
        Log::new().install();
    }
}

/// Whether a subscriber is set, for the process or for this thread.
pub(crate) fn is_subscribed() -> bool {
    get_default(|subscriber| !subscriber.is::<NoSubscriber>())
}

/// Whether the log of the process is [`init_logging`]'s, and a terminal shows it.
static ON_TERMINAL: AtomicBool = AtomicBool::new(false);

pub(crate) fn log_is_on_terminal() -> bool {
    ON_TERMINAL.load(Ordering::Relaxed)
}

/// The log of `kiket::main!`, which is not that of the process yet.
pub(crate) struct Log {
    subscriber: Dispatch,
    on_terminal: bool,
    /// Why `RUST_LOG` is not used.
    unreadable: Option<String>,
}

impl Log {
    pub(crate) fn new() -> Self {
        let given = log_filter().map(|text| filter(&text)).transpose();
        let (filter, unreadable) = match given {
            Ok(filter) => (filter, None),
            Err(unreadable) => (None, Some(unreadable)),
        };
        let filter = filter.unwrap_or_else(|| EnvFilter::new(DEFAULT_FILTER));
        let log =
            tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(log_writer);
        let log = log.log_internal_errors(false);
        let on_terminal = std::io::stdout().is_terminal();
        let subscriber = if on_terminal {
            log.into()
        } else {
            log.event_format(json()).fmt_fields(JsonFields::new()).into()
        };
        Self { subscriber, on_terminal, unreadable }
    }

    /// Runs `setup`, which may set a subscriber for the process. Until it does, its lines are in this log.
    pub(crate) async fn until_replaced<F: Future>(&self, setup: F) -> F::Output {
        let mut setup = pin!(setup);
        poll_fn(|context| {
            if is_subscribed() {
                return setup.as_mut().poll(context);
            }
            with_default(&self.subscriber, || setup.as_mut().poll(context))
        })
        .await
    }

    /// Makes it the log of the process, unless that has one.
    pub(crate) fn install(self) {
        if is_subscribed() {
            return;
        }
        ON_TERMINAL.store(self.on_terminal, Ordering::Relaxed);
        // The logger of the crate `log` may be the user's.
        let _ = self.subscriber.try_init();
        if let Some(error) = self.unreadable {
            tracing::warn!("`RUST_LOG` is ignored, and the filter is `info`: {error}");
        }
    }
}

/// The filter without `RUST_LOG`: `info`. The server logs every start of a worker at `info`, where no filter asks for it.
const DEFAULT_FILTER: &str = "info,actix_server=warn";
/// What is meant as a level, and would be read as the name of a crate: nothing else would be logged.
const NO_LEVELS: [&str; 6] = ["warning", "verbose", "all", "fatal", "critical", "notice"];

/// The filter that a text describes, or what is wrong with the text.
fn filter(text: &str) -> Result<EnvFilter, String> {
    let mut directives: Vec<_> =
        text.split(',').map(str::trim).filter(|directive| !directive.is_empty()).collect();
    if directives.is_empty() {
        return Err("it is blank".to_owned());
    }
    let is_no_level = |word: &&&str| NO_LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    if let Some(word) = directives.iter().find(is_no_level) {
        return Err(format!("`{word}` is no level; `off`, `error`, `warn`, `info`, `debug` and `trace` are"));
    }
    if directives.iter().any(|directive| directive.eq_ignore_ascii_case("info"))
        && !text.contains("actix_server")
    {
        directives.push("actix_server=warn");
    }
    EnvFilter::try_new(directives.join(",")).map_err(|error| error.to_string())
}

/// The format of the lines that programs read.
fn json() -> Line {
    Line(format().json().with_target(false).flatten_event(true).with_span_list(false))
}

/// A line of JSON whose members are there once.
struct Line(Format<Json>);

/// The members of a line that are its own, whatever fields an event has.
const OWN: [&str; 4] = ["timestamp", "level", "message", "span"];

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if !repeats(event.metadata().fields()) {
            return self.0.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let members: Members<'_> = serde_json::from_str(&line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{}", members.distinct())
    }
}

/// Whether an event has a field by the name of one of the line's own, besides its message.
fn repeats(fields: &FieldSet) -> bool {
    let mut messages = 0;
    fields.iter().any(|field| match field.name() {
        "message" => {
            messages += 1;
            messages > 1
        }
        name => OWN.contains(&name),
    })
}

/// The members of a JSON object in their order.
#[derive(Default)]
struct Members<'l>(Vec<(String, &'l RawValue)>);

impl Members<'_> {
    /// The object with every name once. The line's own time and level come first, and its span, an object, last.
    fn distinct(&self) -> String {
        let mut line = String::from("{");
        let mut message = false;
        for (number, (name, value)) in self.0.iter().enumerate() {
            let own = match name.as_str() {
                "timestamp" | "level" => number < 2,
                "message" => !std::mem::replace(&mut message, true),
                "span" => value.get().starts_with('{'),
                _ => true,
            };
            let (comma, prefix) = (if number > 0 { "," } else { "" }, if own { "" } else { "field." });
            let name = serde_json::Value::from(format!("{prefix}{name}"));
            let _ = write!(line, "{comma}{name}:{value}");
        }
        line + "}"
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self::default())
    }
}

impl<'de> Visitor<'de> for Members<'de> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(member) = map.next_entry()? {
            self.0.push(member);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tracing::subscriber::with_default;

    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_no_filter() {
        let same =
            |text: &str, expected: &str| assert_eq!(filter(text).unwrap().to_string(), expected, "{text}");
        same("warn", "warn");
        same("debug", "debug");
        same("my_crate=debug,warn", "my_crate=debug,warn");
        same("actix_server=info,info", "actix_server=info,info");
        for text in ["info", "INFO", " info ", "my_crate=trace,info"] {
            let filter = filter(text).unwrap().to_string();
            assert!(filter.contains("actix_server=warn") && filter.ends_with("info"), "{text}: {filter}");
        }
        assert_eq!(filter("info").unwrap().to_string(), EnvFilter::new(DEFAULT_FILTER).to_string());
        for text in ["kiket=loud", "[[", "warning", "info,Verbose", "all", " ", ",", "=,="] {
            assert!(filter(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_lines_own_members_are_never_those_of_a_field() {
        static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
        struct Lines;
        impl std::io::Write for Lines {
            fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
                LINES.lock().unwrap().extend_from_slice(text);
                Ok(text.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let subscriber = tracing_subscriber::fmt().json().with_writer(|| Lines).fmt_fields(JsonFields::new());
        with_default(subscriber.event_format(json()).finish(), || {
            tracing::info!(level = "ERROR", timestamp = 7, span = "mine", status = 200, "paid");
            let _entered = tracing::info_span!("delivery", event = "a.b").entered();
            tracing::warn!(message = "mine", span = ?"x", level = 1, "paid \"twice\"");
            tracing::info!(status = 200, "plain");
        });
        let lines = String::from_utf8(LINES.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = lines
            .lines()
            .map(|line| {
                let Members(members) = serde_json::from_str(line).unwrap();
                let members = members.iter().filter(|(name, _)| name != "timestamp");
                members.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert_eq!(
            lines,
            [
                r#"level="INFO" message="paid" field.level="ERROR" field.timestamp=7 field.span="mine" status=200"#,
                r#"level="WARN" message="paid \"twice\"" field.message="mine" field.span="\"x\"" field.level=1 span={"event":"a.b","name":"delivery"}"#,
                r#"level="INFO" message="plain" status=200 span={"event":"a.b","name":"delivery"}"#,
            ]
        );
    }
}
