//! How an extension is described: what is said in code goes before the environment, the manifest and the defaults.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde_json::Value;

use crate::{
    auth::TokenRules,
    client::Outbound,
    config::{Environment, Overrides},
    delivery::TypeMap,
    error::{Advice, Classifiers, StartupError},
    extension::{Extension, assemble},
    handler::{AsyncHandler, Handler, Middleware},
    store::DedupeStore,
    telemetry::{Hook, Record},
    types::{Authentication, Clock, Secret},
};

/// Describes an extension: what is said here goes before the environment, the manifest and the defaults.
#[derive(Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    pub(crate) overrides: Overrides,
    pub(crate) environment: Environment,
    pub(crate) manifest: ManifestSource,
    pub(crate) collected: Collected,
    pub(crate) handlers: Vec<Handler>,
    pub(crate) middleware: Vec<Arc<dyn Middleware>>,
    pub(crate) states: TypeMap,
    pub(crate) classifiers: Classifiers,
    pub(crate) limits: Limits,
    pub(crate) outbound: Outbound,
    pub(crate) hook: Option<Hook>,
    pub(crate) clock: Clock,
    pub(crate) strict: bool,
    pub(crate) notes: Vec<String>,
    pub(crate) memory: Memory,
    pub(crate) keep: Option<Duration>,
    pub(crate) run_without_store: bool,
    pub(crate) token_rules: TokenRules,
}

/// Where deliveries are remembered.
#[derive(Default)]
pub(crate) enum Memory {
    /// Where the configuration says, else in the process.
    #[default]
    Configured,
    Given(Arc<dyn DedupeStore>),
    /// Nowhere.
    None,
}

/// Where the manifest is.
#[derive(Debug, Default)]
pub(crate) enum ManifestSource {
    /// In the working directory, under one of its names, or nowhere.
    #[default]
    Searched,
    At(PathBuf),
    None,
}

/// Which of the annotated functions of the program belong to the extension.
#[derive(Debug, Default)]
pub(crate) enum Collected {
    /// Those of the one crate that has any.
    #[default]
    OfOneCrate,
    /// Those of the crates that were named, and of the program's own, which may have none.
    OfCrates { named: Vec<String>, own: Option<String> },
    /// None: only what the builder was given.
    None,
}

