//! Traces of [`kiket`](https://docs.rs/kiket) extensions, sent to an OpenTelemetry collector.
//!
//! One line installs it:
//!
//! ```no_run
//! # #[kiket::webhook("issue.created", version = "v1")]
//! # async fn on_issue_created() {}
//! kiket::main!(init = kiket_otel::init);
//! ```
//!
//! There is a span for each delivery, below the span of Kiket's that the header `traceparent` names; one for each attempt at a
//! call to Kiket, which carries `traceparent` on; and your own spans of `tracing`, of level `INFO` and above, below them. Log
//! lines stay as they are, and those within a trace have `trace_id` and `span_id`.
//!
//! | Span | Attributes |
//! |---|---|
//! | `delivery EVENT` | those of the log: `event`, `version`, `handler`, `delivery_id`, `status`, `code` |
//! | `refused delivery` | `status`, `code`. If it is not from Kiket, its `traceparent` is a link and no parent, and there is one a second for each cause |
//! | `METHOD FAMILY`, a call | `method`, `family`, `status`, or `code` where there is no response |
//! | yours | the fields that you give them; the secrets that are known at the start are redacted |
//!
//! Lines of the log are not sent. Spans are sent by a thread of its own, with OTLP over HTTP (`http/protobuf`), retried for 30
//! seconds, and flushed at a graceful shutdown, within the grace period, and when the extension does not start. What cannot be
//! sent is lost and counted: [`stats`] has the counts, [metrics](kiket_runtime::extension::HttpOptions::metrics) have them as
//! `kiket_spans_total`, and the log says them at the end.
//!
//!
//! Its variables are those of the standard, like `OTEL_EXPORTER_OTLP_ENDPOINT`: [all of them][traces], and what is lost when.
//!
//! [traces]: https://github.com/kiket-dev/kiket-rust-sdk/blob/main/docs/traces.md

mod clean;
mod export;
mod follow;
mod parent;
mod queue;
mod settings;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use kiket_runtime::__private::traces::{has_log, install_log, prepare, set};
use opentelemetry::{global, trace::TracerProvider as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider},
};
use tracing::{Level, Subscriber};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, filter_fn},
    layer::Identity,
    registry::LookupSpan,
};

pub use self::queue::Stats;
use self::{
    export::shown,
    follow::{Follower, close},
    queue::{Ended, Queue},
    settings::Settings,
};

/// What [`init`] installed.
static INSTALLED: OnceLock<Guard> = OnceLock::new();
/// The queue of the traces of the process.
static QUEUE: OnceLock<Arc<Queue>> = OnceLock::new();

/// How long the drop of a guard may take.
const LAST_SPANS: Duration = Duration::from_secs(5);

/// Installs traces and the log of `kiket::main!`; the `init` of that macro.
///
/// ```no_run
/// # #[kiket::webhook("issue.created", version = "v1")]
/// # async fn on_issue_created() {}
/// kiket::main!(init = kiket_otel::init);
/// ```
///
/// Nothing stops the start: what is wrong with the variables is in the log. If the program has set a log subscriber before, that
/// one stays, and there are no traces: see [`start`].
pub fn init() {
    let _ = INSTALLED.get_or_init(install);
}

