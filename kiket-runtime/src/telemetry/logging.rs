//! The log: its format, its filter, and its stable fields.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::log_filter;

/// The filter without `RUST_LOG`. The server would log every start of a worker.
const DEFAULT_FILTER: &str = "info,actix_server=warn";

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
pub fn init_logging() {
    let filter = EnvFilter::new(log_filter().as_deref().unwrap_or(DEFAULT_FILTER));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    // A second subscriber is refused, and the first one is the user's.
    let _ = if std::io::stdout().is_terminal() {
        log.try_init()
    } else {
        log.json().flatten_event(true).with_span_list(false).try_init()
    };
}
