//! The names that the test kit, the benches and the fuzz targets use. Nothing here is stable.

use std::{
    borrow::Cow,
    cmp::Reverse,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    auth::{Auth, Authentic, Grant, Token},
    client::Client,
    config::{Config, Environment, Layer, Settings, Unreadable, no_secret, webhook_secret_file},
    delivery::{self, Delivery, Envelope, HandlerKey, JsonText, Request, Services, Target, Tasks, TypeMap},
    error::{Classifiers, Findings, Place, Problem, ProblemId, Rejection, StartupError},
    extension::{Extension, ExtensionBuilder},
    handler::{Context, Handler, Registration},
    http,
    manifest::{self, Manifest},
    model::members::snake_case,
    pipeline::Response,
    store::KeySpace,
    types::{Clock, EventName, EventVersion, Headers, Redactor, Secret, after},
};
#[cfg(feature = "inbox")]
use crate::{
    config::{DEFAULT_INBOX, InboxConfig, InboxLayer},
    extension::seal_keys,
    store::{
        StoreError,
        inbox::{ClaimedWork, Inbox},
    },
};

pub use crate::{
    auth::refusal::observed,
    client::{ListRead, read_list, read_retry_after},
    http::{listen, not_found},
    manifest::secret_lines,
    types::{Mutex, is_guard, rfc3339},
};

/// The parts of the context of an invented delivery.
#[allow(missing_debug_implementations)] // settings and body must not be printed
pub struct ContextParts {
    /// The event.
    pub event: EventName,
    /// The version.
    pub version: EventVersion,
    /// The id of the extension.
    pub extension_id: Option<String>,
    /// The version of the extension.
    pub extension_version: Option<String>,
    /// The client; without one, every call fails because it has no token.
    pub client: Option<Client>,
    /// The settings.
    pub settings: Vec<(String, Value)>,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Value,
    /// The scopes of a verified runtime token; `None` is no token.
    pub scopes: Option<Vec<String>>,
    /// The time of the signature, in Unix seconds.
    pub signed_at: u64,
    /// How long the handler may still run.
    pub remaining: Duration,
}

/// Builds a context; `None` if the body is not an object.
pub fn context(parts: ContextParts) -> Option<Context> {
    let services = Services {
        client: parts.client.unwrap_or_else(Client::unconfigured),
        clock: Clock::fixed(parts.signed_at),
        keys: KeySpace::new(None, parts.extension_id.as_deref()),
        extension_id: parts.extension_id,
        extension_version: parts.extension_version,
        settings: parts.settings.into_iter().collect(),
        states: TypeMap::default(),
        classifiers: Classifiers::default(),
        tasks: Tasks::default(),
        #[cfg(feature = "inbox")]
        inbox: None,
        #[cfg(feature = "inbox")]
        later: Vec::new(),
    };
    let token = parts.scopes.map(|scopes| {
        let auth = Auth::new(Grant { verified: true, scopes, ..Grant::default() });
        Token { auth, text: Secret::new("rt_test") }
    });
    Some(Context::new(Delivery::new(
        Arc::new(services),
        Arc::new(HandlerKey { event: parts.event, version: parts.version }),
        parts.headers.into_iter().collect(),
        JsonText::new(parts.body.to_string().into()).ok()?,
        Authentic { signed_at: parts.signed_at, secret: Some(0), token, undecided: None, is_restored: false },
        after(parts.remaining),
    )))
}

/// Where the inbox of an extension is, as the environment of the process with `more` variables says, and the space of its rows
/// there, which is empty without an id: that of `id`, or of the manifest.
#[cfg(feature = "inbox")]
pub fn inbox_place(
    more: Vec<(String, String)>,
    id: Option<&str>,
    manifest: Option<&Manifest>,
) -> Result<(Secret, String), Vec<Problem>> {
    let environment = Environment::process_with(more);
    let mut found = Findings::default();
    let namespace = found.take(Layer::environment(&environment).dedupe_namespace.transpose());
    let inbox = InboxConfig::combine(InboxLayer::default(), &environment, &mut found);
    let space =
        id.or_else(|| manifest?.id.as_deref()).map(|id| KeySpace::new(namespace.as_deref(), Some(id)));
    let space = space.map(|space| space.name().to_owned()).unwrap_or_default();
    let url = inbox.url.unwrap_or_else(|| Secret::new(DEFAULT_INBOX));
    if found.problems.is_empty() { Ok((url, space)) } else { Err(found.problems) }
}

