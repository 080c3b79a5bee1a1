//! The configuration: layers of values from the builder, the environment, the manifest and the defaults.

mod environment;
#[cfg(feature = "inbox")]
mod inbox;
mod judge;
mod layer;
mod secrets;
mod settings;

use serde_json::Value;

#[cfg(feature = "inbox")]
pub(crate) use self::inbox::{DEFAULT_INBOX, InboxConfig, InboxLayer};
#[cfg(feature = "internals")]
pub(crate) use self::layer::webhook_secret_file;
pub use self::settings::{SettingError, SettingErrorKind, Settings};
pub(crate) use self::{
    environment::{Environment, log_filter},
    judge::{Given, Use},
    layer::{
        BASE_URL, Layer, TELEMETRY_URL, address, default_version, metrics_address, namespace, no_secret,
    },
    secrets::secrets_of,
};
use self::{
    judge::{clear_text, doubtful_default},
    layer::unclear_optout,
    secrets::{SecretVariables, padded},
    settings::Entry,
};
pub use crate::types::Clock;
use crate::{
    error::{Findings, Problem, ProblemId},
    manifest::{Manifest, Reference, Setting},
    types::{Authentication, BaseUrl, EventVersion, ListenAddress, Secret},
};

/// The configuration of an extension: each value from the first layer that has it.
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
    /// The address of the listener of metrics.
    pub(crate) metrics: Option<ListenAddress>,
    /// The URL of the deduplication store, which may have a password.
    pub(crate) dedupe_url: Option<Secret>,
    /// The namespace of deliveries in the deduplication store.
    pub(crate) dedupe_namespace: Option<String>,
    pub(crate) authentication: Authentication,
    /// What a runtime token must be for: the number of the extension, and the audience.
    pub(crate) extension_number: Option<String>,
    pub(crate) token_audience: Option<String>,
    /// The version of deliveries that name none.
    pub(crate) default_version: Option<EventVersion>,
    pub(crate) settings: Settings,
    /// The settings that a variable gives, each with its name.
    pub(crate) settings_from: Vec<(String, String)>,
    pub(crate) warnings: Vec<Problem>,
}

/// There is a manifest, and it does not parse: that its values are missing is no further problem.
#[derive(Clone, Copy)]
pub(crate) struct Unreadable;

