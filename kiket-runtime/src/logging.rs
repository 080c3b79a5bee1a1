//! What the program prints: logs for whoever reads them, and the start-up table.

use std::{io::IsTerminal as _, net::SocketAddr};

use tracing_subscriber::EnvFilter;

use crate::{extension::Extension, startup::Report};

/// Sets the log up as `kiket::main!` does: pretty on a terminal, JSON lines otherwise, filtered by `RUST_LOG`
/// (`info` unless set). It does nothing where a subscriber is there already.
pub fn init_logging() {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::level_filters::LevelFilter::INFO.into())
        .from_env_lossy();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    // A second subscriber is refused, and the first one is the user's.
    let _ = if std::io::stdout().is_terminal() { log.try_init() } else { log.json().flatten_event(true).try_init() };
}

/// Tells where the extension listens and what it answers: a table on a terminal, log lines otherwise.
pub(crate) fn announce(extension: &Extension, addresses: &[SocketAddr]) {
    let report = extension.report();
    let addresses: Vec<_> = addresses.iter().map(|address| format!("http://{address}")).collect();
    let addresses = addresses.join(", ");
    if std::io::stdout().is_terminal() {
        println!("\n  kiket {} listens on {addresses}\n{report}", env!("CARGO_PKG_VERSION"));
        return;
    }
    let Report { id, version, manifest, handlers, warnings } = report;
    for handler in handlers {
        tracing::info!(
            event = handler.event,
            version = handler.version,
            handler = handler.function,
            file = handler.file,
            line = handler.line,
            timeout_ms = u64::try_from(handler.timeout.as_millis()).unwrap_or(u64::MAX),
            "handler"
        );
    }
    for warning in warnings {
        tracing::warn!("{}", warning.to_string().trim_end());
    }
    let manifest = manifest.as_ref().map(|path| path.display().to_string());
    tracing::info!(addresses, extension_id = id, extension_version = version, manifest, "listening");
}