/// What the environment says of the inbox.
#[cfg(feature = "inbox")]
#[derive(Debug)]
pub struct InboxVariables {
    /// Where it is; `None` where that cannot be read.
    pub url: Option<Secret>,
    /// Whether there is a key that seals.
    pub has_key: bool,
    /// Whether its file may be where it does not last.
    pub is_ephemeral: bool,
    /// What stops a start with a `later` handler.
    pub problems: Vec<Problem>,
    /// What is probably a slip.
    pub warnings: Vec<Problem>,
}

/// What the environment of the process with `more` variables says of the inbox, as the start reads it; `None` where it says neither
/// where it is nor what seals it.
#[cfg(feature = "inbox")]
pub fn inbox_variables(more: Vec<(String, String)>) -> Option<InboxVariables> {
    let mut found = Findings::default();
    let read = InboxConfig::combine(InboxLayer::default(), &Environment::process_with(more), &mut found);
    found.take(seal_keys(&read).map(drop));
    if read.secrets().next().is_none() && found.problems.is_empty() {
        return None;
    }
    let default = || found.problems.is_empty().then(|| Secret::new(DEFAULT_INBOX));
    Some(InboxVariables {
        has_key: read.key.is_some(),
        is_ephemeral: read.is_ephemeral,
        url: read.url.or_else(default),
        problems: found.problems,
        warnings: found.warnings,
    })
}

/// The settings of a manifest, without any environment.
pub fn settings_of(manifest: &Manifest) -> Option<Settings> {
    let mut layer = Layer::default();
    layer.add_webhook_secret(Secret::new("0123456789abcdef"));
    let config = Config::combine(layer, Vec::new(), &Environment::given([]), Ok(Some(manifest)));
    config.ok().map(|config| config.settings)
}

/// The live webhook secrets and the warnings about them, as the start reads and judges them: those of `files`, or else of the
/// environment of the process with `more` variables, or else of `manifest`. In an error are the problems of all of them.
pub fn webhook_secrets(
    files: &[PathBuf],
    more: Vec<(String, String)>,
    manifest: Option<&Manifest>,
) -> Result<(Vec<Secret>, Vec<Problem>), Vec<Problem>> {
    let environment = Environment::process_with(more);
    let layer = Layer::environment(&environment);
    let layer =
        layer.or(manifest.map(|manifest| Layer::manifest(manifest, &environment)).unwrap_or_default());
    let given = match files {
        [] if layer.webhook_secrets.is_none() => Vec::new(),
        [] => layer.webhook_secrets.into_iter().flatten().chain(layer.previous_secret).collect(),
        files => files.iter().map(|file| webhook_secret_file("--secret-file", file)).collect::<Vec<_>>(),
    };
    let mut found = Findings::default();
    if given.is_empty() {
        found.problems.push(no_secret(manifest));
    }
    let secrets: Vec<_> = given.into_iter().filter_map(|given| given.take(&mut found)).collect();
    if found.problems.is_empty() { Ok((secrets, found.warnings)) } else { Err(found.problems) }
}

/// The configuration of the process with `more` variables, and its problems and warnings, as the start reads it. The manifest is an
/// error where it does not parse.
pub fn configuration(
    more: Vec<(String, String)>,
    manifest: Result<Option<&Manifest>, ()>,
) -> (Option<Config>, Vec<Problem>, Vec<Problem>) {
    let environment = Environment::process_with(more);
    let manifest = manifest.map_err(|()| Unreadable);
    match Config::combine(Layer::default(), Vec::new(), &environment, manifest) {
        Ok(config) => {
            let warnings = config.warnings.clone();
            (Some(config), Vec::new(), warnings)
        }
        Err(problems) => (None, problems, Vec::new()),
    }
}