impl Config {
    /// Combines the layers: each value is that of the first layer that has it.
    ///
    /// # Errors
    ///
    /// Every value that does not parse, and a missing webhook secret.
    pub(crate) fn combine(
        builder: Layer,
        settings: Vec<(String, Value)>,
        environment: &Environment,
        manifest: Result<Option<&Manifest>, Unreadable>,
    ) -> Result<Self, Vec<Problem>> {
        let unreadable = manifest.is_err();
        let manifest = manifest.unwrap_or_default();
        let of_manifest = manifest.map(|manifest| Layer::manifest(manifest, environment)).unwrap_or_default();
        let values = builder.or(Layer::environment(environment)).or(of_manifest).or(Layer::defaults());

        let declared = manifest.map_or(&[][..], |manifest| &manifest.settings);
        let secret_variables = match values.auto_env_secrets {
            Some(false) => SecretVariables::off(),
            _ => SecretVariables::read(environment),
        };
        let plain: Vec<_> = declared.iter().filter_map(|setting| secret_variables.plain(setting)).collect();
        let mut found = Findings::default();
        found.problems.extend(not_utf8(environment, manifest, &plain));
        found.warnings.extend(padded(environment, plain.into_iter()));
        found.warnings.extend(declared.iter().filter_map(doubtful_default));
        found.warnings.extend(unclear_optout(environment).filter(|_| values.telemetry == Some(true)));
        let authentication = found.take(values.authentication.transpose()).unwrap_or_default();
        let secrets = values.webhook_secrets.map(|secrets| secrets.into_iter().chain(values.previous_secret));
        let secrets = match secrets {
            _ if !authentication.takes_signatures() => Vec::new(),
            Some(secrets) => secrets.filter_map(|secret| secret.take(&mut found)).collect(),
            None => {
                if !unreadable {
                    found.problems.push(no_secret(manifest));
                }
                Vec::new()
            }
        };
        let mut take = |given: Option<Given>| given?.take(&mut found);
        let [workspace_token, extension_api_key] =
            [values.workspace_token, values.extension_api_key].map(&mut take);
        let dedupe_url = take(values.dedupe_url);
        let [extension_number, token_audience] = [values.extension_number, values.token_audience]
            .map(|given| take(given).map(|text| text.expose().to_owned()));
        let default_version = found.take(values.default_version.transpose());
        let base_url = found.take(values.base_url.transpose());
        let base_url = base_url.map(|url| without_api_path(url, &mut found.warnings));
        let telemetry_url = values
            .telemetry_url
            .or_else(|| Some(address(TELEMETRY_URL, &format!("{}/api/v1/ext", base_url.as_ref()?))));
        let telemetry_url = found.take(telemetry_url.transpose());
        let allowed_base_urls = values.allowed_base_urls.into_iter().flatten();
        let allowed_base_urls: Vec<_> =
            allowed_base_urls.filter_map(|read| found.take(read.map(Some))).collect();
        let port = found.take(values.port.transpose());
        let metrics = found.take(values.metrics.transpose());
        let dedupe_namespace = found.take(values.dedupe_namespace.transpose());
        let Findings { problems, mut warnings } = found;
        let (Some(base_url), Some(telemetry_url), Some(port), true) =
            (base_url, telemetry_url, port, problems.is_empty())
        else {
            return Err(problems);
        };
        if workspace_token.is_some() || extension_api_key.is_some() || authentication.takes_tokens() {
            warnings.extend(
                [&base_url, &telemetry_url].into_iter().chain(&allowed_base_urls).find_map(clear_text),
            );
        }
        let (settings, settings_from) = combined_settings(settings, environment, secret_variables, declared);
        Ok(Self {
            id: values.id,
            version: values.version,
            secrets,
            workspace_token,
            extension_api_key,
            base_url,
            allowed_base_urls,
            telemetry_url,
            telemetry: values.telemetry.unwrap_or_default(),
            host: values.host.unwrap_or_default(),
            port,
            metrics,
            dedupe_url,
            dedupe_namespace,
            authentication,
            extension_number,
            token_audience,
            default_version,
            settings,
            settings_from,
            warnings,
        })
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

    /// The base URL of Kiket, without a slash at the end.
    pub fn base_url(&self) -> &str {
        self.base_url.as_str()
    }

    /// The URL that telemetry is sent to.
    pub fn telemetry_url(&self) -> &str {
        self.telemetry_url.as_str()
    }

    /// Whether telemetry is sent.
    pub fn telemetry(&self) -> bool {
        self.telemetry
    }

    /// The name or address to listen on.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to listen on; 0 is any free port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The mode of authentication.
    pub fn authentication(&self) -> Authentication {
        self.authentication
    }

    /// The settings of the extension.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// What is wrong or doubtful about the secrets that stand in a manifest.
pub(crate) fn judged(manifest: &Manifest) -> Findings {
    let mut found = Findings::default();
    found.warnings.extend(manifest.settings.iter().filter_map(doubtful_default));
    let secrets = Layer::manifest(manifest, &Environment::given([])).webhook_secrets;
    secrets.into_iter().flatten().for_each(|secret| drop(secret.take(&mut found)));
    found
}

/// The variables that kiket reads and that are not UTF-8.
fn not_utf8(
    environment: &Environment,
    manifest: Option<&Manifest>,
    plain: &[String],
) -> impl Iterator<Item = Problem> {
    let secret = manifest.and_then(|manifest| manifest.delivery_secret.as_ref());
    let defaults = manifest
        .map_or(&[][..], |manifest| &manifest.settings)
        .iter()
        .filter_map(|setting| setting.secret_default.as_ref());
    let referred: Vec<_> = secret.into_iter().chain(defaults).flat_map(Reference::names).collect();
    let are_read = |name: &str| {
        name.starts_with("KIKET_")
            || ["HOST", "PORT"].contains(&name)
            || referred.contains(&name)
            || plain.iter().any(|plain| plain == name)
    };
    environment.not_utf8(are_read).into_iter().map(|name| {
        Problem::new(ProblemId::NotUtf8, format!("`{name}` is not UTF-8"))
            .mend("set it to a text, encoded as UTF-8")
    })
}

/// The base URL without the path that every call adds (wire contract, base-url-api-path).
fn without_api_path(url: BaseUrl, warnings: &mut Vec<Problem>) -> BaseUrl {
    let Some(cut) = url.without_api_path() else { return url };
    let what = format!("the base URL ends with `/api/v1`, which every call adds: `{cut}` is used");
    warnings.push(Problem::new(ProblemId::ApiPath, what).mend(format!("set `{BASE_URL}` to `{cut}`")));
    cut
}

/// The settings: of the builder, else of a variable, else the default (wire contract, setting-lookup). With the variables
/// that were used.
fn combined_settings(
    given: Vec<(String, Value)>,
    environment: &Environment,
    variables: SecretVariables,
    declared: &[Setting],
) -> (Settings, Vec<(String, String)>) {
    let mut used = Vec::new();
    let undecided = declared.iter().filter(|setting| given.iter().all(|(key, _)| *key != setting.key));
    let of_manifest: Vec<_> = undecided
        .map(|setting| {
            let unset = || Entry::Unset(variables.advised(setting));
            let default = || match &setting.default {
                _ if setting.secret => {
                    let secret = setting.secret_default.as_ref()?.resolve(&|name| environment.variable(name));
                    secret.map(Entry::Secret)
                }
                value => Some(Entry::Plain(value.clone()?, setting.written.clone())),
            };
            let entry = match variables.of_setting(setting, environment) {
                Some((name, value)) => {
                    used.push((setting.key.clone(), name));
                    value.map_or_else(Entry::plain, Entry::Secret)
                }
                None => default().unwrap_or_else(unset),
            };
            (setting.key.clone(), entry)
        })
        .collect();
    let of_builder = given.into_iter().map(|(key, value)| {
        let secret = declared.iter().any(|setting| setting.key == key && setting.secret);
        let entry = match value {
            value if !secret => Entry::plain(value),
            Value::String(text) => Entry::Secret(Secret::new(text)),
            value => Entry::Secret(Secret::new(value.to_string())),
        };
        (key, entry)
    });
    (Settings::new(of_manifest.into_iter().chain(of_builder), variables), used)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::{
        layer::{WEBHOOK_SECRET, WEBHOOK_SECRET_PREVIOUS},
        *,
    };

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

    fn combined(
        builder: Layer,
        environment: &Environment,
        manifest: Option<&Manifest>,
    ) -> Result<Config, Vec<Problem>> {
        Config::combine(builder, Vec::new(), environment, Ok(manifest))
    }

    fn secrets(config: &Config) -> Vec<&str> {
        config.secrets.iter().map(Secret::expose).collect()
    }

    #[test]
    fn a_namespace_is_a_plain_word() {
        let read = |text: &str| {
            let environment = environment(&[(WEBHOOK_SECRET, "s3cret"), ("KIKET_DEDUPE_NAMESPACE", text)]);
            combined(Layer::default(), &environment, None).map(|config| config.dedupe_namespace)
        };
        assert_eq!(read("staging-2").unwrap().as_deref(), Some("staging-2"));
        assert_eq!(read("").unwrap(), None);
        for text in ["a/b", " ", "ä", "x".repeat(65).as_str()] {
            assert!(read(text).unwrap_err()[0].to_string().contains("like `staging`"), "{text}");
        }
        let layer = Layer { dedupe_namespace: Some(namespace("built")), ..Layer::default() };
        let environment = environment(&[(WEBHOOK_SECRET, "s3cret"), ("KIKET_DEDUPE_NAMESPACE", "/")]);
        let config = combined(layer, &environment, None).unwrap();
        assert_eq!(config.dedupe_namespace.as_deref(), Some("built"));
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
        let given = || {
            let mut layer = Layer { port: Some(Ok(1)), ..Layer::default() };
            layer.add_webhook_secret(Secret::from("given"));
            layer
        };

        let config = combined(Layer::default(), &nothing, Some(&manifest)).unwrap();
        assert_eq!(secrets(&config), ["from_manifest"]);
        assert_eq!((config.extension_id(), config.extension_version()), (Some("com.example.m"), Some("1.0")));
        assert_eq!((config.host(), config.port()), ("127.0.0.1", 8000));
        assert_eq!(config.telemetry_url(), "https://kiket.dev/api/v1/ext");

        let config = combined(Layer::default(), &some, Some(&manifest)).unwrap();
        assert_eq!(secrets(&config), ["from_env"]);
        assert_eq!((config.host(), config.port()), ("h", 9));
        assert_eq!((config.base_url(), config.telemetry_url()), ("http://b", "http://b/api/v1/ext"));

        let config = combined(given(), &some, Some(&manifest)).unwrap();
        assert_eq!((secrets(&config), config.port()), (vec!["given"], 1));
    }

    #[test]
    fn the_previous_secret_stays_live() {
        let variables = [(WEBHOOK_SECRET, "new"), (WEBHOOK_SECRET_PREVIOUS, "old")];
        let config = combined(Layer::default(), &environment(&variables), None).unwrap();
        assert_eq!(secrets(&config), ["new", "old"]);
    }

    #[test]
    fn empty_variables_count_as_unset() {
        let variables = [(WEBHOOK_SECRET, ""), ("PORT", ""), (WEBHOOK_SECRET_PREVIOUS, "")];
        let config = combined(Layer::default(), &environment(&variables), Some(&manifest(MANIFEST))).unwrap();
        assert_eq!((secrets(&config), config.port()), (vec!["from_manifest"], 8000));
    }

    #[test]
    fn problems_name_their_source_and_never_the_secret() {
        #[track_caller]
        fn check(variables: &[(&str, &str)], text: Option<&str>, expected: &[&str]) {
            let manifest = text.map(manifest);
            let problems =
                combined(Layer::default(), &environment(variables), manifest.as_ref()).unwrap_err();
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
            &["is blank", "`KIKET_WEBHOOK_SECRET_PREVIOUS`", "`PORT` is not a port: expected 0 to 65535"],
        );
    }

    #[test]
    fn a_value_that_is_refused_is_not_shown() {
        const VARIABLES: [&str; 10] = [
            "KIKET_AUTHENTICATION",
            "KIKET_BASE_URL",
            "KIKET_SDK_TELEMETRY_URL",
            "KIKET_DEFAULT_EVENT_VERSION",
            "KIKET_METRICS_ADDR",
            "KIKET_DEDUPE_NAMESPACE",
            "PORT",
            "KIKET_WORKSPACE_TOKEN_FILE",
            "KIKET_DEDUPE_URL_FILE",
            "KIKET_WEBHOOK_SECRET_PREVIOUS_FILE",
        ];
        for name in VARIABLES {
            for value in ["https://collector.example/in?api_key=canary", "sh/live canary"] {
                let text = texts(&configured(None, &[(name, value)]).unwrap_err());
                assert!(text.contains(&format!("`{name}`")) && !text.contains("canary"), "{text}");
            }
        }
        let refused = [
            address(BASE_URL, "https://kiket.example?key=canary").err(),
            metrics_address("metrics", "canary").err(),
            namespace("/canary").err(),
        ];
        let text = texts(&refused.into_iter().map(Option::unwrap).collect::<Vec<_>>());
        assert!(!text.contains("canary"), "{text}");
    }

    #[test]
    fn settings_keep_their_types_and_secrets_are_filled_in() {
        let variables = [("KIKET_SECRET_EXAMPLE_APIKEY", "hydrated"), ("KIKET_SECRET_MAX_RETRIES", "9")];
        let given = vec![("EXTRA".into(), json!(1))];
        let config =
            Config::combine(Layer::default(), given, &environment(&variables), Ok(Some(&manifest(MANIFEST))))
                .unwrap();
        let settings = config.settings();
        assert_eq!(settings.secret("example.apiKey").map(Secret::expose), Some("hydrated"));
        assert_eq!(settings.secret("TOKEN").map(Secret::expose), Some("canary"));
        assert_eq!(settings.get("MAX_RETRIES"), Ok(9));
        assert_eq!(settings.get("OFF"), Ok(json!(false)));
        assert_eq!(settings.get("EMPTY"), Ok(None::<String>));
        assert_eq!(settings.get("EXTRA"), Ok(1));
        assert!(!format!("{config:?}").contains("canary"));
    }

    #[test]
    fn telemetry_is_on_unless_opted_out() {
        for (value, on) in
            [("1", false), ("TRUE", false), ("yes", false), ("on", false), ("0", true), ("", true)]
        {
            let environment = environment(&[(WEBHOOK_SECRET, "s"), ("KIKET_SDK_TELEMETRY_OPTOUT", value)]);
            let config = combined(Layer::default(), &environment, None).unwrap();
            assert_eq!(config.telemetry(), on, "{value}");
            assert!(!texts(&config.warnings).contains("telemetry"), "{value}");
        }
        for value in ["ture", "y", " "] {
            let given = environment(&[(WEBHOOK_SECRET, "s"), ("KIKET_SDK_TELEMETRY_OPTOUT", value)]);
            let config = combined(Layer::default(), &given, None).unwrap();
            let text = texts(&config.warnings);
            assert!(config.telemetry() && text.contains("`KIKET_SDK_TELEMETRY_OPTOUT`"), "{value}: {text}");
            let off = Layer { telemetry: Some(false), ..Layer::default() };
            let config = combined(off, &given, None).unwrap();
            assert!(!texts(&config.warnings).contains("TELEMETRY"), "{value}");
        }
    }

    /// The configuration of `variables` beside a webhook secret.
    fn configured(manifest: Option<&Manifest>, variables: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
        let secret = [(WEBHOOK_SECRET, "0123456789abcdef")];
        combined(Layer::default(), &environment(&[&secret, variables].concat()), manifest)
    }

    fn texts(problems: &[Problem]) -> String {
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn settings_secret_and_the_check_see_one_value() {
        const DECLARED: &str = "
id: a
settings:
  - {key: region.name, required: true}
  - {key: ACCOUNT_SID, required: true, secret: true}
  - {key: KEPT, required: true, default: eu}
  - {key: OPTIONAL}
  - {key: HOME, required: true}
  - {key: RATIO, default: 1.10}
";
        #[track_caller]
        fn check(variables: &[(&str, &str)], key: &str, expected: Option<&str>, from: Option<&str>) {
            let manifest = manifest(DECLARED);
            let config = configured(Some(&manifest), variables).unwrap();
            assert_eq!(config.settings.get::<Option<String>>(key).unwrap().as_deref(), expected, "{key}");
            assert_eq!(config.settings.find(key).as_ref().map(Secret::expose), expected, "{key}");
            let used = config.settings_from.iter().find(|(used, _)| used == key);
            assert_eq!(used.map(|(_, variable)| &**variable), from, "{key}");
            if expected.is_none() {
                let advised = config.settings.variable(key).unwrap();
                let config = configured(Some(&manifest), &[(&advised, "advised")]).unwrap();
                assert_eq!(config.settings.get(key), Ok("advised".to_owned()), "{advised}");
            }
        }
        let all =
            [("KIKET_SECRET_REGION_NAME", "1"), ("KIKET_SETTING_REGION_NAME", "2"), ("REGION_NAME", "3")];
        for (skipped, value) in [(0, "1"), (1, "2"), (2, "3")] {
            check(&all[skipped..], "region.name", Some(value), Some(all[skipped].0));
        }
        check(&[("region.name", "x")], "region.name", None, None);
        check(&[("ACCOUNT_SID", "a1")], "ACCOUNT_SID", Some("a1"), Some("ACCOUNT_SID"));
        check(
            &[("KIKET_SETTING_ACCOUNT_SID", "a1")],
            "ACCOUNT_SID",
            Some("a1"),
            Some("KIKET_SETTING_ACCOUNT_SID"),
        );
        // Never the variable of a setting with a default, of one that need not be there, or of the process itself.
        check(&[("KEPT", "x")], "KEPT", Some("eu"), None);
        check(&[("KIKET_SETTING_KEPT", "us")], "KEPT", Some("us"), Some("KIKET_SETTING_KEPT"));
        check(&[("OPTIONAL", "x")], "OPTIONAL", None, None);
        check(&[("HOME", "/root")], "HOME", None, None);
        check(&[("KIKET_SETTING_HOME", "x")], "HOME", Some("x"), Some("KIKET_SETTING_HOME"));
        for name in [
            "PATH",
            "HOME",
            "USER",
            "HOST",
            "HOSTNAME",
            "PORT",
            "LANG",
            "TZ",
            "PWD",
            "SHELL",
            "TERM",
            "RUST_LOG",
            "KIKET_WORKSPACE_TOKEN",
            "KIKET_WEBHOOK_SECRET_PREVIOUS",
            "KIKET_BASE_URL",
            "KIKET_DEDUPE_NAMESPACE",
        ] {
            let of_others = manifest(&format!("settings: [{{ key: {name}, required: true, secret: true }}]"));
            let variables = [(name, "8000")].map(|(name, value)| {
                if name == "KIKET_BASE_URL" { (name, "http://127.0.0.1") } else { (name, value) }
            });
            let config = configured(Some(&of_others), &variables).unwrap();
            assert!(config.settings.find(name).is_none(), "{name}");
        }
        check(&[], "RATIO", Some("1.10"), None);
        // Of what nothing declares, a secret is found.
        let config = configured(None, &[("KIKET_SECRET_FREE", "f"), ("FREE", "x")]).unwrap();
        assert_eq!(config.settings.find("free").as_ref().map(Secret::expose), Some("f"));

        let given = vec![("ACCOUNT_SID".into(), json!("given")), ("KEPT".into(), json!(7))];
        let variables = environment(&[
            (WEBHOOK_SECRET, "s"),
            ("KIKET_SECRET_ACCOUNT_SID", "x"),
            ("KIKET_SETTING_KEPT", "x"),
        ]);
        let config =
            Config::combine(Layer::default(), given, &variables, Ok(Some(&manifest(DECLARED)))).unwrap();
        assert_eq!(config.settings.find("ACCOUNT_SID").as_ref().map(Secret::expose), Some("given"));
        assert_eq!(config.settings.find("KEPT").as_ref().map(Secret::expose), Some("7"));
        assert!(config.settings_from.is_empty());
    }

    #[test]
    fn the_plain_variable_of_a_secret_can_be_left_out() {
        let manifest = manifest("settings: [{key: A_KEY, secret: true}, {key: B, required: true}]");
        let builder = || {
            let mut layer = Layer { auto_env_secrets: Some(false), ..Layer::default() };
            layer.add_webhook_secret(Secret::from("s"));
            layer
        };
        let given = environment(&[("A_KEY", "x"), ("KIKET_SECRET_A_KEY", "x"), ("B", "b")]);
        let config = combined(builder(), &given, Some(&manifest)).unwrap();
        assert!(config.settings.find("A_KEY").is_none());
        assert_eq!(config.settings.get("B"), Ok("b".to_owned()));
        let config =
            combined(builder(), &environment(&[("KIKET_SETTING_A_KEY", "y")]), Some(&manifest)).unwrap();
        assert_eq!(config.settings.get("A_KEY"), Ok("y".to_owned()));
    }

    #[test]
    fn one_rule_judges_what_is_sent() {
        for name in [
            WEBHOOK_SECRET,
            WEBHOOK_SECRET_PREVIOUS,
            "KIKET_WORKSPACE_TOKEN",
            "KIKET_EXTENSION_API_KEY",
            "KIKET_DEDUPE_URL",
            "KIKET_EXTENSION_NUMBER",
            "KIKET_TOKEN_AUDIENCE",
        ] {
            for (value, reason) in [
                ("canary-0123456789\n", "white space at an end"),
                (" canary-0123456789", "white space at an end"),
                ("\u{a0}canary-0123456789", "white space at an end"),
                ("canary\n0123456789", "control character"),
                ("canary\u{0}0123456789", "control character"),
                (" \t", "is blank"),
                ("\u{feff}canary-0123456789", "an invisible character"),
                ("\u{200b}canary-0123456789", "an invisible character"),
                ("canary-0123456789\u{200d}", "an invisible character"),
                ("canary-0123456789\u{2060}", "an invisible character"),
                ("canary-\u{feff}0123456789", "an invisible character"),
            ] {
                let text = texts(&configured(None, &[(name, value)]).unwrap_err());
                assert!(
                    text.contains(reason) && text.contains(&format!("`{name}`")),
                    "{name} {value:?}: {text}"
                );
                assert!(!text.contains("canary"), "{text}");
            }
            for (value, reason) in [
                ("\"canary-0123456789\"", "quotes"),
                ("'canary-0123456789'", "quotes"),
                ("Bearer canary-0123456789", "`Bearer `"),
                ("bearer canary-0123456789", "`Bearer `"),
            ] {
                let text = texts(&configured(None, &[(name, value)]).unwrap().warnings);
                assert!(
                    text.contains(reason) && text.contains(&format!("`{name}`")),
                    "{name} {value:?}: {text}"
                );
                assert!(!text.contains("canary"), "{text}");
            }
            assert!(configured(None, &[(name, "canary-0123456789")]).unwrap().warnings.is_empty(), "{name}");
        }
        // A header carries ASCII; a key may be any text.
        assert!(configured(None, &[("KIKET_WORKSPACE_TOKEN", "cänary")]).is_err());
        for key in ["cänary-0123456789", "can\u{200d}ary-0123456789"] {
            assert!(configured(None, &[(WEBHOOK_SECRET, key)]).unwrap().warnings.is_empty());
        }
    }

    #[test]
    fn variables_that_are_not_utf8_are_named() {
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStringExt as _;
            let manifest = manifest(
                "delivery_secret: env:MY_HOOK\nsettings: [{key: SID, required: true}, {key: T, secret: true, default: 'env:MY_T'}]",
            );
            for name in [
                "KIKET_WORKSPACE_TOKEN",
                "KIKET_SECRET_X",
                "KIKET_SETTING_X",
                "HOST",
                "MY_HOOK",
                "SID",
                "T",
                "MY_T",
            ] {
                let bytes = std::ffi::OsString::from_vec(b"can\xffary".to_vec());
                let good = (WEBHOOK_SECRET.to_owned(), "0123456789abcdef".into());
                let given = Environment::Given(
                    [good, (name.to_owned(), bytes)]
                        .into_iter()
                        .collect::<std::collections::HashMap<_, _>>()
                        .into(),
                );
                let text = texts(&combined(Layer::default(), &given, Some(&manifest)).unwrap_err());
                assert!(text.contains(&format!("`{name}` is not UTF-8")) && !text.contains("ary"), "{text}");
            }
        }
    }

    #[test]
    fn values_for_handlers_may_be_any_text_but_padded() {
        let manifest = manifest("settings: [{key: SID, required: true}]");
        for name in ["KIKET_SECRET_API_KEY", "KIKET_SETTING_SID", "SID"] {
            for (value, warned) in [
                ("canary\n", true),
                (" canary", true),
                ("canary\r\n", true),
                ("canary", false),
                ("a b", false),
                ("-----BEGIN KEY-----\ncanary\n-----END KEY-----\n", false),
                ("\"canary\"", false),
            ] {
                let config = configured(Some(&manifest), &[(name, value)]).unwrap();
                let text = texts(&config.warnings);
                assert_eq!(
                    text.contains(&format!("`{name}` has white space")),
                    warned,
                    "{name} {value:?} {text}"
                );
                assert!(!text.contains("canary"), "{text}");
            }
        }
    }

    #[test]
    fn a_secret_that_is_public_is_refused() {
        #[track_caller]
        fn check(value: &str, usable_in_manifest: bool, usable_as_variable: bool) {
            let text = format!("id: a\ncallback: {{ secret: '{value}' }}");
            let in_manifest = combined(Layer::default(), &environment(&[]), Some(&manifest(&text)));
            assert_eq!(in_manifest.is_ok(), usable_in_manifest, "{value}");
            let as_variable = combined(Layer::default(), &environment(&[(WEBHOOK_SECRET, value)]), None);
            assert_eq!(as_variable.is_ok(), usable_as_variable, "{value}");
            let problems =
                in_manifest.err().into_iter().chain(as_variable.err()).flatten().collect::<Vec<_>>();
            assert!(
                !texts(&problems).contains(&format!("`{value}`")) || value.contains("KIKET"),
                "{problems:?}"
            );
        }
        check("KIKET_WEBHOOK_SECRET", false, true);
        check("MAIL_HOOK_2", false, true);
        for public in [
            "your-webhook-secret",
            "YOUR_SECRET_HERE",
            "changeme",
            "Change-Me-Please",
            "<secret>",
            "xxxxxxxx",
        ] {
            check(public, false, false);
        }
        for reference in ["${SECRET", "env:", "env:MY_SECRET", "$(SECRET)", "{{ secret }}", "${SECRET}"] {
            assert!(
                combined(Layer::default(), &environment(&[(WEBHOOK_SECRET, reference)]), None).is_err()
                    || reference == "${SECRET",
                "{reference}"
            );
        }
        for secret in ["sh_0123456789abcdef", "WHSEC0123456789ABCDEF", "a_b_c_d_e_f_g_h_i"] {
            check(secret, true, true);
        }
        let manifest = manifest("delivery_secret: KIKET_WEBHOOK_SECRET");
        let text = texts(&combined(Layer::default(), &environment(&[]), Some(&manifest)).unwrap_err());
        assert!(text.contains("env:KIKET_WEBHOOK_SECRET") && text.contains("extension.yaml:1:18"), "{text}");
    }

    #[test]
    fn doubtful_secrets_are_warnings() {
        let short = configured(None, &[(WEBHOOK_SECRET, "canary")]).unwrap();
        assert!(texts(&short.warnings).contains("fewer than 16 bytes"));
        assert!(!texts(&short.warnings).contains("canary"));
        for default in ["MAIL_TOKEN", "your-token", "<token>"] {
            let manifest = manifest(&format!("settings: [{{key: A, secret: true, default: {default}}}]"));
            let config = configured(Some(&manifest), &[]).unwrap();
            assert!(texts(&config.warnings).contains("the default of the secret `A`"), "{default}");
        }
        let manifest = manifest("settings: [{key: A, secret: true, default: 'env:MAIL_TOKEN'}]");
        assert!(configured(Some(&manifest), &[("MAIL_TOKEN", "CAN_ARY")]).unwrap().warnings.is_empty());
    }

    #[test]
    fn secrets_come_from_files_as_well() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path.to_str().unwrap().to_owned()
        };
        for (bytes, expected) in [
            (&b"canary-0123456789\n"[..], Some("canary-0123456789")),
            (b"canary-0123456789\r\n", Some("canary-0123456789")),
            (b"canary-0123456789", Some("canary-0123456789")),
            (b"canary-0123456789\n\n", None),
            (b"\xef\xbb\xbfcanary-0123456789\n", None),
            (b" canary-0123456789", None),
            (b"", None),
            (b"can\xffary", None),
            (&vec![b'x'; 65 * 1024], None),
        ] {
            let path = file("secret", bytes);
            for name in [
                WEBHOOK_SECRET,
                WEBHOOK_SECRET_PREVIOUS,
                "KIKET_WORKSPACE_TOKEN",
                "KIKET_EXTENSION_API_KEY",
                "KIKET_DEDUPE_URL",
            ] {
                let variable = format!("{name}_FILE");
                let mut variables = vec![(&*variable, &*path)];
                if name != WEBHOOK_SECRET {
                    variables.push((WEBHOOK_SECRET, "0123456789abcdef"));
                }
                match (combined(Layer::default(), &environment(&variables), None), expected) {
                    (Ok(config), Some(expected)) => {
                        let optional =
                            [&config.workspace_token, &config.extension_api_key, &config.dedupe_url];
                        let mut all = config.secrets.iter().chain(optional.into_iter().flatten());
                        assert!(all.any(|secret| secret.expose() == expected), "{name}");
                    }
                    (Err(problems), None) => {
                        let text = texts(&problems);
                        assert!(
                            text.contains(&format!("`{variable}`")) && !text.contains("canary"),
                            "{text}"
                        );
                    }
                    (other, _) => panic!("{name} {bytes:?} {other:?}"),
                }
            }
        }
        let path = file("secret", b"canary");
        for variables in [
            [("KIKET_WORKSPACE_TOKEN_FILE", "/nowhere"), ("A", "")],
            [("KIKET_WORKSPACE_TOKEN_FILE", "/dev/zero"), ("A", "")],
            [("KIKET_WORKSPACE_TOKEN_FILE", &path), ("KIKET_WORKSPACE_TOKEN", "x")],
        ] {
            let text = texts(&configured(None, &variables).unwrap_err());
            assert!(text.contains("`KIKET_WORKSPACE_TOKEN_FILE`"), "{text}");
        }
    }

