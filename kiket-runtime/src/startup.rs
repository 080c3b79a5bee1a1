//! The start of an extension: manifest, configuration and handlers are loaded and checked against each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::StatusCode;
use serde_json::Value;

use crate::{
    admission::{Admission, Tokens},
    builder::{Builder, Collected, Limits, ManifestSource, Memory},
    client::{Client, Reporter},
    config::{Config, Declared, secret_variable},
    counters::Counters,
    dedupe::{Keep, MemoryStore, store_from_url},
    delivery::{Premises, States, Subject},
    dispatch::Dispatcher,
    error::{Place, Problem, StartupError},
    extension::{Extension, Parts},
    gate::Gate,
    handler::{Binding, Registration},
    manifest::{Manifest, RegisteredHandler, disagreements},
    once::Once,
    redact::Redactor,
    registry::Registry,
    signature::Verifier,
    telemetry::{Telemetry, Teller},
    token::{Authentication, TokenRules, TokenVerifier},
};

/// Builds the extension that `builder` describes.
pub(crate) fn build(builder: Builder) -> Result<Extension, StartupError> {
    let registrations: Vec<_> = inventory::iter::<Registration>.into_iter().collect();
    let mut problems = builder.malformed;
    let mut handlers_are_told = !problems.is_empty();
    let loaded = load(&builder.manifest);
    let declared = match &loaded {
        Ok(Some(manifest)) => Declared::By(manifest),
        Ok(None) => Declared::Nothing,
        Err(_) => Declared::Unreadable,
    };
    let layered = Config::layer(builder.overrides, &builder.environment, declared);
    let manifest = loaded.unwrap_or_else(|found| note(&mut problems, found));
    let config = layered.map_or_else(|found| note(&mut problems, found), Some);
    let collected = collect(&registrations, &builder.collected);
    handlers_are_told |= collected.is_err();
    let mut bindings = collected.unwrap_or_else(|found| note(&mut problems, found));
    bindings.extend(builder.bindings);
    bindings.sort_by(|a, b| (a.place.file(), a.place.line()).cmp(&(b.place.file(), b.place.line())));
    problems.extend(unmet(&bindings, &builder.states, config.as_ref()));
    let needed = needed_secrets(&bindings);
    if bindings.is_empty() && !handlers_are_told {
        problems.push(no_handlers());
    }
    if let Err(problem) = check_prefix(&builder.limits.prefix) {
        problems.push(problem);
    }
    let timeout = |subject: &Subject| timeout(subject, manifest.as_ref(), &builder.limits);
    let registry = Registry::new(bindings, timeout).map_or_else(|found| note(&mut problems, found), Some);
    let mut warnings = manifest.as_ref().map(|manifest| manifest.warnings().to_vec()).unwrap_or_default();
    let mut differences = without_handlers(&registrations, &builder.collected);
    if let (Some(manifest), Some(registry)) = (&manifest, &registry) {
        differences.extend(compare(manifest, registry));
    }
    if let Some(config) = &config {
        differences.extend(missing_secrets(&needed, config));
        differences.extend(manifest.iter().flat_map(|manifest| missing_settings(manifest, config)));
    }
    if builder.strict { &mut problems } else { &mut warnings }.extend(differences);
    let once =
        config.as_ref().map(|config| once(config, builder.memory, builder.keep, builder.run_without_store));
    let once = once.transpose().unwrap_or_else(|problem| note(&mut problems, vec![problem])).flatten();
    let (Some(config), Some(registry), true) = (config, registry, problems.is_empty()) else {
        return Err(StartupError::new(problems));
    };
    let admission = admission(&config, &builder.token_rules, once.as_ref(), builder.run_without_store)
        .map_err(StartupError::new)?;
    let redactor = redactor(&config);
    let teller = Teller { extension_id: config.id.clone(), extension_version: config.version.clone() };
    Ok(Extension::new(Parts {
        report: Report {
            notes: builder.notes,
            ..Report::new(&config, manifest.as_ref(), &registry, warnings)
        },
        dispatcher: Arc::new(Dispatcher {
            registry,
            admission,
            premises: Arc::new(Premises {
                client: Client::new(&config, &builder.outbound, builder.clock.clone()),
                extension_id: config.id.clone(),
                extension_version: config.version.clone(),
                settings: config.settings.clone(),
                secret_variables: config.secret_variables.clone(),
                states: builder.states,
            }),
            clock: builder.clock,
            gate: Gate::new(builder.limits.in_flight),
            counters: Counters::default(),
            once,
            telemetry: Telemetry::start(builder.hook, Reporter::new(&config), teller),
            redactor,
            undecodable: if builder.limits.give_up_undecodable {
                StatusCode::UNPROCESSABLE_ENTITY
            } else {
                StatusCode::INTERNAL_SERVER_ERROR
            },
        }),
        config,
        limits: builder.limits,
    }))
}

