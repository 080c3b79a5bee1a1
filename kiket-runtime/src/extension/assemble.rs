//! Builds an extension: loads manifest, configuration and handlers, and checks that they agree.

use std::{mem, sync::Arc};

#[cfg(feature = "postgres")]
use crate::extension::transactions::{Stores, provide};
use crate::{
    auth::{TokenRules, TokenVerifier, Verifier},
    client::{Client, ClientLimits, ClientOptions, Reporter},
    config::{Config, Unreadable, secrets_of},
    dedupe::{MemoryStore, store_from_url},
    delivery::{HandlerKey, Services, Tasks},
    error::{Findings, Problem, ProblemId, StartupError},
    extension::{
        consistency::{disagreements, without_version},
        endpoints::endpoints,
        instance::{Extension, Parts},
        options::{Dedupe, Options},
        registration::{gather, registered, without_handlers},
        report::Report,
        requirements::{missing_secrets, missing_settings, needed_secrets, unbound_tokens, unmet},
    },
    handler::Registry,
    http::Routes,
    manifest::Manifest,
    metrics::Metrics,
    pipeline::{
        Authenticator, ConcurrencyLimit, Deduplicator, Pipeline, Recorder, Responder, Store, Tokens, Watch,
    },
    store::{KeySpace, Retention},
    telemetry::{Telemetry, TelemetryContext, redact_panics},
    types::{Clock, EventName, Mutex, Redactor, Secret},
};
#[cfg(feature = "inbox")]
use crate::{
    extension::inbox,
    worker::{WORKERS, Workers},
};

/// Builds the extension that `options` describe, or collects every problem.
pub(crate) fn build(mut options: Options) -> Result<Extension, StartupError> {
    let registrations = registered();
    let mut handlers = mem::take(&mut options.handlers);
    let mut found = Findings::default();
    found.problems.extend(handlers.iter_mut().flat_map(|handler| handler.problems.drain(..)));
    let are_explained = !found.problems.is_empty();
    let loaded = options.manifest.load();
    let declared = loaded.as_ref().map(Option::as_ref).map_err(|_| Unreadable);
    let layered = Config::combine(
        mem::take(&mut options.layer),
        mem::take(&mut options.settings),
        &options.environment,
        declared,
    );
    let manifest = found.take(loaded);
    let config = found.take(layered.map(Some));
    let handlers = gather(handlers, are_explained, &registrations, &options.collected, &mut found);
    found.problems.extend(unmet(&handlers, &options.states, config.as_ref()));
    let needed = needed_secrets(&handlers);
    found.problems.extend(wrong_prefix(&options.http.prefix));
    options.http.endpoints = found.take(manifest.as_ref().map_or(Ok(Vec::new()), endpoints));
    options.notes.extend(options.http.endpoints.iter().map(note_of_endpoint));
    let timeout = |key: &HandlerKey| options.limits.timeout(key, manifest.as_ref());
    let registry = found.take(Registry::new(handlers, &options.middleware, timeout).map(Some));
    found.warnings.extend(manifest.iter().flat_map(|manifest| &manifest.warnings).cloned());
    if let Some(config) = &config {
        found.warnings.extend_from_slice(&config.warnings);
        bind_tokens(config, &mut options.token_rules, &mut found);
    }
    let mut differences = without_handlers(&registrations, &options.collected);
    if let (Some(manifest), Some(registry)) = (&manifest, &registry) {
        differences.extend(disagreements(manifest, registry.routes()));
    }
    if let Some(config) = &config {
        differences.extend(missing_secrets(&needed, config));
        let default = config.default_version.as_ref().zip(registry.as_ref());
        let lacking = default.and_then(|(version, registry)| without_version(version, &registry.routes()));
        found.warnings.extend(lacking);
        differences.extend(manifest.iter().flat_map(|manifest| missing_settings(manifest, config)));
    }
    if options.strict { &mut found.problems } else { &mut found.warnings }.extend(differences);
    found.warnings.extend(fatal_panics(cfg!(panic = "abort")));
    let clock = options.clock.take().unwrap_or_default();
    let exposed = config.as_ref().is_some_and(|config| config.metrics.is_some());
    let metrics = Arc::new(Metrics::new(clock.unix_seconds(), exposed));
    let deduplicator =
        config.as_ref().map(|config| deduplicator(config, &mut options.dedupe, &metrics)).transpose();
    let deduplicator = found.take(deduplicator).flatten();
    let keys = registry.iter().flat_map(|registry| registry.routes()).map(|route| &*route.key);
    let endpoints = options.http.endpoints.iter().map(|(path, _)| path);
    let shown = |panic| Redactor::new(&secrets_of(&options.environment)).shown(panic);
    let collisions = options.http.own_routes.collisions(&options.http.prefix, shown, endpoints, keys);
    found.problems.extend(collisions);
    #[cfg(feature = "inbox")]
    let inbox = registry.as_ref().and_then(|registry| {
        found.problems.extend(inbox::deciding(manifest.as_ref(), &registry.routes()));
        inbox::open(&mut options, config.as_ref()?, registry, &clock, &mut found)
    });
    #[cfg(feature = "postgres")]
    if let Some(registry) = &registry {
        let stores = Stores {
            deduplicator: deduplicator.as_ref(),
            #[cfg(feature = "inbox")]
            inbox: inbox.as_ref().map(|inbox| &*inbox.service.store),
        };
        found.problems.extend(provide(&registry.with_schedules(), &stores, &mut options.states));
    }
    let Findings { problems, warnings } = found;
    let (Some(config), Some(registry), true) = (config, registry, problems.is_empty()) else {
        // A key that is not read is often why a value is missing.
        let misspelt = warnings.into_iter().filter(|warning| warning.id == ProblemId::MisspeltKey);
        return Err(StartupError::new(problems.into_iter().chain(misspelt).collect()));
    };
    assemble(
        options,
        Checked {
            config,
            manifest,
            registry,
            deduplicator,
            metrics,
            clock,
            warnings,
            #[cfg(feature = "inbox")]
            inbox,
        },
    )
}

