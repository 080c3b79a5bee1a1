//! The log: its format, its filter, and its stable fields.

use std::{
    future::poll_fn,
    io::IsTerminal as _,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
};

use tracing::{
    Dispatch, Subscriber,
    dispatcher::{get_default, with_default},
    subscriber::NoSubscriber,
};
use tracing_subscriber::{
    filter::{LevelFilter, ParseError, Targets},
    fmt,
    layer::{Layer, SubscriberExt as _},
    registry,
    registry::{LookupSpan, Registry},
    util::SubscriberInitExt as _,
};

use super::{
    json::JsonLines,
    output::{log_writer, stdout},
};
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
/// The lines are `delivery handled` (info), `delivery rejected` (a 4xx, warn) and `delivery failed` (a 5xx, error);
/// `delivery refused` (warn) is one that was signed and had no handler, and `signature refused` (warn, with `cause`
/// and `count`, at most once a second for each cause) one that was not signed.
///
/// Your lines inside a delivery have its span, too; inside a span of your own they have that as `span`, and all spans around
/// them as `spans`, the outermost first. A field of your line with the name of one of the line's own (`timestamp`, `level`,
/// `message`, `span`, `spans`) is called `field.level`, and so on. Lines are written as by [`log_writer`].
///
/// `RUST_LOG` takes levels, `crate=level` and `crate::module=level`, with commas between. For filters by spans and fields set
/// a subscriber of your own.
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
        let (filter, unreadable) = filter_given();
        let (registry, on_terminal) = (registry().with(filter), is_terminal());
        let subscriber =
            if on_terminal { registry.with(pretty()).into() } else { registry.with(json_lines()).into() };
        Self { subscriber, on_terminal, unreadable }
    }

    /// With another layer beside it, which has a filter of its own.
    pub(crate) fn beside(layer: Box<dyn Layer<Registry> + Send + Sync>) -> Self {
        let (filter, unreadable) = filter_given();
        let on_terminal = is_terminal();
        let log = if on_terminal { pretty().boxed() } else { json_lines().boxed() };
        let subscriber = registry().with(vec![log.with_filter(filter).boxed(), layer]).into();
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

/// Lines for a person.
fn pretty<S: Subscriber + for<'s> LookupSpan<'s>>() -> impl Layer<S> + Send + Sync {
    fmt::layer().with_target(false).with_writer(log_writer).log_internal_errors(false)
}

/// Lines for programs.
fn json_lines() -> JsonLines {
    JsonLines(|line| stdout().write(line))
}

fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// The filter of `RUST_LOG` or the default, and why `RUST_LOG` is not used.
fn filter_given() -> (Targets, Option<String>) {
    match log_filter().map(|text| filter(&text?)).transpose() {
        Ok(filter) => (filter.unwrap_or_else(default_filter), None),
        Err(unreadable) => (default_filter(), Some(unreadable)),
    }
}

/// The filter without `RUST_LOG`: `info`.
fn default_filter() -> Targets {
    Targets::new().with_default(LevelFilter::INFO).with_target(SERVER, SERVER_LEVEL)
}

/// The server logs every start of a worker at `info`, which is not printed unless `RUST_LOG` names the server.
const SERVER: &str = "actix_server";
const SERVER_LEVEL: LevelFilter = LevelFilter::WARN;
/// What is meant as a level, and would be read as the name of a crate: nothing else would be logged.
const NO_LEVELS: [&str; 8] = ["warning", "verbose", "all", "fatal", "critical", "notice", "err", "none"];
/// A word that is not one of them, and differs from one by a slip, is none either.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The filter that a text describes, or what is wrong with the text.
fn filter(text: &str) -> Result<Targets, String> {
    let directives: Vec<_> =
        text.split(',').map(str::trim).filter(|directive| !directive.is_empty()).collect();
    if directives.is_empty() {
        return Err("it is blank".to_owned());
    }
    for directive in &directives {
        let (target, level) = directive.split_once('=').unwrap_or((directive, "trace"));
        let word = directive.to_ascii_lowercase();
        let slip = |level: &&&str| strsim::damerau_levenshtein(&word, level) == 1;
        if let Some(meant) = LEVELS.iter().find(slip).filter(|_| !LEVELS.contains(&&*word)) {
            return Err(format!(
                "`{directive}` is no level: did you mean `{meant}`? `{directive}=trace` is a crate"
            ));
        }
        if NO_LEVELS.contains(&&*word) || level.is_empty() {
            return Err(format!(
                "`{directive}` has no level; `off`, `error`, `warn`, `info`, `debug` and `trace` are levels"
            ));
        }
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || "_:-".contains(letter);
        if target.is_empty() || !target.chars().all(is_name) {
            return Err(format!(
                "`{directive}` is neither a level nor `crate=level` or `crate::module=level`"
            ));
        }
    }
    let filter: Targets = directives.join(",").parse().map_err(|error: ParseError| error.to_string())?;
    let (is_info, names_server) = (filter.default_level() == Some(LevelFilter::INFO), text.contains(SERVER));
    Ok(if is_info && !names_server { filter.with_target(SERVER, SERVER_LEVEL) } else { filter })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_no_filter() {
        let same =
            |text: &str, expected: &str| assert_eq!(filter(text), Ok(expected.parse().unwrap()), "{text}");
        same("warn", "warn");
        same("Debug", "debug");
        same("off", "off");
        same("my_crate=debug,warn", "my_crate=debug,warn");
        same(" my-crate::part=trace , warn", "my-crate::part=trace,warn");
        same("my_crate", "my_crate=trace");
        same("actix_server=info,info", "actix_server=info,info");
        for text in ["info", "INFO", " info ", "info,my_crate=trace"] {
            same(text, &format!("{text},actix_server=warn").replace(' ', ""));
        }
        assert_eq!(filter("info").unwrap(), default_filter());
        for text in [
            "kiket=loud",
            "[[",
            "warning",
            "inof",
            "debgu",
            "TRCAE",
            "my_crate=debug,wran",
            "none",
            "info,Verbose",
            "all",
            " ",
            ",",
            "=,=",
            "=info",
            "my_crate=",
            "a=b=info",
            "my_crate[span]=info",
            "[{field}]=debug",
            "my crate",
        ] {
            assert!(filter(text).is_err(), "{text}");
        }
        assert!(filter("infi").unwrap_err().contains("did you mean `info`?"));
    }
}
