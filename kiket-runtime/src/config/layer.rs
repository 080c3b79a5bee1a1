//! The values of one source: the builder, the environment, the manifest, or the defaults.

use std::path::Path;

use crate::{
    config::environment::Environment,
    error::{Place, Problem},
    manifest::{Manifest, Reference},
    types::{Authentication, BaseUrl, Secret, SecretError},
};

/// The values of one source. A value that does not parse is a problem, which counts only if no layer above has the value.
#[derive(Default)]
pub(crate) struct Layer {
    pub(crate) id: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) authentication: Option<Read<Authentication>>,
    /// The live secrets, the current one first.
    pub(crate) webhook_secrets: Option<Vec<Read<Secret>>>,
    /// The previous secret, while Kiket may still sign with it. It follows the live secrets of any layer.
    pub(crate) previous_secret: Option<Read<Secret>>,
    pub(crate) workspace_token: Option<Secret>,
    pub(crate) extension_api_key: Option<Secret>,
    pub(crate) base_url: Option<Read<BaseUrl>>,
    pub(crate) allowed_base_urls: Option<Vec<Read<BaseUrl>>>,
    pub(crate) telemetry_url: Option<Read<BaseUrl>>,
    pub(crate) telemetry: Option<bool>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<Read<u16>>,
    /// It may have a password.
    pub(crate) dedupe_url: Option<Secret>,
    pub(crate) dedupe_namespace: Option<Read<String>>,
    pub(crate) auto_env_secrets: Option<bool>,
}

/// A value, or the problem of its text.
pub(crate) type Read<T> = Result<T, Problem>;

pub(super) const WEBHOOK_SECRET: &str = "KIKET_WEBHOOK_SECRET";
pub(super) const WEBHOOK_SECRET_PREVIOUS: &str = "KIKET_WEBHOOK_SECRET_PREVIOUS";

impl Layer {
    /// The values of this layer, and of `below` where this one has none.
    pub(super) fn or(self, below: Self) -> Self {
        Self {
            id: self.id.or(below.id),
            version: self.version.or(below.version),
            authentication: self.authentication.or(below.authentication),
            webhook_secrets: self.webhook_secrets.or(below.webhook_secrets),
            previous_secret: self.previous_secret.or(below.previous_secret),
            workspace_token: self.workspace_token.or(below.workspace_token),
            extension_api_key: self.extension_api_key.or(below.extension_api_key),
            base_url: self.base_url.or(below.base_url),
            allowed_base_urls: self.allowed_base_urls.or(below.allowed_base_urls),
            telemetry_url: self.telemetry_url.or(below.telemetry_url),
            telemetry: self.telemetry.or(below.telemetry),
            host: self.host.or(below.host),
            port: self.port.or(below.port),
            dedupe_url: self.dedupe_url.or(below.dedupe_url),
            dedupe_namespace: self.dedupe_namespace.or(below.dedupe_namespace),
            auto_env_secrets: self.auto_env_secrets.or(below.auto_env_secrets),
        }
    }

    /// The layer of the environment.
    pub(super) fn environment(environment: &Environment) -> Self {
        let variable = |name: &str| environment.variable(name);
        let hidden = |name: &str| variable(name).map(Secret::new);
        let secret = |name: &str| hidden(name).map(|secret| usable(secret, &format!("`{name}`"), None));
        Self {
            authentication: variable(AUTHENTICATION).map(|text| authentication(&text)),
            webhook_secrets: secret(WEBHOOK_SECRET).map(|secret| vec![secret]),
            previous_secret: secret(WEBHOOK_SECRET_PREVIOUS),
            workspace_token: hidden("KIKET_WORKSPACE_TOKEN"),
            extension_api_key: hidden("KIKET_EXTENSION_API_KEY"),
            base_url: variable(BASE_URL).map(|text| address(BASE_URL, &text)),
            telemetry_url: variable(TELEMETRY_URL).map(|text| address(TELEMETRY_URL, &text)),
            telemetry: variable("KIKET_SDK_TELEMETRY_OPTOUT").map(|text| !opts_out(&text)),
            host: variable("HOST"),
            port: variable("PORT").map(|text| port(&text)),
            dedupe_url: hidden("KIKET_DEDUPE_URL"),
            dedupe_namespace: variable(DEDUPE_NAMESPACE).map(|text| namespace(&text)),
            ..Self::default()
        }
    }

