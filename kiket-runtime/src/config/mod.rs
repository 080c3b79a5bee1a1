//! The configuration: layers of values from the builder, the environment, the manifest and the defaults.

mod environment;
mod layer;
mod secrets;
mod settings;

use serde_json::Value;

pub use self::settings::{SettingError, Settings};
pub(crate) use self::{
    environment::{Environment, log_filter},
    layer::{BASE_URL, Layer, TELEMETRY_URL, address, namespace},
    secrets::SecretVariables,
};
use self::{
    layer::{Read, no_secret},
    settings::Entry,
};
pub use crate::types::Clock;
use crate::{
    error::Problem,
    manifest::{Manifest, Setting},
    types::{Authentication, BaseUrl, Secret},
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
    /// The URL of the deduplication store, which may have a password.
    pub(crate) dedupe_url: Option<Secret>,
    /// The namespace of deliveries in the deduplication store.
    pub(crate) dedupe_namespace: Option<String>,
    pub(crate) authentication: Authentication,
    pub(crate) settings: Settings,
    pub(crate) secret_variables: SecretVariables,
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

        let mut problems = Vec::new();
        let authentication = values.authentication.and_then(|read| value_of(read, &mut problems));
        let authentication = authentication.unwrap_or_default();
        let secrets = values.webhook_secrets.map(|secrets| secrets.into_iter().chain(values.previous_secret));
        let secrets = match secrets {
            _ if !authentication.takes_signatures() => Vec::new(),
            Some(secrets) => secrets.filter_map(|secret| value_of(secret, &mut problems)).collect(),
            None => {
                if !unreadable {
                    problems.push(no_secret(manifest));
                }
                Vec::new()
            }
        };
        let base_url = values.base_url.and_then(|read| value_of(read, &mut problems));
        let telemetry_url = values
            .telemetry_url
            .or_else(|| Some(address(TELEMETRY_URL, &format!("{}/api/v1/ext", base_url.as_ref()?))));
        let telemetry_url = telemetry_url.and_then(|read| value_of(read, &mut problems));
        let allowed_base_urls = values.allowed_base_urls.into_iter().flatten();
        let allowed_base_urls = allowed_base_urls.filter_map(|read| value_of(read, &mut problems)).collect();
        let port = values.port.and_then(|read| value_of(read, &mut problems));
        let dedupe_namespace = values.dedupe_namespace.and_then(|read| value_of(read, &mut problems));
        let (Some(base_url), Some(telemetry_url), Some(port), true) =
            (base_url, telemetry_url, port, problems.is_empty())
        else {
            return Err(problems);
        };
        let declared = manifest.map_or(&[][..], Manifest::settings);
        let secret_variables = match values.auto_env_secrets {
            Some(false) => SecretVariables::off(),
            _ => SecretVariables::read(environment, declared),
        };
        Ok(Self {
            id: values.id,
            version: values.version,
            secrets,
            workspace_token: values.workspace_token,
            extension_api_key: values.extension_api_key,
            base_url,
            allowed_base_urls,
            telemetry_url,
            telemetry: values.telemetry.unwrap_or_default(),
            host: values.host.unwrap_or_default(),
            port,
            dedupe_url: values.dedupe_url,
            dedupe_namespace,
            authentication,
            settings: combined_settings(settings, environment, &secret_variables, declared),
            secret_variables,
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

/// The value; a problem is added to `problems`.
fn value_of<T>(read: Read<T>, problems: &mut Vec<Problem>) -> Option<T> {
    read.map_err(|problem| problems.push(problem)).ok()
}

/// The settings: defaults of the manifest, then the variables of secrets, then the builder.
fn combined_settings(
    given: Vec<(String, Value)>,
    environment: &Environment,
    variables: &SecretVariables,
    declared: &[Setting],
) -> Settings {
    let of_manifest = declared.iter().map(|setting| {
        let key = setting.key();
        let entry = if setting.is_secret() {
            let default = || setting.secret_default()?.resolve(&|name| environment.variable(name));
            let secret = variables.of_setting(key).cloned().or_else(default);
            secret.map_or_else(|| Entry::Unset(variables.variable(key)), Entry::Secret)
        } else {
            setting.default().map_or(Entry::Unset(None), |value| Entry::Plain(value.clone()))
        };
        (key.to_owned(), entry)
    });
    let of_builder = given.into_iter().map(|(key, value)| {
        let secret = declared.iter().any(|setting| setting.key() == key && setting.is_secret());
        let entry = match value {
            value if !secret => Entry::Plain(value),
            Value::String(text) => Entry::Secret(Secret::new(text)),
            value => Entry::Secret(Secret::new(value.to_string())),
        };
        (key, entry)
    });
    Settings::new(of_manifest.chain(of_builder))
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
            &[
                "is blank",
                "`KIKET_WEBHOOK_SECRET_PREVIOUS`",
                "`PORT` is not a port: expected 0 to 65535, found `http`",
            ],
        );
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
        assert_eq!(settings.get("MAX_RETRIES"), Ok(json!(3)));
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
            assert_eq!(config.secret_variables.find("API_KEY").map(Secret::expose), Some("canary"));
            assert_eq!(config.secret_variables.all().count(), 2);
        }
        let config = config(Some(false));
        assert!(config.settings().secret("API_KEY").is_none());
        assert!(config.secret_variables.find("API_KEY").is_none());
        assert_eq!(config.secret_variables.all().count(), 0);
        // A variable that the manifest names is still read.
        assert_eq!(config.settings().secret("TOKEN").map(Secret::expose), Some("named"));
        assert_eq!(config.settings().get("PLAIN"), Ok(1));
        let error = config.settings().get::<String>("API_KEY").unwrap_err();
        assert!(!error.to_string().contains("KIKET_SECRET"), "{error}");
    }
}