/// What an extension consists of, without a problem so far.
struct Checked {
    config: Config,
    manifest: Option<Manifest>,
    registry: Registry,
    deduplicator: Option<Deduplicator>,
    metrics: Arc<Metrics>,
    clock: Clock,
    warnings: Vec<Problem>,
    #[cfg(feature = "inbox")]
    inbox: Option<inbox::Opened>,
}

fn assemble(mut options: Options, checked: Checked) -> Result<Extension, StartupError> {
    #[cfg(feature = "inbox")]
    let (inbox, inbox_secrets) =
        checked.inbox.map_or((None, Vec::new()), |inbox| (Some(inbox.service), inbox.secrets));
    #[cfg(not(feature = "inbox"))]
    let inbox_secrets = Vec::<Secret>::new();
    let Checked { config, manifest, mut registry, deduplicator, metrics, clock, mut warnings, .. } = checked;
    options.http.metrics.clone_from(&config.metrics);
    if config.metrics.is_some() {
        registry.measure();
    }
    let authenticator = authenticator(
        &config,
        &options.token_rules,
        deduplicator.as_ref(),
        options.dedupe.run_without_store,
        clock.clone(),
        &metrics,
    )
    .map_err(StartupError::new)?;
    let keys = KeySpace::new(config.dedupe_namespace.as_deref(), config.id.as_deref());
    let client = client_options(&config, options.outbound);
    let reporter = config.telemetry.then(|| Reporter::new(&client, &config.telemetry_url)).flatten();
    let client = Client::new(client, clock.clone(), Arc::clone(&metrics));
    let fetches_keys = config.authentication.takes_tokens() && !options.token_rules.has_keys();
    let records_to = reporter.as_ref().map(|_| &config.telemetry_url);
    warnings.extend(
        client
            .unusable(fetches_keys, records_to)
            .map(|why| Problem::new(ProblemId::CannotCall, format!("Kiket cannot be called: {why}"))),
    );
    let context =
        TelemetryContext { extension_id: config.id.clone(), extension_version: config.version.clone() };
    let report =
        Report { notes: options.notes, ..Report::new(&config, manifest.as_ref(), &registry, warnings) };
    let redactor = redactor(&config, &inbox_secrets);
    redact_panics(&redactor);
    let tasks = Tasks::default();
    #[cfg(feature = "inbox")]
    let later = registry.deferred().map(inbox::later_handler).collect();
    let pipeline = Pipeline {
        watch: Watch::new(&registry),
        authenticator,
        concurrency: ConcurrencyLimit::new(
            options.limits.concurrency,
            options.http.body_budget.max(options.http.body_limit),
            tasks.clone(),
        ),
        registry,
        default_version: config.default_version.clone(),
        services: Arc::new(Services {
            client,
            clock: clock.clone(),
            extension_id: config.id.clone(),
            keys,
            extension_version: config.version.clone(),
            settings: config.settings.clone(),
            states: options.states,
            classifiers: options.classifiers,
            tasks,
            #[cfg(feature = "inbox")]
            inbox,
            #[cfg(feature = "inbox")]
            later,
        }),
        deduplicator,
        responder: Responder { redactor, undecodable: options.limits.undecodable },
        recorder: Recorder { telemetry: Telemetry::start(options.hook, reporter, context), clock },
        metrics,
    };
    let pipeline = Arc::new(pipeline);
    #[cfg(feature = "inbox")]
    let workers = Workers::new(&pipeline, options.inbox.workers.unwrap_or(WORKERS));
    let routes = Routes::new(pipeline, options.http, config.extension_id(), config.extension_version());
    #[cfg(feature = "inbox")]
    let routes = routes.with_workers(workers);
    Ok(Extension::new(Parts { routes, config, report, background: Mutex::new(options.background) }))
}

