//! An extension: all its handlers and everything they share.

mod assemble;
mod builder;
mod consistency;
mod registration;
mod report;
mod requirements;

use std::{fmt, sync::Arc, time::Duration};

pub(crate) use self::report::announce;
pub use self::{
    builder::Builder,
    report::{HandlerReport, Report},
};
use crate::{client::Client, config::Config, extension::builder::Limits, pipeline::Dispatcher};

/// An extension that is ready to answer: handlers, secrets and settings are known and checked.
///
/// [`kiket::main!`](https://docs.rs/kiket/latest/kiket/macro.main.html) makes and serves one. By hand it can be
/// served with [`serve`](Self::serve), mounted into an actix-web `App` with [`routes`](Self::routes), or tested in
/// process with `kiket::testing::TestExtension`. Its clones are the same extension.
///
/// ```
/// use kiket_runtime::{Extension, Reply};
///
/// async fn on_issue_created() -> Reply {
///     Reply::ok()
/// }
///
/// let extension = Extension::builder()
///     .webhook_secret("sh_123")
///     .handler("issue.created", "v1", on_issue_created)
///     .build()?;
/// assert_eq!(extension.events(), ["issue.created"]);
/// # Ok::<(), kiket_runtime::StartupError>(())
/// ```
#[derive(Clone)]
pub struct Extension(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) config: Config,
    pub(crate) limits: Limits,
    pub(crate) report: Report,
}

impl Extension {
    /// Starts to describe an extension.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    pub(crate) fn dispatcher(&self) -> &Arc<Dispatcher> {
        &self.0.dispatcher
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// What was found at the start: the handlers, and what is odd.
    pub fn report(&self) -> &Report {
        &self.0.report
    }

    /// What it is configured with, from whichever layer it came.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The id, when builder or manifest gave one.
    pub fn id(&self) -> Option<&str> {
        self.0.config.extension_id()
    }

    /// The version, when builder or manifest gave one.
    pub fn version(&self) -> Option<&str> {
        self.0.config.extension_version()
    }

    /// Calls Kiket outside of a delivery: from a background task, from a command line.
    pub fn client(&self) -> Client {
        self.0.dispatcher.premises.client.clone()
    }

    /// The events that have a handler, sorted, each once.
    pub fn events(&self) -> Vec<&str> {
        let mut events: Vec<_> =
            self.0.dispatcher.registry.entries().iter().map(|entry| entry.subject.event.as_str()).collect();
        events.dedup();
        events
    }

    /// How many deliveries run now.
    pub fn in_flight(&self) -> usize {
        self.0.dispatcher.gate.running()
    }

    /// Tells in the log whether the store of deliveries can be used.
    pub(crate) async fn check_store(&self) {
        if let Some(once) = &self.0.dispatcher.once {
            once.check().await;
        }
    }

    /// From now on every new delivery is answered with 503 and readiness is false; those that run go on.
    ///
    /// [`serve`](Self::serve) does it on SIGTERM and SIGINT. Call it where an extension is mounted into your own
    /// server, before that stops.
    pub fn drain(&self) {
        self.0.dispatcher.gate.drain();
    }

    /// Whether [`drain`](Self::drain) was called.
    pub fn is_draining(&self) -> bool {
        self.0.dispatcher.gate.is_draining()
    }

    /// Waits until a drained extension has answered what was under way.
    pub async fn drained(&self) {
        self.0.dispatcher.gate.emptied().await;
    }

    /// Waits until the records of all deliveries so far were told to hook and telemetry, `patience` at most.
    ///
    /// [`serve`](Self::serve) does it before it ends.
    pub async fn flush(&self, patience: Duration) {
        self.0.dispatcher.telemetry.flush(patience).await;
    }

    /// How many records were dropped since the start, because hook or telemetry did not keep up.
    pub fn dropped_records(&self) -> u64 {
        self.0.dispatcher.telemetry.dropped()
    }

    /// How many signatures were refused since the start, by the code of the cause, like `signature_mismatch`.
    pub fn signature_refusals(&self) -> Vec<(&'static str, u64)> {
        self.0.dispatcher.counters.signature_refusals()
    }

    /// How many runtime tokens were refused since the start, by the code of the cause, like `token_expired`.
    pub fn token_refusals(&self) -> Vec<(&'static str, u64)> {
        self.0.dispatcher.counters.token_refusals()
    }
}

impl fmt::Debug for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extension")
            .field("id", &self.id())
            .field("version", &self.version())
            .field("events", &self.events())
            .finish_non_exhaustive()
    }
}