/// The URL of the deduplication store in the environment of the process with `more` variables. What is wrong with it is a problem
/// of the [`configuration`].
pub fn dedupe_url(more: Vec<(String, String)>) -> Option<Secret> {
    Layer::environment(&Environment::process_with(more)).dedupe_url?.take(&mut Findings::default())
}

/// Settings of the PostgreSQL at `url`, as a JSON object of texts, and whether connections are seen to have sessions of their own:
/// not behind a pooler, and with TLS that is not seen.
#[cfg(feature = "postgres")]
pub async fn postgres_settings(url: &str) -> Result<(String, bool), crate::dedupe::StoreError> {
    crate::dedupe::PostgresStore::new(url)?.settings().await
}

/// The defaults of builders in tests.
#[derive(Debug)]
pub struct Defaults {
    /// The id of the extension.
    pub id: Option<String>,
    /// The webhook secret.
    pub webhook_secret: Option<Secret>,
    /// The clock.
    pub clock: Clock,
    /// The number of the extension that runtime tokens are for.
    pub extension_number: Option<&'static str>,
    /// Whether it reads only the variables that it is given.
    pub isolated: bool,
}

/// Sets the `defaults` that `builder` lacks. Returns the builder, and its clock.
pub fn with_defaults(mut builder: ExtensionBuilder, defaults: Defaults) -> (ExtensionBuilder, Clock) {
    if let (None, Some(secret)) = (&builder.0.layer.webhook_secrets, defaults.webhook_secret) {
        builder = builder.webhook_secret(secret);
    }
    if defaults.isolated && matches!(builder.0.environment, Environment::Process) {
        builder.0.environment = Environment::given([]);
    }
    builder.0.token_rules.fill(defaults.extension_number, None);
    builder.0.layer.id = builder.0.layer.id.take().or(defaults.id);
    let clock = builder.0.clock.get_or_insert(defaults.clock).clone();
    (builder, clock)
}

/// Leaves `builder` only the annotated functions below `module`, as if it were a program of its own.
pub fn only_of_module(mut builder: ExtensionBuilder, module: &str) -> ExtensionBuilder {
    let is_below = |function: &str| function.strip_prefix(module).is_some_and(|rest| rest.starts_with("::"));
    let registrations = inventory::iter::<Registration>.into_iter();
    let found = registrations.filter(|registration| is_below(registration.function));
    builder.0.handlers.extend(found.map(Handler::from));
    builder.without_collected()
}

/// A line and a column of a file; 0 is the whole file.
pub fn place(file: &Path, (line, column): (u32, u32)) -> Place {
    Place { file: file.to_owned(), line, column, excerpt: None }
}

/// A problem: one sentence, its place, and what to do about it.
pub fn problem(what: impl Into<String>, place: Option<Place>, help: impl Into<String>) -> Problem {
    Problem::new(ProblemId::Seed, what).at(place).mend(help)
}

/// The error that stops the start of `program`.
pub fn startup_error(program: &'static str, problems: Vec<Problem>) -> StartupError {
    StartupError::of(program, problems)
}

/// Gives `builder` an inbox, and a key that seals what it stores, where it has none.
#[cfg(feature = "inbox")]
pub fn with_inbox(mut builder: ExtensionBuilder, store: impl Inbox, key: &str) -> ExtensionBuilder {
    let inbox = &mut builder.0.inbox;
    if inbox.store.is_none() && inbox.layer.url.is_none() {
        inbox.store = Some(Arc::new(store));
    }
    if inbox.layer.key.is_none() && !inbox.layer.without_secrets {
        return builder.inbox(|inbox| inbox.key(key));
    }
    builder
}

/// Runs the deferred deliveries that are due by the clock of the extension. Returns how each attempt ended.
#[cfg(feature = "inbox")]
pub async fn run_inbox(extension: &Extension) -> Result<Vec<(ClaimedWork, &'static str)>, StoreError> {
    match extension.workers() {
        Some(workers) => workers.runner().run_due().await,
        None => Ok(Vec::new()),
    }
}

/// Starts the workers of an extension on the runtime of the caller.
#[cfg(feature = "inbox")]
pub fn start_workers(extension: &Extension) {
    if let Some(workers) = extension.workers() {
        workers.start_here();
    }
}