/// Fills the rules for tokens from the configuration, and finds what they leave open.
fn bind_tokens(config: &Config, rules: &mut TokenRules, found: &mut Findings) {
    rules.fill(config.extension_number.as_deref(), config.token_audience.as_deref());
    let signed = config.authentication.needs_signatures();
    let unbound = unbound_tokens(config.authentication, rules);
    if signed { &mut found.warnings } else { &mut found.problems }.extend(unbound);
}

fn note_of_endpoint((path, event): &(String, Option<EventName>)) -> String {
    match event {
        Some(event) => format!("deliveries at `{path}` are `{event}`"),
        None => format!("deliveries at `{path}` are of the event that their body names"),
    }
}

fn client_options(config: &Config, limits: ClientLimits) -> ClientOptions {
    ClientOptions {
        base_url: config.base_url.clone(),
        allowed_base_urls: config.allowed_base_urls.clone(),
        workspace_token: config.workspace_token.clone(),
        extension_api_key: config.extension_api_key.clone(),
        extension_id: config.id.clone(),
        limits,
    }
}

/// How deliveries are deduplicated.
fn deduplicator(
    config: &Config,
    dedupe: &mut Dedupe,
    metrics: &Arc<Metrics>,
) -> Result<Option<Deduplicator>, Problem> {
    let Dedupe { off, ref mut store, retention, run_without_store } = *dedupe;
    let store = store.take();
    if off {
        return Ok(None);
    }
    let store = match (store, &config.dedupe_url) {
        (Some(store), _) => Store::Configured(store),
        (None, Some(url)) => Store::Configured(store_from_url(url.expose())?),
        (None, None) => Store::Memory(Box::default()),
    };
    let is_shared = matches!(&store, Store::Configured(store) if store.is_shared());
    if is_shared && config.id.as_deref().is_none_or(|id| id.trim().is_empty()) {
        return Err(without_id());
    }
    let retention = retention.map_or_else(|| Ok(Retention::default()), Retention::new)?;
    Ok(Some(Deduplicator { store, retention, run_without_store, metrics: Arc::clone(metrics) }))
}