    /// The layer of the manifest; its references are looked up in the environment.
    pub(super) fn manifest(manifest: &Manifest, environment: &Environment) -> Self {
        let secret = manifest.delivery_secret().and_then(|reference| {
            let secret = reference.resolve(&|name| environment.variable(name))?;
            Some(vec![usable(secret, "the manifest", reference.place())])
        });
        Self {
            id: manifest.id().map(str::to_owned),
            version: manifest.version().map(str::to_owned),
            webhook_secrets: secret,
            ..Self::default()
        }
    }

    /// The layer of the defaults. The default telemetry URL depends on the base URL.
    pub(super) fn defaults() -> Self {
        Self {
            authentication: Some(Ok(Authentication::default())),
            base_url: Some(Ok(BaseUrl::kiket())),
            telemetry: Some(true),
            host: Some("127.0.0.1".to_owned()),
            port: Some(Ok(8000)),
            auto_env_secrets: Some(true),
            ..Self::default()
        }
    }

    /// Adds a live webhook secret of the builder.
    pub(crate) fn add_webhook_secret(&mut self, secret: Secret) {
        self.webhook_secrets.get_or_insert_default().push(usable(
            secret,
            "the builder's `webhook_secret`",
            None,
        ));
    }
}

const AUTHENTICATION: &str = "KIKET_AUTHENTICATION";
const DEDUPE_NAMESPACE: &str = "KIKET_DEDUPE_NAMESPACE";
pub(crate) const BASE_URL: &str = "KIKET_BASE_URL";
pub(crate) const TELEMETRY_URL: &str = "KIKET_SDK_TELEMETRY_URL";

/// The secret, if it can be used. `source` and `place` are where it comes from.
fn usable(secret: Secret, source: &str, place: Option<&Place>) -> Read<Secret> {
    let Err(unusable) = SecretError::check(&secret) else { return Ok(secret) };
    Err(Problem::new(format!("{unusable}; it comes from {source}"))
        .at(place.cloned())
        .mend("give exactly the text that Kiket shows, without white space at its ends"))
}

/// The problem of an extension without a webhook secret.
pub(super) fn no_secret(manifest: Option<&Manifest>) -> Problem {
    let reference = manifest.and_then(Manifest::delivery_secret);
    let names = reference.map(|reference| reference.names().collect::<Vec<_>>()).unwrap_or_default();
    let problem = if names.is_empty() {
        let file = manifest.map_or(Path::new("extension.yaml"), Manifest::path).display();
        Problem::new("there is no webhook secret, and nothing is accepted unsigned").mend(format!(
            "set `{WEBHOOK_SECRET}`, or write `delivery_secret: env:{WEBHOOK_SECRET}` into {file}"
        ))
    } else {
        let all = format!("`{}`", names.join("`, `"));
        let or = if names.contains(&WEBHOOK_SECRET) { "" } else { ", or `KIKET_WEBHOOK_SECRET`" };
        Problem::new(format!("the manifest takes the webhook secret from {all}, which is not set"))
            .mend(format!("set {all}{or}"))
    };
    problem.at(reference.and_then(Reference::place).cloned())
}

fn authentication(text: &str) -> Read<Authentication> {
    text.parse().map_err(|error| {
        Problem::new(format!("`{AUTHENTICATION}` is `{text}`, and {error}"))
            .mend("set it to one of these, or unset it for `hmac`")
    })
}

pub(crate) fn address(name: &str, text: &str) -> Read<BaseUrl> {
    text.parse().map_err(|invalid| {
        // It may be invalid because it has a password.
        let found = if text.contains('@') { String::new() } else { format!(", found `{text}`") };
        Problem::new(format!("`{name}` is not an address: {invalid}{found}"))
            .mend(format!("set `{name}` to the address alone"))
    })
}

fn port(text: &str) -> Read<u16> {
    text.trim().parse().map_err(|_| {
        Problem::new(format!("`PORT` is not a port: expected 0 to 65535, found `{text}`"))
            .mend("set it to a number, or unset it to listen on 8000")
    })
}

/// A namespace of deliveries, as `KIKET_DEDUPE_NAMESPACE` has it.
pub(crate) fn namespace(text: &str) -> Read<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(Problem::new(format!("`{DEDUPE_NAMESPACE}` is no namespace, found `{text}`"))
        .mend("write 1 to 64 letters, digits, `.`, `_` and `-`, like `staging`"))
}

fn opts_out(text: &str) -> bool {
    ["1", "true", "yes", "on"].contains(&text.trim().to_ascii_lowercase().as_str())
}