    #[test]
    fn a_base_url_is_cut_and_clear_text_is_reported() {
        let config = configured(None, &[("KIKET_BASE_URL", "http://127.0.0.1:1/x/api/v1/")]).unwrap();
        assert_eq!(
            (config.base_url(), config.telemetry_url()),
            ("http://127.0.0.1:1/x", "http://127.0.0.1:1/x/api/v1/ext")
        );
        assert!(texts(&config.warnings).contains("`http://127.0.0.1:1/x` is used"));
        let url = ("KIKET_BASE_URL", "http://kiket.example");
        for (variables, warned) in [
            (vec![url, ("KIKET_WORKSPACE_TOKEN", "t")], true),
            (vec![url, ("KIKET_EXTENSION_API_KEY", "t")], true),
            (vec![url, ("KIKET_AUTHENTICATION", "both")], true),
            (vec![url], false),
            (vec![("KIKET_BASE_URL", "http://localhost:1"), ("KIKET_WORKSPACE_TOKEN", "t")], false),
            (vec![("KIKET_WORKSPACE_TOKEN", "t")], false),
            (vec![("KIKET_SDK_TELEMETRY_URL", "http://t.example"), ("KIKET_WORKSPACE_TOKEN", "t")], true),
        ] {
            let config = configured(None, &variables).unwrap();
            assert_eq!(texts(&config.warnings).contains("in clear"), warned, "{variables:?}");
        }
    }

