//! Groups of options: HTTP, calls to Kiket, deduplication, telemetry.

use std::{sync::Arc, time::Duration};

use crate::{
    extension::options::{Options, Store},
    store::DedupeStore,
    types::Secret,
};

/// Options of the HTTP server and its routes: see [`ExtensionBuilder::http`](crate::ExtensionBuilder::http).
#[must_use = "options do nothing until the builder gets them back"]
pub struct HttpOptions(pub(super) Options);

impl HttpOptions {
    /// The name or address to listen on. Comes before `HOST`; `127.0.0.1` by default.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.0.layer.host = Some(host.into());
        self
    }

    /// The port to listen on; 0 picks a free one. Comes before `PORT`; 8000 by default.
    pub fn port(mut self, port: u16) -> Self {
        self.0.layer.port = Some(Ok(port));
        self
    }

    /// A prefix of all paths, like `/kiket`. None by default.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.0.http.prefix = prefix.into();
        self
    }

    /// The largest request body in bytes: 1 MiB by default, at most 64 MiB. A larger body is refused with 413.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.0.http.body_limit = bytes.min(64 * 1024 * 1024);
        self
    }

    /// How many bytes the request bodies that are not verified yet may have in memory, together: 64 MiB by default, at least
    /// one body of the [largest size](Self::body_limit). Above it, and above four bodies for each delivery that
    /// [may run](crate::ExtensionBuilder::concurrency_limit), the body that has waited longest for its next byte is ended
    /// with 503.
    ///
    /// ```
    /// use kiket_runtime::Extension;
    ///
    /// let builder = Extension::builder().http(|http| http.body_budget(16 * 1024 * 1024));
    /// # let _ = builder;
    /// ```
    pub fn body_budget(mut self, bytes: usize) -> Self {
        self.0.http.body_budget = bytes;
        self
    }

    /// How long a request body may take to arrive: 10 s by default. A slower one is refused with 503.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.0.http.body_timeout = timeout;
        self
    }

    /// How long the head of a request may take to arrive: 5 s by default. The connection of a slower one is closed.
    ///
    /// It covers the connections of [`serve`](crate::Extension::serve), not those of a server of your own.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.0.http.head_timeout = timeout;
        self
    }

    /// The number of threads that serve connections, at least 1: one for each core by default.
    pub fn workers(mut self, workers: usize) -> Self {
        self.0.http.workers = Some(workers.max(1));
        self
    }
}

/// Options of the calls to Kiket: see [`ExtensionBuilder::client`](crate::ExtensionBuilder::client).
#[must_use = "options do nothing until the builder gets them back"]
pub struct ClientOptions(pub(super) Options);

impl ClientOptions {
    /// The base URL of Kiket. Comes before `KIKET_BASE_URL`; `https://kiket.dev` by default.
    pub fn base_url(mut self, url: impl AsRef<str>) -> Self {
        self.0.layer.set_base_url(url.as_ref());
        self
    }

    /// Adds a base URL that a delivery may name as its `api.base_url`: the calls of that delivery then go there, with
    /// the tokens of the extension. The base URL itself is always allowed; any other that a delivery names is ignored.
    pub fn allowed_base_url(mut self, url: impl AsRef<str>) -> Self {
        self.0.layer.allow_base_url(url.as_ref());
        self
    }

    /// How long a connection to Kiket may take to be established: 5 s by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.0.outbound.connect_timeout = timeout;
        self
    }

    /// How long a call may take, with all its retries and backoff: 15 s by default.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.0.outbound.call_timeout = timeout;
        self
    }

    /// The rate limit of calls per minute: 600 by default, and never more than Kiket's responses allow.
    #[doc(alias = "rate limit")]
    pub fn calls_per_minute(mut self, calls: u32) -> Self {
        self.0.outbound.calls_per_minute = calls;
        self
    }

    /// How many calls may be in flight at the same time: 64 by default.
    pub fn calls_at_once(mut self, calls: usize) -> Self {
        self.0.outbound.concurrent_calls = calls;
        self
    }
}

/// Options of deduplication: see [`ExtensionBuilder::dedupe`](crate::ExtensionBuilder::dedupe).
#[must_use = "options do nothing until the builder gets them back"]
pub struct DedupeOptions(pub(super) Options);

impl DedupeOptions {
    /// Stores the replies in `store`, and turns deduplication on. Comes before `KIKET_DEDUPE_URL`; the memory of the process
    /// by default.
    pub fn store(mut self, store: impl DedupeStore) -> Self {
        self.0.dedupe.store = Store::Given(Arc::new(store));
        self.0.dedupe.off = false;
        self
    }

    /// Stores the replies in the store with this URL: `memory:`, `redis://…` or `postgres://…`. Comes before
    /// `KIKET_DEDUPE_URL`.
    pub fn url(mut self, url: impl Into<Secret>) -> Self {
        self.0.layer.dedupe_url = Some(url.into());
        self
    }

    /// Whether deliveries are deduplicated; on by default. With `false`, a redelivery runs its handler again.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.0.dedupe.off = !enabled;
        self
    }

    /// The retention of stored replies: 24 h by default, at least 600 s.
    #[doc(alias = "retention")]
    pub fn keep_replies(mut self, retention: Duration) -> Self {
        self.0.dedupe.retention = Some(retention);
        self
    }

    /// Whether deliveries run while the store is unavailable, at the risk of running twice. By default they are refused
    /// with 503, and Kiket retries them.
    pub fn run_without_store(mut self, run: bool) -> Self {
        self.0.dedupe.run_without_store = run;
        self
    }
}

/// Options of telemetry: see [`ExtensionBuilder::telemetry`](crate::ExtensionBuilder::telemetry).
#[must_use = "options do nothing until the builder gets them back"]
pub struct TelemetryOptions(pub(super) Options);

impl TelemetryOptions {
    /// Whether records are sent to Kiket. Comes before `KIKET_SDK_TELEMETRY_OPTOUT`; on by default.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.0.layer.telemetry = Some(enabled);
        self
    }

    /// Where records are sent. Comes before `KIKET_SDK_TELEMETRY_URL`; `/api/v1/ext` below the base URL by default.
    pub fn url(mut self, url: impl AsRef<str>) -> Self {
        self.0.layer.set_telemetry_url(url.as_ref());
        self
    }
}