/// How deliveries are remembered.
fn once(
    config: &Config,
    memory: Memory,
    keep: Option<Duration>,
    run_without_store: bool,
) -> Result<Option<Once>, Problem> {
    let store = match (memory, &config.dedupe_url) {
        (Memory::None, _) => return Ok(None),
        (Memory::Given(store), _) => store,
        (Memory::Configured, Some(url)) => store_from_url(url.expose())?,
        (Memory::Configured, None) => Arc::new(MemoryStore::new()),
    };
    let keep = keep.map_or_else(|| Ok(Keep::default()), Keep::new)?;
    Ok(Some(Once { store, keep, run_without_store }))
}

/// What every delivery has to show.
fn admission(
    config: &Config,
    rules: &TokenRules,
    once: Option<&Once>,
    run_without_store: bool,
) -> Result<Admission, Vec<Problem>> {
    let mode = config.authentication;
    let signatures = mode.takes_signatures().then(|| Verifier::new(&config.secrets)).transpose();
    let signatures = signatures.map_err(|unusable| vec![Problem::new(unusable.to_string())])?;
    let tokens = || -> Result<_, Vec<Problem>> {
        // Tokens are remembered also where deliveries are not.
        let memory = once.map_or_else(|| Arc::new(MemoryStore::new()) as _, |once| Arc::clone(&once.store));
        let verifier = TokenVerifier::new(rules, &config.base_url)?;
        Ok(Tokens { verifier, memory, extension_id: config.id.clone(), run_without_store })
    };
    Ok(Admission::new(mode, signatures, mode.takes_tokens().then(tokens).transpose()?))
}

/// What nobody may read.
fn redactor(config: &Config) -> Redactor {
    let tokens = config.workspace_token.iter().chain(&config.extension_api_key);
    let settings = config.settings.secrets().chain(config.secret_variables.all());
    Redactor::new(config.secrets.iter().chain(tokens).chain(settings))
}

/// Keeps the problems of a step that failed, and goes on with nothing, so that all problems are found at once.
fn note<T: Default>(problems: &mut Vec<Problem>, found: Vec<Problem>) -> T {
    problems.extend(found);
    T::default()
}

fn load(source: &ManifestSource) -> Result<Option<Manifest>, Vec<Problem>> {
    match source {
        ManifestSource::None => Ok(None),
        ManifestSource::At(path) => Manifest::load(path).map(Some),
        ManifestSource::Searched => {
            Manifest::search(Path::new("")).map(|path| Manifest::load(&path)).transpose()
        }
    }
}

/// The annotated functions of the program that belong to the extension.
fn collect(registrations: &[&Registration], collected: &Collected) -> Result<Vec<Binding>, Vec<Problem>> {
    match collected {
        Collected::None => Ok(Vec::new()),
        Collected::OfCrates { named, own } => {
            of_crates(registrations, &named.iter().chain(own).collect::<Vec<_>>())
        }
        Collected::OfOneCrate => of_one_crate(registrations),
    }
}

fn of_crates(registrations: &[&Registration], crates: &[&String]) -> Result<Vec<Binding>, Vec<Problem>> {
    let (own, foreign): (Vec<&Registration>, Vec<_>) = registrations
        .iter()
        .copied()
        .partition(|registration| crates.iter().any(|name| is_in(registration, name)));
    if foreign.is_empty() {
        return Ok(own.into_iter().map(Binding::from).collect());
    }
    let mut by_crate = BTreeMap::<&str, Vec<&Registration>>::new();
    for registration in foreign {
        by_crate.entry(registration.crate_name()).or_default().push(registration);
    }
    Err(by_crate.into_iter().map(|(name, registrations)| foreign_handlers(name, &registrations)).collect())
}

fn foreign_handlers(name: &str, registrations: &[&Registration]) -> Problem {
    let mut functions: Vec<_> = registrations.iter().map(|registration| registration.function()).collect();
    functions.sort_unstable();
    let functions = functions.join("`, `");
    let what =
        format!("the crate `{name}` has handlers and is not named as part of this extension: `{functions}`");
    let first = registrations
        .iter()
        .map(|registration| registration.place())
        .min_by_key(|place| (place.file(), place.line()));
    let problem = Problem::new(what)
        .mend(format!("name it, if its handlers belong here: `kiket::main!(crates = [{name}])`, or `.crates([…])` on the builder"));
    match first {
        Some(place) => problem.at(place.into()),
        None => problem,
    }
}