impl Builder {
    /// The id of the extension, like `com.example.marketing`.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.overrides.id = Some(id.into());
        self
    }

    /// The version of the extension, like `1.0.0`.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.overrides.version = Some(version.into());
        self
    }

    /// Adds a live webhook secret; the first is the current one. Without any here, `KIKET_WEBHOOK_SECRET` or the
    /// manifest gives it.
    pub fn webhook_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.overrides.secrets.push(secret.into());
        self
    }

    /// What proves that a delivery is Kiket's, instead of `KIKET_AUTHENTICATION` and [`Authentication::Hmac`].
    ///
    /// Every other mode looks at the runtime token in the body, which tells what a delivery may do: handlers can then
    /// require [scopes](crate::Context::require_scopes), and the calls of a delivery carry its token instead of the
    /// extension's. See [`TokenRules`] for which tokens are taken.
    pub fn authentication(mut self, mode: Authentication) -> Self {
        self.overrides.authentication = Some(mode);
        self
    }

    /// Which runtime tokens are taken, unless they are Kiket's own.
    pub fn token_rules(mut self, rules: TokenRules) -> Self {
        self.token_rules = rules;
        self
    }

    /// The token of calls to Kiket, instead of `KIKET_WORKSPACE_TOKEN`.
    pub fn workspace_token(mut self, token: impl Into<Secret>) -> Self {
        self.overrides.workspace_token = Some(token.into());
        self
    }

    /// The key of calls below `/api/v1/ext`, instead of `KIKET_EXTENSION_API_KEY`.
    pub fn extension_api_key(mut self, key: impl Into<Secret>) -> Self {
        self.overrides.extension_api_key = Some(key.into());
        self
    }

    /// Where Kiket is, instead of `KIKET_BASE_URL` and `https://kiket.dev`.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.overrides.base_url = Some(url.into());
        self
    }

    /// Another address that a delivery may name as its `api.base_url`: the calls of that delivery then go there, with the
    /// extension's tokens. The base URL is one anyway; any other that a delivery names is left alone.
    pub fn allowed_base_url(mut self, url: impl Into<String>) -> Self {
        self.overrides.allowed_base_urls.push(url.into());
        self
    }

    /// Where telemetry goes, instead of `KIKET_SDK_TELEMETRY_URL`.
    pub fn telemetry_url(mut self, url: impl Into<String>) -> Self {
        self.overrides.telemetry_url = Some(url.into());
        self
    }

    /// Calls `hook` with a record of every delivery that had a handler, whether telemetry is on or off.
    ///
    /// It runs on a thread of its own, a moment later, and cannot delay or break a delivery. One that keeps that thread
    /// for long loses records: see [`Extension::dropped_records`].
    ///
    /// ```
    /// use kiket_runtime::{Extension, RecordStatus};
    ///
    /// let builder = Extension::builder().feedback(|record| {
    ///     if record.status == RecordStatus::Error {
    ///         eprintln!("{} failed after {} ms", record.event, record.duration_ms);
    ///     }
    /// });
    /// # let _ = builder;
    /// ```
    pub fn feedback(mut self, hook: impl Fn(&Record) + Send + Sync + 'static) -> Self {
        self.hook = Some(Arc::new(hook));
        self
    }

    /// Whether telemetry goes anywhere, instead of `KIKET_SDK_TELEMETRY_OPTOUT`.
    pub fn telemetry(mut self, on: bool) -> Self {
        self.overrides.telemetry = Some(on);
        self
    }

    /// The name or address to listen on, instead of `HOST` and `127.0.0.1`.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.overrides.host = Some(host.into());
        self
    }

    /// The port to listen on, instead of `PORT` and 8000; 0 is any free one.
    pub fn port(mut self, port: u16) -> Self {
        self.overrides.port = Some(port);
        self
    }

    /// Sets a setting, whatever the manifest's default.
    pub fn setting(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.overrides.settings.push((key.into(), value.into()));
        self
    }

    /// The manifest's path, instead of a search in the working directory. It must exist.
    pub fn manifest(mut self, path: impl Into<PathBuf>) -> Self {
        self.manifest = ManifestSource::At(path.into());
        self
    }

    /// Reads no manifest.
    pub fn without_manifest(mut self) -> Self {
        self.manifest = ManifestSource::None;
        self
    }

    /// Variables to use instead of the process's, for tests.
    pub fn environment<K, V>(mut self, variables: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.environment = Environment::given(variables);
        self
    }

    /// A value for the handlers that ask for `State<T>`; a second of the same type takes its place.
    pub fn state<T: Send + Sync + 'static>(mut self, state: T) -> Self {
        self.states.insert(Arc::new(state));
        self
    }

    /// Adds retry advice for an error type of another crate: what a `T` asks of Kiket, wherever it is in the source chain of
    /// what a handler fails with. `None` leaves it to the sources, and else to the default, which is a retry by the
    /// platform's schedule. For a type of your own, derive [`Retry`](crate::Retry).
    ///
    /// ```
    /// use kiket_runtime::{Advice, Extension};
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
        self.classifiers.push(classify);
        self
    }

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
    pub fn handler(mut self, handler: Handler) -> Self {
        self.handlers.push(handler);
        self
    }

    /// Adds a handler without options: short for `handler(Handler::new(event, version, function))`.
    #[track_caller]
    pub fn on<A, F: AsyncHandler<A>>(self, event: &str, version: &str, function: F) -> Self {
        self.handler(Handler::new(event, version, function))
    }

    /// Adds [middleware](Middleware) around every handler. The first one added is the outermost.
    pub fn middleware(mut self, middleware: impl Middleware) -> Self {
        self.middleware.push(Arc::new(middleware));
        self
    }

    /// The crates whose annotated functions belong to the extension. Functions of any other crate that is linked
    /// stop the start: a dependency must not add routes in silence. Unless this is called, one crate may have them.
    ///
    /// In the setup of `kiket::main!` it takes the place of `crates = […]`; the program's own crate always belongs.
    pub fn crates<S: Into<String>>(mut self, crates: impl IntoIterator<Item = S>) -> Self {
        let named = crates.into_iter().map(Into::into).collect();
        let own = match self.collected {
            Collected::OfCrates { own, .. } => own,
            Collected::OfOneCrate | Collected::None => None,
        };
        self.collected = Collected::OfCrates { named, own };
        self
    }

    /// The crates of a program: those that it names, and its own.
    pub(crate) fn crates_of_program(mut self, named: &[&str], own: &str) -> Self {
        let named = named.iter().map(|&name| name.to_owned()).collect();
        self.collected = Collected::OfCrates { named, own: Some(own.to_owned()) };
        self
    }

    /// Leaves annotated functions out: only what [`handler`](Self::handler) was given answers.
    pub fn without_collected(mut self) -> Self {
        self.collected = Collected::None;
        self
    }

    /// Whether handlers and manifest must agree: what is otherwise a warning then stops the start.
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Remembers deliveries in `store`, so that one that comes again is not run again: instead of `KIKET_DEDUPE_URL`, and
    /// of the process's memory. See [`dedupe`](crate::dedupe).
    pub fn dedupe(mut self, store: impl DedupeStore) -> Self {
        self.memory = Memory::Given(Arc::new(store));
        self
    }

    /// Remembers deliveries at this address: `memory:`, `redis://…` or `postgres://…`, instead of `KIKET_DEDUPE_URL`.
    pub fn dedupe_url(mut self, url: impl Into<Secret>) -> Self {
        self.overrides.dedupe_url = Some(url.into());
        self
    }

    /// Remembers no delivery: one that comes again is run again.
    pub fn without_dedupe(mut self) -> Self {
        self.memory = Memory::None;
        self
    }

    /// How long answers are kept; 24 h unless set, at least 600 s.
    pub fn keep_answers(mut self, keep: Duration) -> Self {
        self.keep = Some(keep);
        self
    }

    /// Whether deliveries run while the store is down, at the risk of running twice; unless set they are answered with
    /// 503 and come again.
    pub fn run_without_store(mut self, run: bool) -> Self {
        self.run_without_store = run;
        self
    }

    /// A line for the start-up table, about something that whoever starts the program should know.
    pub fn note(mut self, line: impl Into<String>) -> Self {
        self.notes.push(line.into());
        self
    }

    /// A prefix of all paths, like `/kiket`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.limits.prefix = prefix.into();
        self
    }

    /// The largest body in bytes; 1 MiB unless set, at most 64 MiB. A larger one is answered with 413.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.limits.body = bytes.min(64 * 1024 * 1024);
        self
    }

    /// How long a body may take to arrive; 10 s unless set. A slower one is answered with 503.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.limits.body_wait = timeout;
        self
    }

    /// How long a request's head may take to arrive; 5 s unless set.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.limits.head_wait = timeout;
        self
    }

    /// How many deliveries may run at once; 512 unless set, at least 1. One more is answered with 503.
    pub fn in_flight_limit(mut self, deliveries: usize) -> Self {
        self.limits.in_flight = deliveries.max(1);
        self
    }

    /// How long a handler may run for which neither attribute nor manifest says it; 10 s unless set.
    pub fn handler_timeout(mut self, timeout: Duration) -> Self {
        self.limits.handler_timeout = timeout;
        self
    }

    /// How long running deliveries may go on after SIGTERM; 25 s unless set, so that all is over before Kubernetes, which
    /// waits 30 s, kills.
    pub fn grace_period(mut self, grace: Duration) -> Self {
        self.limits.grace = grace;
        self
    }

    /// How many threads answer; one for each core unless set.
    pub fn workers(mut self, workers: usize) -> Self {
        self.limits.workers = Some(workers.max(1));
        self
    }

    /// Whether a payload that does not decode is given up with 422, instead of retried for half a day with 500.
    pub fn give_up_undecodable(mut self, give_up: bool) -> Self {
        self.limits.give_up_undecodable = give_up;
        self
    }

    /// How long a connection to Kiket may take to be made; 5 s unless set.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.outbound.connect_timeout = timeout;
        self
    }

    /// How long a call to Kiket may take, attempts and pauses together; 15 s unless set.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.outbound.call_timeout = timeout;
        self
    }

    /// How many calls to Kiket a minute has; 600 unless set, and never more than Kiket's answers say.
    pub fn calls_per_minute(mut self, calls: u32) -> Self {
        self.outbound.per_minute = calls;
        self
    }

    /// How many calls to Kiket are on the way at once; 64 unless set.
    pub fn calls_at_once(mut self, calls: usize) -> Self {
        self.outbound.at_once = calls;
        self
    }

    /// The clock that signatures are checked against, for tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Reads the manifest, layers the configuration, collects the handlers, and checks that all fit together.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, at once.
    pub fn build(self) -> Result<Extension, StartupError> {
        assemble::build(self)
    }
}

/// What an extension allows itself and its senders.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) prefix: String,
    pub(crate) body: usize,
    pub(crate) body_wait: Duration,
    pub(crate) head_wait: Duration,
    pub(crate) in_flight: usize,
    pub(crate) handler_timeout: Duration,
    pub(crate) grace: Duration,
    pub(crate) workers: Option<usize>,
    pub(crate) give_up_undecodable: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            body: 1024 * 1024,
            body_wait: Duration::from_secs(10),
            head_wait: Duration::from_secs(5),
            in_flight: 512,
            handler_timeout: Duration::from_secs(10),
            grace: Duration::from_secs(25),
            workers: None,
            give_up_undecodable: false,
        }
    }
}