/// The inbox of an extension, and the space of its rows.
#[cfg(feature = "inbox")]
pub fn inbox_of(extension: &Extension) -> Option<(Arc<dyn Inbox>, String)> {
    let inbox = extension.pipeline().services.inbox.as_ref()?;
    Some((Arc::clone(&inbox.store), inbox.space.clone()))
}

/// Runs a delivery without HTTP. Returns the status and the body of its response.
pub async fn dispatch(
    extension: &Extension,
    event: &str,
    version: &str,
    headers: Headers,
    body: bytes::Bytes,
) -> (u16, bytes::Bytes) {
    let target = Target { event: Some(event), version: Some(version), query: "" };
    let Response { status, body, .. } = extension.pipeline().handle(Request { target, headers, body }).await;
    (status.as_u16(), body)
}

/// The same for a path and its query as they are sent; `None` for a path that is not one of deliveries.
pub async fn dispatch_to(
    extension: &Extension,
    path: &str,
    headers: Headers,
    body: bytes::Bytes,
) -> Option<(u16, bytes::Bytes)> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let tidied = http::tidied(path);
    let target = Target { query, ..http::target_of(tidied.as_deref().unwrap_or(path))? };
    let Response { status, body, .. } = extension.pipeline().handle(Request { target, headers, body }).await;
    Some((status.as_u16(), body))
}

/// The event and the version that a request names, as they are written, or the code of the rejection.
pub fn route(
    event: Option<&str>,
    version: Option<&str>,
    query: &str,
    headers: &Headers,
) -> (Result<Option<String>, &'static str>, Result<String, &'static str>) {
    let target = Target { event, version, query };
    let code = |rejection: Rejection| rejection.code.unwrap_or_default();
    let event = target.event().map(|event| event.map(Cow::into_owned)).map_err(code);
    let version = target.version(headers).and_then(|version| version.ok_or(Rejection::VERSION_MISSING));
    (event, version.map(|version| version.written.into_owned()).map_err(code))
}

/// The fields of the envelope, read from a body.
#[derive(Debug, PartialEq, Eq)]
pub struct EnvelopeFields {
    /// `event`, else `type`.
    pub event: Option<String>,
    /// The same, else `event_type`.
    pub routed_event: Option<String>,
    /// `id`, else `delivery_id`.
    pub delivery_id: Option<String>,
    /// The JSON of the first time.
    pub time: Option<String>,
    /// `api.base_url`.
    pub base_url: Option<String>,
}

/// A body as a `T`, and its envelope, read in the same pass.
pub fn decode<'b, T: Deserialize<'b>>(
    body: &'b str,
) -> (serde_json::Result<T>, serde_json::Result<EnvelopeFields>) {
    let (decoded, envelope) = delivery::decode(body);
    let fields = |envelope: Envelope| EnvelopeFields {
        event: envelope.event(body).map(Cow::into_owned),
        routed_event: envelope.routed_event(body).map(Cow::into_owned),
        delivery_id: envelope.delivery_id(body).map(Cow::into_owned),
        time: envelope.time(body).map(str::to_owned),
        base_url: envelope.base_url(body),
    };
    (decoded, envelope.map(fields))
}

/// Redacts secrets in texts as logs and responses do, with a text of its own in place of each.
#[derive(Debug)]
pub struct Redactions(Vec<(Redactor, String)>);

impl Redactions {
    /// Those of the secrets; the text in place of a secret follows it.
    pub fn new(secrets: impl IntoIterator<Item = (Secret, String)>) -> Self {
        let mut secrets: Vec<_> = secrets.into_iter().collect();
        // A secret may contain another.
        secrets.sort_by_key(|(secret, _)| Reverse(secret.expose().len()));
        Self(secrets.into_iter().map(|(secret, with)| (Redactor::new([&secret]), with)).collect())
    }

    /// The text without the secrets.
    pub fn redact(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (redactor, with)| redactor.replace(text, with))
    }
}

/// Whether a key names a secret, in snake case or in camel case.
pub fn names_a_secret(key: &str) -> bool {
    manifest::names_a_secret(&snake_case(key))
}