    #[test]
    fn secrets_of_the_environment_can_be_left_out() {
        const DECLARED: &str = "
id: com.example.m
delivery_secret: from_manifest
settings:
  - {key: API_KEY, secret: true}
  - {key: TOKEN, secret: true, default: \"env:PROVIDER_TOKEN\"}
  - {key: PLAIN, default: 1}
";
        let variables =
            [("KIKET_SECRET_API_KEY", "canary"), ("API_KEY", "canary"), ("PROVIDER_TOKEN", "named")];
        let config = |auto_env_secrets| {
            let builder = Layer { auto_env_secrets, ..Layer::default() };
            combined(builder, &environment(&variables), Some(&manifest(DECLARED))).unwrap()
        };
        for on in [None, Some(true)] {
            let config = config(on);
            assert_eq!(config.settings().secret("API_KEY").map(Secret::expose), Some("canary"));
            assert_eq!(config.settings.find("API_KEY").as_ref().map(Secret::expose), Some("canary"));
        }
        let config = config(Some(false));
        assert!(config.settings().secret("API_KEY").is_none());
        assert!(config.settings.find("API_KEY").is_none());
        assert!(config.settings.secrets().all(|secret| secret.expose() != "canary"));
        // A variable that the manifest names is still read.
        assert_eq!(config.settings().secret("TOKEN").map(Secret::expose), Some("named"));
        assert_eq!(config.settings().get("PLAIN"), Ok(1));
        let error = config.settings().get::<String>("API_KEY").unwrap_err();
        assert!(!error.to_string().contains("KIKET_SECRET"), "{error}");
    }
}