fn without_id() -> Problem {
    Problem::new(
        ProblemId::SharedStoreWithoutId,
        "the deduplication store may be shared, and the extension has no id: another one without an id would get its replies",
    )
    .mend("write `id: com.example.my_extension` into the manifest, or call the builder's `id`")
}

/// How requests are authenticated.
fn authenticator(
    config: &Config,
    rules: &TokenRules,
    deduplicator: Option<&Deduplicator>,
    run_without_store: bool,
    clock: Clock,
    metrics: &Arc<Metrics>,
) -> Result<Authenticator, Vec<Problem>> {
    let mode = config.authentication;
    let signatures = mode.takes_signatures().then(|| Verifier::new(&config.secrets)).transpose();
    let signatures =
        signatures.map_err(|unusable| vec![Problem::new(ProblemId::UnusableValue, unusable.to_string())])?;
    let tokens = || -> Result<_, Vec<Problem>> {
        // Used tokens are stored even if deduplication is off. In memory they have a store of their own: replies are large and
        // would evict them.
        let memory = match deduplicator.map(|deduplicator| &deduplicator.store) {
            Some(Store::Configured(store)) => Arc::clone(store),
            _ => Arc::new(MemoryStore::new()),
        };
        let verifier = TokenVerifier::new(rules, &config.base_url)?;
        let keys = KeySpace::new(config.dedupe_namespace.as_deref(), config.id.as_deref());
        Ok(Tokens { verifier, memory, keys, run_without_store })
    };
    let tokens = mode.takes_tokens().then(tokens).transpose()?;
    Ok(Authenticator { mode, signatures, tokens, clock, metrics: Arc::clone(metrics) })
}

/// The redactor of every secret that is known at the start.
fn redactor(config: &Config, of_inbox: &[Secret]) -> Redactor {
    let tokens = config.workspace_token.iter().chain(&config.extension_api_key);
    Redactor::new(config.secrets.iter().chain(tokens).chain(config.settings.secrets()).chain(of_inbox))
}

/// Handlers cannot be kept from ending the process where panics abort it.
fn fatal_panics(abort: bool) -> Option<Problem> {
    let what = "with `panic = \"abort\"` the panic of a handler ends the process, and all running deliveries";
    let problem = Problem::new(ProblemId::PanicAbort, what);
    abort.then(|| problem.mend("remove `panic = \"abort\"` from the profile in `Cargo.toml`"))
}

fn wrong_prefix(prefix: &str) -> Option<Problem> {
    let segment = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b))
    };
    let right =
        prefix.is_empty() || prefix.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment));
    (!right).then(|| {
        Problem::new(ProblemId::PathPrefix, format!("`{prefix}` is not a prefix of paths"))
            .mend("write it like `/kiket` or `/hooks/kiket`: a slash before every segment, none at the end")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_secret_is_named_and_not_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let builder = || {
            let builder = Extension::builder().without_collected().environment::<&str, &str>([]);
            builder.manifest(file.path()).on("issue.created", "v1", async || {})
        };
        std::fs::write(file.path(), "id: a\ndelivery_secert: hush\n").unwrap();
        let refused = builder().build().unwrap_err().to_string();
        let started = builder().webhook_secret("0123456789abcdef").build().unwrap();
        for text in [refused, started.report().to_string()] {
            assert!(text.contains("did you mean `delivery_secret`?") && !text.contains("hush"), "{text}");
        }
    }

    #[test]
    fn panics_that_end_the_process_are_a_warning() {
        assert!(
            fatal_panics(true).is_some_and(|problem| problem.to_string().contains("`panic = \"abort\"`"))
        );
        assert!(fatal_panics(false).is_none());
    }
}
