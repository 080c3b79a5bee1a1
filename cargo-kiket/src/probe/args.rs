//! The arguments of `probe`.

use std::time::Duration;

use kiket_runtime::{EventName, EventVersion};
use reqwest::Url;

use crate::{http, secret};

/// Attacks an endpoint politely, and says what it lets pass
///
/// Some 30 requests, one after the other: unsigned, stale, tampered, too large, too slow. They name an event that has no handler, so
/// that no handler of an extension of kiket runs. Only this machine is probed, unless you say that the host is yours.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo kiket probe http://127.0.0.1:8000
  cargo kiket probe https://hooks.example.com/kiket --i-own-this-host hooks.example.com
  cargo kiket probe http://127.0.0.1:8000/webhooks/issue.created --json

A hole is the status 1, something that cannot be judged is 2. The secret is that of `KIKET_WEBHOOK_SECRET` or of a file, never
an argument.")]
pub(crate) struct Args {
    /// The address of the extension; with `/webhooks/…` in its path, that of one event
    #[arg(value_parser = http::url)]
    pub(super) url: Url,
    /// That the host of the address is yours: its name once more
    #[arg(long, value_name = "HOST")]
    pub(super) i_own_this_host: Option<String>,
    /// The event of the requests; the handler of one that has a handler runs
    #[arg(long, value_name = "NAME", default_value = "kiket.probe")]
    pub(super) event: EventName,
    /// The version of the event
    #[arg(long, value_name = "VERSION", default_value = "v1")]
    pub(super) event_version: EventVersion,
    /// The largest body that the endpoint takes, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, value_parser = clap::value_parser!(u32).range(1024..=64 << 20))]
    pub(super) body_limit: u32,
    /// How long a response may take
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=120))]
    timeout: u64,
    /// How long a body may take that does not arrive
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=120))]
    patience: u64,
    #[command(flatten)]
    pub(super) secret: secret::Source,
}

impl Args {
    /// How long a response may take.
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// How long a body may take that does not arrive.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }
}
