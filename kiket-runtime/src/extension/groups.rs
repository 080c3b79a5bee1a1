//! Groups of options: HTTP, calls to Kiket, deduplication, telemetry.

use std::{sync::Arc, time::Duration};

use crate::{
    config::{BASE_URL, Given, TELEMETRY_URL, Use, address, metrics_address, namespace},
    extension::options::{Options, setters},
    store::DedupeStore,
    types::Secret,
};

/// Options of the HTTP server and its routes: see [`ExtensionBuilder::http`](crate::ExtensionBuilder::http).
#[must_use = "options do nothing until the builder gets them back"]
pub struct HttpOptions(pub(super) Options);

impl HttpOptions {
    setters! {
        /// The name or address to listen on. Comes before `HOST`; `127.0.0.1` by default.
        host(host: impl Into<String>) => |options| options.layer.host = Some(host.into());

        /// The port to listen on; 0 picks a free one. Comes before `PORT`; 8000 by default.
        port(port: u16) => |options| options.layer.port = Some(Ok(port));

        /// A prefix of all paths, like `/kiket`. None by default.
        prefix(prefix: impl Into<String>) => |options| options.http.prefix = prefix.into();

        /// The largest request body in bytes: 1 MiB by default, at most 64 MiB. A larger body is refused with 413.
        body_limit(bytes: usize) => |options| options.http.body_limit = bytes.min(64 * 1024 * 1024);

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
        body_budget(bytes: usize) => |options| options.http.body_budget = bytes;

        /// How long a request body may take to arrive: 10 s by default. A slower one is refused with 503.
        body_timeout(timeout: Duration) => |options| options.http.body_timeout = timeout;

        /// How long the head of a request may take to arrive: 5 s by default. The connection of a slower one is closed.
        ///
        /// It covers the connections of [`serve`](crate::Extension::serve), not those of a server of your own.
        head_timeout(timeout: Duration) => |options| options.http.head_timeout = timeout;

        /// Serves `GET /metrics` in the text format of Prometheus on this address, like `127.0.0.1:9464`; port 0 picks a free one.
        /// Comes before `KIKET_METRICS_ADDR`; off by default.
        ///
        /// It is a listener of its own, so that it can stay inside a private network: it asks for no credentials. At most 16
        /// connections are served at the same time. [`Server::metrics_addresses`](crate::http::Server::metrics_addresses) has the
        /// port.
        ///
        /// ```
        /// # use kiket_runtime::Extension;
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), kiket_runtime::StartupError> {
        /// let extension = Extension::builder()
        ///     .webhook_secret("sh_123")
        ///     .http(|http| http.port(0).metrics("127.0.0.1:0"))
        ///     .on("issue.created", "v1", async || {})
        ///     .build()?;
        /// assert_ne!(extension.bind()?.metrics_addresses()[0].port(), 0);
        /// # Ok(())
        /// # }
        /// ```
        #[doc(alias = "prometheus")]
        metrics(address: impl AsRef<str>) => |options|
            options.layer.metrics = Some(metrics_address("metrics", address.as_ref()));

        /// The number of threads that serve connections, from 1 to 512, which the server of actix-web takes at most: one for each core by default.
        workers(workers: usize) => |options| options.http.workers = Some(workers.clamp(1, 512));
    }
}

/// Options of the calls to Kiket: see [`ExtensionBuilder::client`](crate::ExtensionBuilder::client).
#[must_use = "options do nothing until the builder gets them back"]
pub struct ClientOptions(pub(super) Options);

