//! What an extension is configured with: builder, then environment, then manifest, then default, layered once.

mod settings;

use std::{collections::HashMap, path::Path, sync::Arc};

use serde_json::Value;

pub use self::settings::{SettingError, Settings};
use crate::{
    error::{Place, Problem},
    manifest::{Manifest, Reference, Setting},
    types::{Authentication, BaseUrl, InvalidBaseUrl, Secret, UnusableSecret},
};

/// Where variables come from: the process, or what a test gives.
#[derive(Clone, Default)]
pub(crate) enum Environment {
    #[default]
    Process,
    Given(Arc<HashMap<String, String>>),
}

impl Environment {
    pub(crate) fn given(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self::Given(Arc::new(variables.into_iter().collect()))
    }

    /// The variable `name`; an empty one counts as unset.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        match self {
            Self::Process => std::env::var(name).ok(),
            Self::Given(variables) => variables.get(name).cloned(),
        }
        .filter(|value| !value.is_empty())
    }

    /// The variables whose name begins with `prefix`; empty ones count as unset.
    fn beginning_with(&self, prefix: &str) -> Vec<(String, String)> {
        let all = match self {
            Self::Process => std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            Self::Given(variables) => HashMap::clone(variables),
        };
        all.into_iter().filter(|(name, value)| name.starts_with(prefix) && !value.is_empty()).collect()
    }
}

/// The secrets that the environment has: contract 5.3. Read once, so that none of them is printed later.
#[derive(Debug, Clone, Default)]
pub(crate) struct SecretVariables {
    /// By the name of the variable, which begins with `KIKET_SECRET_`.
    named: HashMap<String, Secret>,
    /// By the key, which the manifest declares.
    declared: HashMap<String, Secret>,
}

impl SecretVariables {
    fn read(environment: &Environment, declared: &[Setting]) -> Self {
        let named = environment.beginning_with(SECRET_PREFIX).into_iter();
        let declared = declared.iter().filter_map(|setting| {
            Some((setting.key().to_owned(), Secret::new(environment.variable(setting.key())?)))
        });
        Self {
            named: named.map(|(name, value)| (name, Secret::new(value))).collect(),
            declared: declared.collect(),
        }
    }

    /// The secret `key`.
    pub(crate) fn find(&self, key: &str) -> Option<&Secret> {
        self.named.get(&secret_variable(key)).or_else(|| self.declared.get(key))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Secret> {
        self.named.values().chain(self.declared.values())
    }
}

/// What the variables of secrets begin with; contract 3.
const SECRET_PREFIX: &str = "KIKET_SECRET_";

/// The filter of the log, as `RUST_LOG` gives it.
pub(crate) fn log_filter() -> Option<String> {
    Environment::Process.variable("RUST_LOG")
}

/// What the builder was told, before anything else was asked.
#[derive(Default)]
pub(crate) struct Overrides {
    pub(crate) id: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) workspace_token: Option<Secret>,
    pub(crate) extension_api_key: Option<Secret>,
    pub(crate) base_url: Option<String>,
    pub(crate) allowed_base_urls: Vec<String>,
    pub(crate) telemetry_url: Option<String>,
    pub(crate) telemetry: Option<bool>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) dedupe_url: Option<Secret>,
    pub(crate) authentication: Option<Authentication>,
    pub(crate) settings: Vec<(String, Value)>,
}

/// Every configured value of an extension, from whichever layer it came.
///
/// `Debug` prints no secret.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) id: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) workspace_token: Option<Secret>,
    pub(crate) extension_api_key: Option<Secret>,
    pub(crate) base_url: BaseUrl,
    pub(crate) allowed_base_urls: Vec<BaseUrl>,
    pub(crate) telemetry_url: BaseUrl,
    pub(crate) telemetry: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Where deliveries are remembered; it may have a password in it.
    pub(crate) dedupe_url: Option<Secret>,
    pub(crate) authentication: Authentication,
    pub(crate) settings: Settings,
    pub(crate) secret_variables: SecretVariables,
}

/// Where an extension listens, unless somebody says otherwise; contract 3.
const ADDRESS: (&str, u16) = ("127.0.0.1", 8000);

/// What there is of a manifest.
#[derive(Clone, Copy)]
pub(crate) enum Declared<'m> {
    Nothing,
    By(&'m Manifest),
    /// There is one that cannot be used: what it would have said is not missed.
    Unreadable,
}

