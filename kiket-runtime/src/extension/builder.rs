//! The builder of extensions: its options come before the environment, the manifest and the defaults.

use std::{panic::Location, path::PathBuf, sync::Arc, time::Duration};

use http::StatusCode;
use serde_json::Value;

#[cfg(feature = "inbox")]
use crate::extension::inbox::InboxOptions;
use crate::{
    auth::TokenRules,
    config::{Environment, Given, Use, default_version},
    error::{Advice, StartupError},
    extension::{
        assemble,
        background::{self, Shutdown},
        groups::{ClientOptions, DedupeOptions, HttpOptions, TelemetryOptions},
        instance::Extension,
        options::{Collected, ManifestSource, Options, setters},
    },
    handler::{AsyncHandler, Handler, Middleware},
    http::ServiceConfig,
    telemetry::Record,
    types::{Authentication, Clock, Secret},
};

/// Describes an extension. An option set here comes before the environment, the manifest and the default.
///
/// Options of one topic are in a group, which a closure takes and returns:
///
/// ```
/// use std::time::Duration;
/// use kiket_runtime::Extension;
///
/// let builder = Extension::builder()
///     .webhook_secret("sh_123")
///     .http(|http| http.port(8080).body_limit(256 * 1024))
///     .client(|client| client.call_timeout(Duration::from_secs(5)))
///     .dedupe(|dedupe| dedupe.keep_replies(Duration::from_secs(3600)));
/// # let _ = builder;
/// ```
#[derive(Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct ExtensionBuilder(pub(crate) Options);

impl Extension {
    /// Starts to describe an extension.
    pub fn builder() -> ExtensionBuilder {
        ExtensionBuilder::default()
    }
}

/// Identity and secrets.
impl ExtensionBuilder {
    setters! {
        /// The id of the extension, like `com.example.marketing`. Comes before the manifest.
        id(id: impl Into<String>) => |options| options.layer.id = Some(id.into());

        /// The version of the extension, like `1.0.0`. Comes before the manifest.
        version(version: impl Into<String>) => |options| options.layer.version = Some(version.into());

        /// Adds a live webhook secret; the first is the current one. Without any, `KIKET_WEBHOOK_SECRET` or the manifest
        /// gives it.
        #[doc(alias = "HMAC")]
        webhook_secret(secret: impl Into<Secret>) =>
            |options| options.layer.add_webhook_secret(secret.into());

        /// What proves that a delivery is from Kiket. Comes before `KIKET_AUTHENTICATION`; [`Authentication::Hmac`] by
        /// default.
        ///
        /// Every other mode verifies the runtime token in the body, which says what a delivery may do: handlers can then
        /// require [scopes](crate::Context::require_scopes), and the calls of a delivery carry its token instead of the
        /// extension's. See [`TokenRules`] for which tokens are accepted.
        #[doc(alias = "JWT")]
        authentication(mode: Authentication) => |options| options.layer.authentication = Some(Ok(mode));

        /// Which runtime tokens are accepted: those of Kiket by default.
        #[doc(alias("JWT", "JWKS"))]
        token_rules(rules: TokenRules) => |options| options.token_rules = rules;

        /// The token of calls to Kiket. Comes before `KIKET_WORKSPACE_TOKEN`.
        workspace_token(token: impl Into<Secret>) =>
            |options| options.layer.workspace_token =
                Some(Given::new(token.into(), "the builder's `workspace_token`", None, Use::Header));

        /// The key of calls below `/api/v1/ext`. Comes before `KIKET_EXTENSION_API_KEY`.
        extension_api_key(key: impl Into<Secret>) =>
            |options| options.layer.extension_api_key =
                Some(Given::new(key.into(), "the builder's `extension_api_key`", None, Use::Header));
    }
}