impl ClientOptions {
    setters! {
        /// The base URL of Kiket. Comes before `KIKET_BASE_URL`; `https://kiket.dev` by default.
        base_url(url: impl AsRef<str>) => |options| options.layer.base_url = Some(address(BASE_URL, url.as_ref()));

        /// Adds a base URL that a delivery may name as its `api.base_url`: the calls of that delivery then go there, with
        /// the tokens of the extension. The base URL itself is always allowed; any other that a delivery names is ignored.
        allowed_base_url(url: impl AsRef<str>) => |options| {
            let allowed = options.layer.allowed_base_urls.get_or_insert_default();
            allowed.push(address("allowed_base_url", url.as_ref()));
        };

        /// How long a connection to Kiket may take to be established: 5 s by default.
        connect_timeout(timeout: Duration) => |options| options.outbound.connect_timeout = timeout;

        /// How long a call may take, with all its retries and backoff: 15 s by default.
        call_timeout(timeout: Duration) => |options| options.outbound.call_timeout = timeout;

        /// The rate limit of calls per minute: 600 by default, and never more than Kiket's responses allow.
        #[doc(alias = "rate limit")]
        calls_per_minute(calls: u32) => |options| options.outbound.calls_per_minute = calls;

        /// How many calls may be in flight at the same time: 64 by default.
        calls_at_once(calls: usize) => |options| options.outbound.concurrent_calls = calls;
    }
}

/// Options of deduplication: see [`ExtensionBuilder::dedupe`](crate::ExtensionBuilder::dedupe).
#[must_use = "options do nothing until the builder gets them back"]
pub struct DedupeOptions(pub(super) Options);

impl DedupeOptions {
    /// Stores the replies in `store`, and turns deduplication on. Comes before `KIKET_DEDUPE_URL`; the memory of the process
    /// by default.
    pub fn store(mut self, store: impl DedupeStore) -> Self {
        self.0.dedupe.store = Some(Arc::new(store));
        self.0.dedupe.off = false;
        self
    }

    setters! {
        /// Stores the replies in the store with this URL: `memory:`, `redis://…` or `postgres://…`. Comes before
        /// `KIKET_DEDUPE_URL`.
        url(url: impl Into<Secret>) => |options| options.layer.dedupe_url =
            Some(Given::new(url.into(), "the builder's `dedupe` options", None, Use::Text));

        /// The namespace of the deliveries in a shared store: letters, digits, `.`, `_` and `-`, at most 64. It keeps staging and
        /// production of one extension apart. Comes before `KIKET_DEDUPE_NAMESPACE`; none by default.
        ///
        /// ```
        /// # use kiket_runtime::ExtensionBuilder;
        /// # fn of(builder: ExtensionBuilder) -> ExtensionBuilder {
        /// builder.dedupe(|dedupe| dedupe.url("redis://redis").namespace("staging"))
        /// # }
        /// ```
        namespace(name: impl AsRef<str>) => |options|
            options.layer.dedupe_namespace = Some(namespace(name.as_ref()));

        /// Whether deliveries are deduplicated; on by default. With `false`, a redelivery runs its handler again.
        enabled(enabled: bool) => |options| options.dedupe.off = !enabled;

        /// The retention of stored replies: 24 h by default, at least 600 s. The memory of the process holds 500,000 deliveries:
        /// 24 h of up to 5 a second, or one hour of up to 138. Above that the oldest are forgotten earlier, with a warning; use
        /// Redis or PostgreSQL.
        #[doc(alias = "retention")]
        keep_replies(retention: Duration) => |options| options.dedupe.retention = Some(retention);

        /// Whether deliveries run while the store is unavailable, at the risk of running twice. By default they are refused
        /// with 503, and Kiket retries them.
        run_without_store(run: bool) => |options| options.dedupe.run_without_store = run;
    }
}

/// Options of telemetry: see [`ExtensionBuilder::telemetry`](crate::ExtensionBuilder::telemetry).
#[must_use = "options do nothing until the builder gets them back"]
pub struct TelemetryOptions(pub(super) Options);

impl TelemetryOptions {
    setters! {
        /// Whether records are sent to Kiket. Comes before `KIKET_SDK_TELEMETRY_OPTOUT`; on by default.
        enabled(enabled: bool) => |options| options.layer.telemetry = Some(enabled);

        /// Where records are sent. Comes before `KIKET_SDK_TELEMETRY_URL`; `/api/v1/ext` below the base URL by default.
        url(url: impl AsRef<str>) => |options| options.layer.telemetry_url = Some(address(TELEMETRY_URL, url.as_ref()));
    }
}