/// Installs traces and the log of `kiket::main!`, in a `main` of your own. Keep the guard until the end of `main`: its drop sends
/// the last spans.
///
/// ```no_run
/// # use kiket::{Extension, Reply};
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> kiket::Result<()> {
///     let _traces = kiket_otel::install();
///     let extension = Extension::builder().on("issue.created", "v1", async || Reply::ok()).build()?;
///     Ok(extension.serve().await?)
/// }
/// ```
pub fn install() -> Guard {
    prepare();
    let settings = Settings::read(variable).transpose();
    let Some(settings) = settings.filter(|_| QUEUE.get().is_none()) else { return Guard(None) };
    if has_log() {
        tracing::error!(
            "the log subscriber of the program stays, and no spans are sent: give it the layer of `kiket_otel::start`"
        );
        return Guard(None);
    }
    let (guard, warnings) = match settings {
        Ok(settings) => begin(settings),
        Err(error) => {
            install_log(Box::new(Identity::new()));
            tracing::error!("{error}");
            return Guard(None);
        }
    };
    install_log(Box::new(guard.layer()));
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    if let Some(Running { url, by_default, .. }) = &guard.0 {
        let note =
            if *by_default { "; set `OTEL_EXPORTER_OTLP_ENDPOINT`, or `OTEL_SDK_DISABLED=true`" } else { "" };
        tracing::info!(url, "traces are sent{note}");
    }
    guard
}

/// Starts traces for a log subscriber of your own, which gets the [layer](Guard::layer) of the guard. Keep the guard until the
/// end of `main`: its drop sends the last spans.
///
/// Where the environment turns traces off, the layer does nothing.
///
/// # Errors
///
/// When a variable does not name a collector.
///
/// ```
/// use tracing_subscriber::{layer::SubscriberExt as _, registry, fmt};
///
/// let traces = kiket_otel::start()?;
/// let subscriber = registry().with(fmt::layer()).with(traces.layer());
/// # tracing::subscriber::with_default(subscriber, || tracing::info_span!("mine").in_scope(|| {}));
/// assert_eq!(traces.stats().exported, 0);
/// # Ok::<(), kiket_otel::StartError>(())
/// ```
pub fn start() -> Result<Guard, StartError> {
    prepare();
    let settings = Settings::read(variable).map_err(StartError)?;
    Ok(settings.map_or(Guard(None), |settings| begin(settings).0))
}

/// What became of the spans of the process since the first [`init`], [`install`] or [`start`]; zeros before.
///
/// ```
/// assert_eq!(kiket_otel::stats().lost, 0);
/// ```
pub fn stats() -> Stats {
    QUEUE.get().map(|queue| queue.stats()).unwrap_or_default()
}

/// A variable of the environment that does not name a collector.
#[derive(Debug)]
pub struct StartError(String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// Traces that were started. Its drop sends the last spans, which takes 5 seconds at most, and says in the log how many were
/// lost.
#[derive(Debug)]
#[must_use = "its drop ends the traces"]
pub struct Guard(Option<Running>);

#[derive(Debug)]
struct Running {
    queue: Arc<Queue>,
    tracer: SdkTracer,
    url: String,
    by_default: bool,
}

impl Guard {
    /// The layer that makes spans of OpenTelemetry of those of `tracing`, of level `INFO` and above. It does nothing where traces
    /// are off.
    #[must_use = "a layer does nothing until it is in a subscriber"]
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'s> LookupSpan<'s> + Send + Sync,
    {
        let Some(Running { tracer, .. }) = &self.0 else { return Identity::new().boxed() };
        let is_sent = filter_fn(|of| of.is_span() && *of.level() <= Level::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(tracer.clone())
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(is_sent.with_max_level_hint(LevelFilter::INFO))
            .boxed()
    }

    /// What became of the spans since the start; zeros where traces are off.
    pub fn stats(&self) -> Stats {
        self.0.as_ref().map(|running| running.queue.stats()).unwrap_or_default()
    }

    /// Waits until all spans that ended so far are sent or lost, `timeout` at most. It blocks its thread: in async code call it
    /// in `tokio::task::spawn_blocking`.
    pub fn flush(&self, timeout: Duration) -> Stats {
        if let Some(running) = &self.0 {
            running.queue.flush(timeout);
        }
        self.stats()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(running) = &self.0 {
            close(&running.queue, LAST_SPANS);
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Starts what the settings ask for.
fn begin(settings: Settings) -> (Guard, Vec<String>) {
    let Settings { target, limits, warnings, by_default } = settings;
    let (queue, resource, url) = (Queue::new(limits), Resource::builder().build(), shown(&target.url));
    export::start(&queue, target, &resource);
    let provider = SdkTracerProvider::builder()
        .with_span_processor(Ended(Arc::clone(&queue)))
        .with_resource(resource)
        .build();
    let tracer = provider.tracer("kiket");
    // The first traces of a process are those of its deliveries and of other libraries.
    if set(Box::new(Follower { queue: Arc::clone(&queue), tracer: tracer.clone() })) {
        let _ = QUEUE.set(Arc::clone(&queue));
        global::set_tracer_provider(provider.clone());
        global::set_text_map_propagator(TraceContextPropagator::new());
    }
    (Guard(Some(Running { queue, tracer, url, by_default })), warnings)
}

// The code of the page, as doctests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/traces.md")]
mod page {}