/// State, settings and handlers.
impl ExtensionBuilder {
    /// A value for the extractor [`State<T>`](crate::State); a second value of the same type replaces the first.
    #[doc(alias = "shared state")]
    pub fn state<T: Send + Sync + 'static>(mut self, state: T) -> Self {
        self.0.states.insert(Arc::new(state));
        self
    }

    /// Adds retry advice for an error type of another crate. It applies to a `T` anywhere in the source chain of a handler's
    /// error. With `None`, the sources of the error decide, and else the default, which is a retry by Kiket's schedule. For a
    /// type of your own, derive [`Retry`](crate::Retry).
    ///
    /// ```
    /// use kiket_runtime::{Extension, error::Advice};
    ///
    /// let builder = Extension::builder().classify(|error: &std::num::ParseIntError| {
    ///     (*error.kind() == std::num::IntErrorKind::Empty).then(Advice::never)
    /// });
    /// # let _ = builder;
    /// ```
    pub fn classify<T: std::error::Error + Send + Sync + 'static>(
        mut self,
        classify: impl Fn(&T) -> Option<Advice> + Send + Sync + 'static,
    ) -> Self {
        self.0.classifiers.push(classify);
        self
    }

    setters! {
        /// Sets a setting. Comes before the environment and the manifest's default.
        setting(key: impl Into<String>, value: impl Into<Value>) =>
            |options| options.settings.push((key.into(), value.into()));

        /// Whether secrets are read from the environment: from the variable `KIKET_SECRET_<KEY>`, and from the variable named
        /// like a declared setting. On by default.
        ///
        /// With `false`, a secret setting comes from the builder or from its default in the manifest, and
        /// [`Context::secret`](crate::Context::secret) finds only what a delivery brings.
        ///
        /// ```
        /// use kiket_runtime::Extension;
        ///
        /// let extension = Extension::builder()
        ///     .webhook_secret("sh_123")
        ///     .environment([("KIKET_SECRET_API_KEY", "from the environment")])
        ///     .auto_env_secrets(false)
        ///     .on("issue.created", "v1", async || {})
        ///     .build()?;
        /// assert!(extension.config().settings().secret("API_KEY").is_none());
        /// # Ok::<(), kiket_runtime::error::StartupError>(())
        /// ```
        auto_env_secrets(on: bool) => |options| options.layer.auto_env_secrets = Some(on);

        /// The version of deliveries that name none in path, header and query. Comes before `KIKET_DEFAULT_EVENT_VERSION`; none
        /// by default, and such deliveries are refused with 400.
        ///
        /// ```
        /// let builder = kiket_runtime::Extension::builder().default_version("v1");
        /// # let _ = builder;
        /// ```
        default_version(version: impl AsRef<str>) => |options|
            options.layer.default_version = Some(default_version("default_version", version.as_ref()));

        /// Adds a handler without the attribute.
        ///
        /// ```
        /// use std::time::Duration;
        /// use kiket_runtime::{Extension, Handler};
        ///
        /// let handler = Handler::new("issue.created", "v1", async || ()).timeout(Duration::from_secs(5));
        /// let builder = Extension::builder().handler(handler);
        /// # let _ = builder;
        /// ```
        handler(handler: Handler) => |options| options.handlers.push(handler);
    }

    /// Adds a handler without options: short for `handler(Handler::new(event, version, function))`.
    #[track_caller]
    pub fn on<A, F: AsyncHandler<A>>(self, event: &str, version: &str, function: F) -> Self {
        self.handler(Handler::new(event, version, function))
    }

    setters! {
        /// Adds [middleware](Middleware) around every handler. The first one added is the outermost.
        middleware(middleware: impl Middleware) => |options| options.middleware.push(Arc::new(middleware));
    }

    /// The crates whose annotated functions belong to the extension. Annotated functions of any other linked crate stop
    /// the start: a dependency must not add routes silently. Unless this is called, one crate may have them.
    ///
    /// In the setup of `kiket::main!` it replaces `crates = […]`; the program's own crate always belongs.
    pub fn crates<S: Into<String>>(mut self, crates: impl IntoIterator<Item = S>) -> Self {
        let named = crates.into_iter().map(Into::into).collect();
        let own = match self.0.collected {
            Collected::OfCrates { own, .. } => own,
            Collected::OfOneCrate | Collected::None => None,
        };
        self.0.collected = Collected::OfCrates { named, own };
        self
    }

    /// The crates of a program: the named ones, and its own.
    pub(crate) fn crates_of_program(mut self, named: &[&str], own: &str) -> Self {
        let named = named.iter().map(|&name| name.to_owned()).collect();
        self.0.collected = Collected::OfCrates { named, own: Some(own.to_owned()) };
        self
    }

    setters! {
        /// Leaves annotated functions out: the extension has only the handlers given to [`handler`](Self::handler).
        without_collected() => |options| options.collected = Collected::None;

        /// The timeout of handlers that have none in their attribute or in the manifest: 10 s by default, an hour at most.
        handler_timeout(timeout: Duration) => |options| options.limits.handler_timeout = timeout;

        /// The concurrency limit: how many deliveries may run at the same time, 512 by default, at least 1. Deliveries above
        /// it are shed with 503 and `Retry-After`.
        #[doc(alias("load shedding", "backpressure"))]
        concurrency_limit(deliveries: usize) => |options| options.limits.concurrency = deliveries.max(1);

        /// The grace period of a graceful shutdown: how long running deliveries may take after SIGTERM. 25 s by default, so
        /// that the process ends before Kubernetes kills it after 30 s.
        #[doc(alias = "graceful shutdown")]
        grace_period(grace: Duration) => |options| options.http.grace_period = grace;

        /// Whether a payload that does not decode is refused with 422, which Kiket does not retry. By default the status is
        /// 500, and Kiket retries for half a day: a corrected build still gets the event.
        give_up_undecodable(give_up: bool) => |options| options.limits.undecodable =
            if give_up { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::INTERNAL_SERVER_ERROR };
    }
}