/// Whether the annotated function is in the crate `name`, however `Cargo.toml` spells it.
fn is_in(registration: &Registration, name: &str) -> bool {
    name.replace('-', "_") == registration.crate_name()
}

/// The crates that were named and have no handlers: most likely the linker dropped them, handlers and all.
fn without_handlers(registrations: &[&Registration], collected: &Collected) -> Vec<Problem> {
    let Collected::OfCrates { named, .. } = collected else { return Vec::new() };
    let without =
        named.iter().filter(|name| !registrations.iter().any(|registration| is_in(registration, name)));
    without
        .map(|name| {
            Problem::new(format!("the crate `{name}` is named as part of this extension and has no handlers"))
                .mend(format!(
                    "a library that nothing uses is not linked: write `use {} as _;`, or do not name it",
                    name.replace('-', "_")
                ))
        })
        .collect()
}

fn of_one_crate(registrations: &[&Registration]) -> Result<Vec<Binding>, Vec<Problem>> {
    let crates: BTreeSet<_> = registrations.iter().map(|registration| registration.crate_name()).collect();
    if crates.len() <= 1 {
        return Ok(registrations.iter().copied().map(Binding::from).collect());
    }
    let names = crates.into_iter().collect::<Vec<_>>();
    Err(vec![
        Problem::new(format!("several crates have handlers: `{}`", names.join("`, `")))
            .mend("name those whose handlers belong to this extension: `.crates([…])` on the builder"),
    ])
}

/// What handlers ask for and nobody gives.
fn unmet(bindings: &[Binding], states: &States, config: Option<&Config>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for binding in bindings {
        for (id, type_name) in &binding.needs.states {
            if !states.contains(*id) {
                let what =
                    format!("`{}` asks for `State<{type_name}>`, which nobody gives", binding.function);
                problems.push(Problem::new(what).at(binding.place.into()).mend(
                    "give a value of that type to the builder: `builder.state(value)` in `kiket::main!(setup = …)`",
                ));
            }
        }
        let unsigned = config.is_some_and(|config| !config.authentication.takes_tokens());
        if !binding.scopes.is_empty() && unsigned {
            let what = format!(
                "`{}` requires scopes, which only a runtime token has, and the mode `hmac` checks none",
                binding.function
            );
            problems.push(Problem::new(what).at(binding.place.into()).mend(
                "set `KIKET_AUTHENTICATION` to `both`, or give the builder `.authentication(Authentication::Both)`; \
                 or remove `scopes`",
            ));
        }
    }
    problems
}

/// The secrets that handlers cannot do without, each with a handler.
fn needed_secrets(bindings: &[Binding]) -> BTreeMap<&'static str, (String, Place)> {
    let needed =
        bindings.iter().flat_map(|binding| binding.needs.secrets.iter().map(move |key| (*key, binding)));
    needed.map(|(key, binding)| (key, (binding.function.to_string(), binding.place.into()))).collect()
}

/// Those that the environment does not have: only a delivery can bring them.
fn missing_secrets<'n>(
    needed: &'n BTreeMap<&'static str, (String, Place)>,
    config: &'n Config,
) -> impl Iterator<Item = Problem> + 'n {
    let missing = needed.iter().filter(|(key, _)| config.secret_variables.find(key).is_none());
    missing.map(|(key, (function, place))| {
        Problem::new(format!("`{function}` needs the secret `{key}`, which the environment does not have"))
            .at(place.clone())
            .mend(format!("set `{}`, unless every delivery brings it", secret_variable(key)))
    })
}

/// The settings that the manifest requires and nobody gives.
fn missing_settings<'m>(manifest: &'m Manifest, config: &'m Config) -> impl Iterator<Item = Problem> + 'm {
    let missing = manifest.settings().iter().filter(|setting| {
        let key = setting.key();
        let given = config.settings.get::<Option<Value>>(key).is_ok_and(|value| value.is_some());
        setting.is_required() && !given && config.secret_variables.find(key).is_none()
    });
    missing.map(|setting| {
        let key = setting.key();
        let what = format!("the manifest requires the setting `{key}`, which has no value");
        Problem::new(what).mend(if setting.is_secret() {
            format!("set `{}`, unless every delivery brings it", secret_variable(key))
        } else {
            format!("give it a `default`, or the builder `.setting(\"{key}\", …)`")
        })
    })
}

fn no_handlers() -> Problem {
    Problem::new("there are no handlers").mend(
        "annotate a function: `#[kiket::webhook(\"issue.created\", version = \"v1\")]`; handlers in a library crate are \
         linked when the program names it: `kiket::main!(crates = [my_library])`",
    )
}