impl<'m> Declared<'m> {
    fn manifest(self) -> Option<&'m Manifest> {
        match self {
            Self::By(manifest) => Some(manifest),
            Self::Nothing | Self::Unreadable => None,
        }
    }
}

const AUTHENTICATION: &str = "KIKET_AUTHENTICATION";
const WEBHOOK_SECRET: &str = "KIKET_WEBHOOK_SECRET";
const WEBHOOK_SECRET_PREVIOUS: &str = "KIKET_WEBHOOK_SECRET_PREVIOUS";

impl Config {
    /// Layers the sources.
    pub(crate) fn layer(
        overrides: Overrides,
        environment: &Environment,
        declared: Declared<'_>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let manifest = declared.manifest();
        let variable = |name: &str| environment.variable(name);
        let token = |given: Option<Secret>, name: &str| given.or_else(|| variable(name).map(Secret::new));
        let authentication =
            overrides.authentication.unwrap_or_else(|| read_authentication(environment, &mut problems));
        let secrets = if authentication.takes_signatures() {
            webhook_secrets(overrides.secrets, environment, declared, &mut problems)
        } else {
            Vec::new()
        };
        let mut address = |given: Option<String>, name: &'static str, default: &dyn Fn() -> String| {
            let text = given.or_else(|| variable(name)).unwrap_or_else(default);
            text.parse().map_err(|invalid| problems.push(not_an_address(name, &text, invalid))).ok()
        };
        let base_url: Option<BaseUrl> =
            address(overrides.base_url, "KIKET_BASE_URL", &|| BaseUrl::kiket().to_string());
        let below = || format!("{}/api/v1/ext", base_url.clone().unwrap_or_else(BaseUrl::kiket));
        let telemetry_url = address(overrides.telemetry_url, "KIKET_SDK_TELEMETRY_URL", &below);
        let allowed_base_urls = overrides.allowed_base_urls.into_iter();
        let allowed_base_urls =
            allowed_base_urls.filter_map(|text| address(Some(text), "allowed_base_url", &String::new));
        let allowed_base_urls = allowed_base_urls.collect();
        let port = overrides.port.or_else(|| read_port(environment, &mut problems)).unwrap_or(ADDRESS.1);
        let text = |value: Option<&str>| value.map(str::to_owned);
        let (Some(base_url), Some(telemetry_url)) = (base_url, telemetry_url) else { return Err(problems) };
        let config = Self {
            id: overrides.id.or_else(|| text(manifest.and_then(Manifest::id))),
            version: overrides.version.or_else(|| text(manifest.and_then(Manifest::version))),
            secrets,
            workspace_token: token(overrides.workspace_token, "KIKET_WORKSPACE_TOKEN"),
            extension_api_key: token(overrides.extension_api_key, "KIKET_EXTENSION_API_KEY"),
            telemetry_url,
            base_url,
            allowed_base_urls,
            telemetry: overrides.telemetry.unwrap_or_else(|| !opted_out(environment)),
            host: overrides.host.or_else(|| variable("HOST")).unwrap_or_else(|| ADDRESS.0.into()),
            port,
            dedupe_url: token(overrides.dedupe_url, "KIKET_DEDUPE_URL"),
            authentication,
            settings: settings(overrides.settings, environment, settings_of(manifest)),
            secret_variables: SecretVariables::read(environment, settings_of(manifest)),
        };
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// The id of the extension.
    pub fn extension_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The version of the extension.
    pub fn extension_version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The live webhook secrets, the current one first.
    pub fn webhook_secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// The token of calls to Kiket.
    pub fn workspace_token(&self) -> Option<&Secret> {
        self.workspace_token.as_ref()
    }

    /// The key of calls below `/api/v1/ext`.
    pub fn extension_api_key(&self) -> Option<&Secret> {
        self.extension_api_key.as_ref()
    }

    /// Where Kiket is, without a slash at the end.
    pub fn base_url(&self) -> &str {
        self.base_url.as_str()
    }

    /// Where telemetry goes.
    pub fn telemetry_url(&self) -> &str {
        self.telemetry_url.as_str()
    }

    /// Whether telemetry goes anywhere.
    pub fn telemetry(&self) -> bool {
        self.telemetry
    }