/// What runs beside deliveries.
impl ExtensionBuilder {
    /// Adds routes of your own, beside those of deliveries, like the callback of OAuth. `configure` is what `configure` of an
    /// actix-web app takes; it runs at the start and once for each worker.
    ///
    /// They are served by [`serve`](Extension::serve) and `kiket::main!`, and called in tests by `TestExtension::call`. Their
    /// extractors are those of actix-web, and [`State`](crate::State), [`Client`](crate::Client) and
    /// [`Settings`](crate::Settings); `?` converts errors of kiket, with their status. Nothing authenticates their requests:
    /// what they do, anybody can ask for.
    ///
    /// They have the limits of deliveries: the largest body and its timeout, as many requests at once as deliveries, 503
    /// during a graceful shutdown, which waits for running ones. There is no timeout for their handlers, and no WebSocket.
    /// Their paths do not begin with [`prefix`](super::HttpOptions::prefix). A route that has a path of kiket's, like
    /// `/health` or `/webhooks/github`, stops the start; one that has other paths, too, like `/{page}`, serves what kiket's
    /// routes leave.
    ///
    /// ```
    /// use actix_web::web::{self, ServiceConfig};
    /// use kiket_runtime::{Extension, State};
    /// use kiket_testing::TestExtension;
    ///
    /// async fn greet(greeting: State<String>, name: web::Path<String>) -> String {
    ///     format!("{}, {name}", *greeting)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), kiket_runtime::StartupError> {
    /// let builder = Extension::builder()
    ///     .on("issue.created", "v1", async || {})
    ///     .state("Hello".to_owned())
    ///     .routes(|config: &mut ServiceConfig| {
    ///         config.route("/greet/{name}", web::get().to(greet));
    ///     });
    /// let extension = TestExtension::new(builder)?;
    /// assert_eq!(extension.call("GET", "/greet/Ada").await.text(), "Hello, Ada");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("actix", "OAuth"))]
    #[track_caller]
    pub fn routes(mut self, configure: impl Fn(&mut ServiceConfig) + Send + Sync + 'static) -> Self {
        self.0.http.own_routes.add(configure, Location::caller());
        self
    }

    /// Adds a background task: a function that runs from the start of the extension to its graceful shutdown, like the
    /// refresh of a token.
    ///
    /// It starts after all checks, when the server listens. Its [`Shutdown`] says when the graceful shutdown begins, which
    /// waits for the task, within the grace period. A panic is logged and ends the task, not the process; a task that ended is
    /// not started again. It runs beside the server: blocking work belongs into `tokio::task::spawn_blocking`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use kiket_runtime::Extension;
    ///
    /// let builder = Extension::builder().background(|extension, shutdown| async move {
    ///     while shutdown.sleep(Duration::from_secs(60)).await {
    ///         if let Err(error) = extension.client().get::<()>("/api/v1/ext/rate_limit").await {
    ///             tracing::warn!("{error}");
    ///         }
    ///     }
    /// });
    /// # let _ = builder;
    /// ```
    #[doc(alias("spawn", "cron"))]
    pub fn background<F, W>(mut self, work: F) -> Self
    where
        F: FnOnce(Extension, Shutdown) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        self.0.background.push(background::start(work));
        self
    }
}