fn check_prefix(prefix: &str) -> Result<(), Problem> {
    let segment = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b))
    };
    if prefix.is_empty() || prefix.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment)) {
        return Ok(());
    }
    Err(Problem::new(format!("`{prefix}` is not a prefix of paths"))
        .mend("write it like `/kiket` or `/hooks/kiket`: a slash before every segment, none at the end"))
}

/// How long a handler may run that does not say it: its hook in the manifest, else the callback, else the default.
fn timeout(subject: &Subject, manifest: Option<&Manifest>, limits: &Limits) -> Duration {
    let declared = manifest.and_then(|manifest| {
        manifest.event_timeout(subject.event.as_str()).or_else(|| manifest.callback_timeout())
    });
    declared.unwrap_or(limits.handler_timeout)
}

fn compare(manifest: &Manifest, registry: &Registry) -> Vec<Problem> {
    let entries = registry.entries();
    let handlers = entries.iter().map(|entry| RegisteredHandler {
        event: &entry.subject.event,
        version: &entry.subject.version,
        function: &entry.function,
        file: entry.place.file(),
        line: entry.place.line(),
    });
    disagreements(manifest, handlers)
}

/// What was found at the start: who the extension is, its handlers, and what is odd.
///
/// `Display` prints it as `kiket::main!` does on a terminal.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The id of the extension.
    pub id: Option<String>,
    /// The version of the extension.
    pub version: Option<String>,
    /// The manifest that was read.
    pub manifest: Option<PathBuf>,
    /// Where Kiket is.
    pub base_url: String,
    /// What proves that a delivery is Kiket's.
    pub authentication: Authentication,
    /// What the builder was told to say.
    pub notes: Vec<String>,
    /// The handlers, by event and version.
    pub handlers: Vec<HandlerReport>,
    /// What does not stop the start, and should not be.
    pub warnings: Vec<Problem>,
}

/// One handler, as the start-up table shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandlerReport {
    /// The event it answers.
    pub event: String,
    /// The version, as registered.
    pub version: String,
    /// The path of the function.
    pub function: String,
    /// Where it is registered.
    pub file: String,
    /// The line of that.
    pub line: u32,
    /// How long it may run.
    pub timeout: Duration,
}

impl Report {
    fn new(
        config: &Config,
        manifest: Option<&Manifest>,
        registry: &Registry,
        warnings: Vec<Problem>,
    ) -> Self {
        let entries = registry.entries();
        let handlers = entries.into_iter().map(|entry| HandlerReport {
            event: entry.subject.event.to_string(),
            version: entry.subject.version.to_string(),
            function: entry.function.clone().into_owned(),
            file: entry.place.file().to_owned(),
            line: entry.place.line(),
            timeout: entry.timeout,
        });
        Self {
            id: config.id.clone(),
            version: config.version.clone(),
            manifest: manifest.map(|manifest| manifest.path().to_owned()),
            base_url: config.base_url().to_owned(),
            authentication: config.authentication,
            notes: Vec::new(),
            handlers: handlers.collect(),
            warnings,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.as_deref().unwrap_or("without an id");
        let version = self.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        writeln!(f, "  extension  {id}{version}")?;
        match &self.manifest {
            Some(path) => writeln!(f, "  manifest   {}", path.display())?,
            None => writeln!(f, "  manifest   none")?,
        }
        writeln!(f, "  Kiket      {}", self.base_url)?;
        match self.authentication {
            Authentication::Hmac => {}
            Authentication::Token => {
                writeln!(
                    f,
                    "  accepts    token: NOTHING SIGNS A BODY, whoever has an unused token can send his own"
                )?;
            }
            mode => writeln!(f, "  accepts    {mode}: signatures and runtime tokens")?,
        }
        for note in &self.notes {
            writeln!(f, "  note       {note}")?;
        }
        let widths = self.handlers.iter().fold([5, 7, 8], |[event, version, function], handler| {
            [
                event.max(handler.event.len()),
                version.max(handler.version.len()),
                function.max(handler.function.len()),
            ]
        });
        let [event, version, function] = widths;
        writeln!(
            f,
            "\n  {:event$}  {:version$}  {:function$}  timeout  place",
            "event", "version", "function"
        )?;
        for handler in &self.handlers {
            let HandlerReport { event: e, version: v, function: n, file, line, timeout } = handler;
            let timeout = format!("{timeout:?}");
            writeln!(f, "  {e:event$}  {v:version$}  {n:function$}  {timeout:7}  {file}:{line}")?;
        }
        for warning in &self.warnings {
            write!(f, "\nwarning: {warning}")?;
        }
        Ok(())
    }
}