    /// The name or address to listen on.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to listen on; 0 is any free one.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What proves that a delivery is Kiket's.
    pub fn authentication(&self) -> Authentication {
        self.authentication
    }

    /// The settings of the extension.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// The first layer that has a secret gives the current one; the variable for the overlap adds a second.
fn webhook_secrets(
    given: Vec<Secret>,
    environment: &Environment,
    declared: Declared<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Secret> {
    let variable = |name: &str| environment.variable(name);
    let reference = declared.manifest().and_then(Manifest::delivery_secret);
    let mut secrets: Vec<(Secret, Source<'_>)> =
        given.into_iter().map(|secret| (secret, Source::Builder)).collect();
    if secrets.is_empty() {
        let current =
            variable(WEBHOOK_SECRET).map(|text| (Secret::new(text), Source::Variable(WEBHOOK_SECRET)));
        secrets.extend(current.or_else(|| {
            let secret = reference?.resolve(&variable)?;
            Some((secret, Source::Manifest(reference?.place())))
        }));
    }
    if secrets.is_empty() && !matches!(declared, Declared::Unreadable) {
        problems.push(no_secret(declared.manifest()));
        return Vec::new();
    }
    if let Some(previous) = variable(WEBHOOK_SECRET_PREVIOUS) {
        secrets.push((Secret::new(previous), Source::Variable(WEBHOOK_SECRET_PREVIOUS)));
    }
    problems.extend(secrets.iter().filter_map(|(secret, source)| {
        UnusableSecret::find(secret).map(|unusable| source.problem(unusable))
    }));
    secrets.into_iter().map(|(secret, _)| secret).collect()
}

/// Where a secret came from, for whoever has to mend it.
enum Source<'m> {
    Builder,
    Variable(&'static str),
    Manifest(Option<&'m Place>),
}

impl Source<'_> {
    fn problem(&self, unusable: UnusableSecret) -> Problem {
        let (from, place) = match self {
            Self::Builder => ("the builder's `webhook_secret`".to_owned(), None),
            Self::Variable(name) => (format!("`{name}`"), None),
            Self::Manifest(place) => ("the manifest".to_owned(), *place),
        };
        let problem = Problem::new(format!("{unusable}; it comes from {from}"))
            .mend("give exactly the text that Kiket shows, without white space at its ends");
        match place {
            Some(place) => problem.at(place.clone()),
            None => problem,
        }
    }
}

fn no_secret(manifest: Option<&Manifest>) -> Problem {
    let reference = manifest.and_then(Manifest::delivery_secret);
    let names = reference.map(|reference| reference.names().collect::<Vec<_>>()).unwrap_or_default();
    let problem = if names.is_empty() {
        let file = manifest.map_or(Path::new("extension.yaml"), Manifest::path).display();
        Problem::new("there is no webhook secret, and nothing is accepted unsigned").mend(format!(
            "set `{WEBHOOK_SECRET}`, or write `delivery_secret: env:{WEBHOOK_SECRET}` into {file}"
        ))
    } else {
        let all = format!("`{}`", names.join("`, `"));
        let problem =
            Problem::new(format!("the manifest takes the webhook secret from {all}, which is not set"));
        if names.contains(&WEBHOOK_SECRET) {
            problem.mend(format!("set {all}"))
        } else {
            problem.mend(format!("set {all}, or `{WEBHOOK_SECRET}`"))
        }
    };
    match reference.and_then(Reference::place) {
        Some(place) => problem.at(place.clone()),
        None => problem,
    }
}

fn not_an_address(name: &str, text: &str, invalid: InvalidBaseUrl) -> Problem {
    // An address may have a password in it, which is what makes it none.
    let found = if text.contains('@') { String::new() } else { format!(", found `{text}`") };
    Problem::new(format!("`{name}` is not an address: {invalid}{found}"))
        .mend(format!("set `{name}` to the address alone"))
}

fn read_port(environment: &Environment, problems: &mut Vec<Problem>) -> Option<u16> {
    let text = environment.variable("PORT")?;
    let port = text.trim().parse().ok();
    if port.is_none() {
        let problem = Problem::new(format!("`PORT` is not a port: expected 0 to 65535, found `{text}`"));
        problems.push(problem.mend("set it to a number, or unset it to listen on 8000"));
    }
    port
}

fn settings_of(manifest: Option<&Manifest>) -> &[Setting] {
    manifest.map_or(&[], Manifest::settings)
}

fn read_authentication(environment: &Environment, problems: &mut Vec<Problem>) -> Authentication {
    let Some(text) = environment.variable(AUTHENTICATION) else { return Authentication::default() };
    text.parse().unwrap_or_else(|error| {
        let problem = Problem::new(format!("`{AUTHENTICATION}` is `{text}`, and {error}"));
        problems.push(problem.mend("set it to one of these, or unset it for `hmac`"));
        Authentication::default()
    })
}

fn opted_out(environment: &Environment) -> bool {
    environment
        .variable("KIKET_SDK_TELEMETRY_OPTOUT")
        .is_some_and(|text| ["1", "true", "yes", "on"].contains(&text.trim().to_ascii_lowercase().as_str()))
}

/// Manifest defaults, then variables for settings marked secret, then the builder.
fn settings(given: Vec<(String, Value)>, environment: &Environment, declared: &[Setting]) -> Settings {
    let mut settings = Settings::builder();
    for setting in declared {
        if !setting.is_secret() {
            match setting.default() {
                Some(value) => settings.plain(setting.key(), value.clone()),
                None => settings.unset(setting.key(), None),
            }
            continue;
        }
        let name = secret_variable(setting.key());
        let default = || setting.secret_default()?.resolve(&|name| environment.variable(name));
        match environment.variable(&name).map(Secret::new).or_else(default) {
            Some(secret) => settings.secret(setting.key(), secret),
            None => settings.unset(setting.key(), Some(name)),
        }
    }
    for (key, value) in given {
        let secret = declared.iter().any(|setting| setting.key() == key && setting.is_secret());
        match value {
            Value::String(text) if secret => settings.secret(&key, Secret::new(text)),
            value if secret => settings.secret(&key, Secret::new(value.to_string())),
            value => settings.plain(&key, value),
        }
    }
    settings.build()
}

/// The variable that fills a secret setting: `example.apiKey` is `KIKET_SECRET_EXAMPLE_APIKEY`; contract 3.
pub(crate) fn secret_variable(key: &str) -> String {
    let words = key.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(SECRET_PREFIX.trim_end_matches('_').to_owned(), |name, word| {
        name + "_" + &word.to_ascii_uppercase()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MANIFEST: &str = "
id: com.example.m
version: 1.0
delivery_secret: from_manifest
settings:
  - key: example.apiKey
    secret: true
  - key: TOKEN
    secret: true
    default: canary
  - key: MAX_RETRIES
    default: 3
  - key: OFF
    default: false
  - key: EMPTY
";

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::given(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())))
    }

    fn manifest(text: &str) -> Manifest {
        Manifest::parse(text, Path::new("extension.yaml")).unwrap()
    }

    fn secrets(config: &Config) -> Vec<&str> {
        config.secrets.iter().map(Secret::expose).collect()
    }

    #[test]
    fn the_first_layer_that_has_a_value_gives_it() {
        let manifest = manifest(MANIFEST);
        let nothing = environment(&[]);
        let some = environment(&[
            (WEBHOOK_SECRET, "from_env"),
            ("PORT", "9"),
            ("HOST", "h"),
            ("KIKET_BASE_URL", "http://b/"),
        ]);
        let given =
            || Overrides { secrets: vec![Secret::from("given")], port: Some(1), ..Overrides::default() };

        let config = Config::layer(Overrides::default(), &nothing, Declared::By(&manifest)).unwrap();
        assert_eq!(secrets(&config), ["from_manifest"]);
        assert_eq!((config.extension_id(), config.extension_version()), (Some("com.example.m"), Some("1.0")));
        assert_eq!((config.host(), config.port()), ("127.0.0.1", 8000));
        assert_eq!(config.telemetry_url(), "https://kiket.dev/api/v1/ext");

        let config = Config::layer(Overrides::default(), &some, Declared::By(&manifest)).unwrap();
        assert_eq!(secrets(&config), ["from_env"]);
        assert_eq!((config.host(), config.port()), ("h", 9));
        assert_eq!((config.base_url(), config.telemetry_url()), ("http://b", "http://b/api/v1/ext"));

        let config = Config::layer(given(), &some, Declared::By(&manifest)).unwrap();
        assert_eq!((secrets(&config), config.port()), (vec!["given"], 1));
    }

    #[test]
    fn the_previous_secret_stays_live() {
        let variables = [(WEBHOOK_SECRET, "new"), (WEBHOOK_SECRET_PREVIOUS, "old")];
        let config =
            Config::layer(Overrides::default(), &environment(&variables), Declared::Nothing).unwrap();
        assert_eq!(secrets(&config), ["new", "old"]);
    }

    #[test]
    fn empty_variables_count_as_unset() {
        let variables = [(WEBHOOK_SECRET, ""), ("PORT", ""), (WEBHOOK_SECRET_PREVIOUS, "")];
        let config =
            Config::layer(Overrides::default(), &environment(&variables), Declared::By(&manifest(MANIFEST)))
                .unwrap();
        assert_eq!((secrets(&config), config.port()), (vec!["from_manifest"], 8000));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_source_and_without_the_secret() {
        #[track_caller]
        fn check(variables: &[(&str, &str)], text: Option<&str>, expected: &[&str]) {
            let manifest = text.map(manifest);
            let declared = manifest.as_ref().map_or(Declared::Nothing, Declared::By);
            let problems =
                Config::layer(Overrides::default(), &environment(variables), declared).unwrap_err();
            let all = problems.iter().map(ToString::to_string).collect::<String>();
            for part in expected {
                assert!(all.contains(part), "{all}");
            }
            assert!(!all.contains("canary"), "{all}");
        }
        check(&[], None, &["there is no webhook secret", "set `KIKET_WEBHOOK_SECRET`"]);
        check(
            &[],
            Some("id: a\ndelivery_secret: env:NOT_THERE"),
            &["`NOT_THERE`, which is not set", "extension.yaml:2"],
        );
        check(&[(WEBHOOK_SECRET, " canary")], None, &["white space at an end", "`KIKET_WEBHOOK_SECRET`"]);
        check(
            &[(WEBHOOK_SECRET, "  "), (WEBHOOK_SECRET_PREVIOUS, "canary\n"), ("PORT", "http")],
            None,
            &[
                "is blank",
                "`KIKET_WEBHOOK_SECRET_PREVIOUS`",
                "`PORT` is not a port: expected 0 to 65535, found `http`",
            ],
        );
    }

    #[test]
    fn settings_keep_their_types_and_secrets_come_from_the_environment() {
        let variables = [("KIKET_SECRET_EXAMPLE_APIKEY", "hydrated"), ("KIKET_SECRET_MAX_RETRIES", "9")];
        let overrides = Overrides { settings: vec![("EXTRA".into(), json!(1))], ..Overrides::default() };
        let config =
            Config::layer(overrides, &environment(&variables), Declared::By(&manifest(MANIFEST))).unwrap();
        let settings = config.settings();
        assert_eq!(settings.secret("example.apiKey").map(Secret::expose), Some("hydrated"));
        assert_eq!(settings.secret("TOKEN").map(Secret::expose), Some("canary"));
        assert_eq!(settings.get("MAX_RETRIES"), Ok(json!(3)));
        assert_eq!(settings.get("OFF"), Ok(json!(false)));
        assert_eq!(settings.get("EMPTY"), Ok(None::<String>));
        assert_eq!(settings.get("EXTRA"), Ok(1));
        assert!(!format!("{config:?}").contains("canary"));
    }

    #[test]
    fn names_of_variables_follow_the_key() {
        for (key, name) in [
            ("API_KEY", "KIKET_SECRET_API_KEY"),
            ("example.apiKey", "KIKET_SECRET_EXAMPLE_APIKEY"),
            ("--a..b  c--", "KIKET_SECRET_A_B_C"),
        ] {
            assert_eq!(secret_variable(key), name);
        }
    }

    #[test]
    fn telemetry_is_on_unless_somebody_opts_out() {
        for (value, on) in
            [("1", false), ("TRUE", false), ("yes", false), ("on", false), ("0", true), ("", true)]
        {
            let environment = environment(&[(WEBHOOK_SECRET, "s"), ("KIKET_SDK_TELEMETRY_OPTOUT", value)]);
            let config = Config::layer(Overrides::default(), &environment, Declared::Nothing).unwrap();
            assert_eq!(config.telemetry(), on, "{value}");
        }
    }
}