/// Groups of options.
impl ExtensionBuilder {
    /// Options of the HTTP server and its routes.
    ///
    /// ```
    /// # use kiket_runtime::Extension;
    /// let builder = Extension::builder().http(|http| http.host("0.0.0.0").port(8080).prefix("/kiket"));
    /// # let _ = builder;
    /// ```
    pub fn http(self, options: impl FnOnce(HttpOptions) -> HttpOptions) -> Self {
        Self(options(HttpOptions(self.0)).0)
    }

    /// Options of the calls to Kiket.
    ///
    /// ```
    /// # use kiket_runtime::Extension;
    /// let builder = Extension::builder().client(|client| client.base_url("https://kiket.example.com"));
    /// # let _ = builder;
    /// ```
    pub fn client(self, options: impl FnOnce(ClientOptions) -> ClientOptions) -> Self {
        Self(options(ClientOptions(self.0)).0)
    }

    /// Options of deduplication; see [`dedupe`](crate::dedupe).
    ///
    /// ```
    /// # use kiket_runtime::Extension;
    /// let builder = Extension::builder().dedupe(|dedupe| dedupe.url("memory:").run_without_store(true));
    /// # let _ = builder;
    /// ```
    #[doc(alias = "deduplication")]
    pub fn dedupe(self, options: impl FnOnce(DedupeOptions) -> DedupeOptions) -> Self {
        Self(options(DedupeOptions(self.0)).0)
    }

    /// Options of the inbox of `later` handlers; see [`inbox`](crate::inbox).
    ///
    /// ```
    /// # use kiket_runtime::Extension;
    /// let builder = Extension::builder().inbox(|inbox| inbox.url("sqlite:/var/lib/crm/inbox.db").without_secrets());
    /// # let _ = builder;
    /// ```
    #[cfg(feature = "inbox")]
    pub fn inbox(self, options: impl FnOnce(InboxOptions) -> InboxOptions) -> Self {
        Self(options(InboxOptions(self.0)).0)
    }

    /// Options of telemetry.
    ///
    /// ```
    /// # use kiket_runtime::Extension;
    /// let builder = Extension::builder().telemetry(|telemetry| telemetry.enabled(false));
    /// # let _ = builder;
    /// ```
    pub fn telemetry(self, options: impl FnOnce(TelemetryOptions) -> TelemetryOptions) -> Self {
        Self(options(TelemetryOptions(self.0)).0)
    }

    setters! {
        /// Calls `hook` with a record of every delivery that had a handler, whether telemetry is on or off.
        ///
        /// It runs on a thread of its own, a moment later, and cannot delay or break a delivery. Records are dropped, and
        /// counted, while a hook blocks that thread for long: see [`Stats`](crate::telemetry::Stats).
        ///
        /// ```
        /// use kiket_runtime::{Extension, telemetry::RecordStatus};
        ///
        /// let builder = Extension::builder().feedback(|record| {
        ///     if record.status == RecordStatus::Error {
        ///         tracing::warn!("{} failed after {} ms", record.event, record.duration_ms);
        ///     }
        /// });
        /// # let _ = builder;
        /// ```
        #[doc(alias = "metrics")]
        feedback(hook: impl Fn(&Record) + Send + Sync + 'static) =>
            |options| options.hook = Some(Arc::new(hook));
    }
}

/// Sources, clock, and the build.
impl ExtensionBuilder {
    setters! {
        /// The path of the manifest, which must exist. By default the working directory is searched.
        manifest(path: impl Into<PathBuf>) => |options| options.manifest = ManifestSource::At(path.into());

        /// Reads no manifest.
        without_manifest() => |options| options.manifest = ManifestSource::None;
    }

    /// Environment variables to use instead of the process's, for tests.
    pub fn environment<K, V>(mut self, variables: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.0.environment = Environment::given(variables);
        self
    }

    setters! {
        /// The clock that signatures are checked against, for tests.
        clock(clock: Clock) => |options| options.clock = Some(clock);

        /// Whether handlers and manifest must agree: differences, which are warnings otherwise, then stop the start.
        strict(strict: bool) => |options| options.strict = strict;

        /// Adds a line to the start report, for the person who starts the program.
        note(line: impl Into<String>) => |options| options.notes.push(line.into());
    }

    /// Reads the manifest, combines the layers of configuration, collects the handlers, and checks that all fit
    /// together.
    ///
    /// # Errors
    ///
    /// Every problem that was found, at once.
    pub fn build(self) -> Result<Extension, StartupError> {
        assemble::build(self.0)
    }
}
