//! The values of one source: the builder, the environment, the manifest, or the defaults.

use std::{fmt::Display, path::Path, str::FromStr};

use crate::{
    config::{
        environment::Environment,
        judge::{Given, Read, Use, is_like_a_variable},
    },
    error::{Problem, ProblemId},
    manifest::{Manifest, Reference, read_regular},
    types::{Authentication, BaseUrl, EventVersion, ListenAddress, Secret},
};

/// A layer: each value is there or absent, and absent values are those of the layer below.
macro_rules! layer {
    ($(#[$about:meta])* $layer:ident { $($(#[$doc:meta])* $field:ident: $value:ty,)* }) => {
        $(#[$about])*
        #[derive(Default)]
        pub(crate) struct $layer {
            $($(#[$doc])* pub(crate) $field: Option<$value>,)*
        }

        impl $layer {
            /// The values of this layer, and of `below` where this one has none.
            pub(crate) fn or(self, below: Self) -> Self {
                Self { $($field: self.$field.or(below.$field),)* }
            }
        }
    };
}

layer! {
    /// The values of one source. A value that does not parse is a problem, which counts only if no layer above has the value.
    Layer {
        id: String,
        version: String,
        authentication: Read<Authentication>,
        /// The live secrets, the current one first.
        webhook_secrets: Vec<Given>,
        /// The previous secret, while Kiket may still sign with it. It follows the live secrets of any layer.
        previous_secret: Given,
        workspace_token: Given,
        extension_api_key: Given,
        extension_number: Given,
        token_audience: Given,
        default_version: Read<EventVersion>,
        base_url: Read<BaseUrl>,
        allowed_base_urls: Vec<Read<BaseUrl>>,
        telemetry_url: Read<BaseUrl>,
        telemetry: bool,
        host: String,
        port: Read<u16>,
        metrics: Read<ListenAddress>,
        /// It may have a password.
        dedupe_url: Given,
        dedupe_namespace: Read<String>,
        auto_env_secrets: bool,
    }
}

pub(super) const WEBHOOK_SECRET: &str = "KIKET_WEBHOOK_SECRET";
pub(super) const WEBHOOK_SECRET_PREVIOUS: &str = "KIKET_WEBHOOK_SECRET_PREVIOUS";

impl Layer {
    /// The layer of the environment.
    pub(crate) fn environment(environment: &Environment) -> Self {
        let variable = |name: &str| environment.variable(name);
        let hidden = |name, usage| secret_variable(environment, name, usage);
        let text = |name: &str| {
            Some(Given::new(Secret::new(variable(name)?), &format!("`{name}`"), None, Use::Text))
        };
        Self {
            authentication: variable(AUTHENTICATION).map(|text| authentication(&text)),
            webhook_secrets: hidden(WEBHOOK_SECRET, Use::WrittenKey).map(|secret| vec![secret]),
            previous_secret: hidden(WEBHOOK_SECRET_PREVIOUS, Use::WrittenKey),
            workspace_token: hidden("KIKET_WORKSPACE_TOKEN", Use::Header),
            extension_api_key: hidden("KIKET_EXTENSION_API_KEY", Use::Header),
            extension_number: text("KIKET_EXTENSION_NUMBER"),
            token_audience: text("KIKET_TOKEN_AUDIENCE"),
            default_version: variable(DEFAULT_VERSION).map(|text| default_version(DEFAULT_VERSION, &text)),
            base_url: variable(BASE_URL).map(|text| address(BASE_URL, &text)),
            telemetry_url: variable(TELEMETRY_URL).map(|text| address(TELEMETRY_URL, &text)),
            telemetry: variable(TELEMETRY_OPTOUT).map(|text| !says_yes(&text)),
            host: variable("HOST"),
            port: variable("PORT").map(|text| port(&text)),
            metrics: variable(METRICS).map(|text| metrics_address(METRICS, &text)),
            dedupe_url: hidden("KIKET_DEDUPE_URL", Use::Text),
            dedupe_namespace: variable(DEDUPE_NAMESPACE).map(|text| namespace(&text)),
            ..Self::default()
        }
    }

    /// The layer of the manifest; its references are looked up in the environment.
    pub(crate) fn manifest(manifest: &Manifest, environment: &Environment) -> Self {
        let secret = manifest.delivery_secret.as_ref().and_then(|reference| {
            let secret = reference.resolve(&|name| environment.variable(name))?;
            let literal = reference.names().next().is_none();
            if literal && is_like_a_variable(secret.expose()) {
                return Some(vec![Err(lost_reference(reference)).into()]);
            }
            Some(vec![Given::new(secret, "the manifest", reference.place(), Use::WrittenKey)])
        });
        Self {
            id: manifest.id.clone(),
            version: manifest.version.clone(),
            webhook_secrets: secret,
            ..Self::default()
        }
    }

    /// The layer of the defaults. The default telemetry URL depends on the base URL.
    pub(super) fn defaults() -> Self {
        Self {
            authentication: Some(Ok(Authentication::default())),
            base_url: Some(Ok(BaseUrl::default())),
            telemetry: Some(true),
            host: Some("127.0.0.1".to_owned()),
            port: Some(Ok(8000)),
            auto_env_secrets: Some(true),
            ..Self::default()
        }
    }

    /// Adds a live webhook secret of the builder.
    pub(crate) fn add_webhook_secret(&mut self, secret: Secret) {
        let secret = Given::new(secret, "the builder's `webhook_secret`", None, Use::Key);
        self.webhook_secrets.get_or_insert_default().push(secret);
    }
}

/// The secret in the variable `name`, or in the file that `<name>_FILE` names (wire contract, secret-files).
pub(super) fn secret_variable(environment: &Environment, name: &str, usage: Use) -> Option<Given> {
    let file = format!("{name}_FILE");
    let (source, text) = match (environment.variable(name), environment.variable(&file)) {
        (None, None) => return None,
        (Some(text), None) => (name, Ok(text)),
        (Some(_), Some(_)) => {
            let both = Problem::new(ProblemId::SecretTwice, format!("`{name}` and `{file}` are both set"))
                .mend("unset one of them");
            return Some(Err(both).into());
        }
        (None, Some(path)) => (&*file, secret_file(&file, Path::new(&path))),
    };
    Some(written(text, source, usage))
}

/// The webhook secret in the file at `path`, which `source` names.
#[cfg(feature = "internals")]
pub(crate) fn webhook_secret_file(source: &str, path: &Path) -> Given {
    written(secret_file(source, path), source, Use::WrittenKey)
}

fn written(text: Read<String>, source: &str, usage: Use) -> Given {
    match text {
        Ok(text) => Given::new(Secret::new(text), &format!("`{source}`"), None, usage),
        Err(problem) => Err(problem).into(),
    }
}

/// The text of a file with a secret, without one newline at its end.
pub(super) fn secret_file(name: &str, path: &Path) -> Read<String> {
    let problem = |why: String| {
        // The variable may have the secret itself.
        let is_path = path.exists() || name.starts_with("--");
        let shown = if is_path { format!(" `{}`", path.display()) } else { String::new() };
        let what = format!("the file{shown} that `{name}` names {why}");
        Problem::new(ProblemId::SecretFile, what)
            .mend(format!("set `{name}` to the path of a file with the secret alone"))
    };
    let bytes = read_regular(path, LARGEST_SECRET).map_err(problem)?;
    let text = String::from_utf8(bytes).map_err(|_| problem("is not UTF-8".to_owned()))?;
    let cut = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text));
    Ok(cut.map(str::to_owned).unwrap_or(text))
}

/// The largest file with a secret, in bytes.
const LARGEST_SECRET: usize = 64 * 1024;

/// The problem of a secret that is the name of a variable (wire contract, signature-key-public).
fn lost_reference(reference: &Reference) -> Problem {
    Problem::new(
        ProblemId::PublicSecret,
        "the webhook secret of the manifest reads like the name of a variable, and anyone can read it there",
    )
    .at(reference.place().cloned())
    .mend(format!("write `env:` before the name, like `env:{WEBHOOK_SECRET}`"))
}

/// A value, or the problem of `text`, which `source` gives. It does not show the text (wire contract, variable-rule): that may be
/// the secret of another variable.
fn read<T: FromStr<Err: Display>>(
    id: ProblemId,
    (source, text): (&str, &str),
    no: &str,
    mend: &str,
) -> Read<T> {
    text.parse().map_err(|why| Problem::new(id, format!("`{source}` is {no}: {why}")).mend(mend))
}

/// The default version, or the problem of `text`, which `source` gives.
pub(crate) fn default_version(source: &str, text: &str) -> Read<EventVersion> {
    let mend = "set it like `v1`, or unset it";
    read(ProblemId::DefaultVersion, (source, text.trim()), "not a version", mend)
}

const AUTHENTICATION: &str = "KIKET_AUTHENTICATION";
const DEFAULT_VERSION: &str = "KIKET_DEFAULT_EVENT_VERSION";
const METRICS: &str = "KIKET_METRICS_ADDR";
const DEDUPE_NAMESPACE: &str = "KIKET_DEDUPE_NAMESPACE";
pub(crate) const BASE_URL: &str = "KIKET_BASE_URL";
pub(crate) const TELEMETRY_URL: &str = "KIKET_SDK_TELEMETRY_URL";
const TELEMETRY_OPTOUT: &str = "KIKET_SDK_TELEMETRY_OPTOUT";

/// The problem of an extension without a webhook secret.
pub(crate) fn no_secret(manifest: Option<&Manifest>) -> Problem {
    let reference = manifest.and_then(|manifest| manifest.delivery_secret.as_ref());
    let names = reference.map(|reference| reference.names().collect::<Vec<_>>()).unwrap_or_default();
    let (what, mend) = if names.is_empty() {
        let file = manifest.map_or(Path::new("extension.yaml"), |manifest| &manifest.path).display();
        let mend =
            format!("set `{WEBHOOK_SECRET}`, or write `delivery_secret: env:{WEBHOOK_SECRET}` into {file}");
        ("there is no webhook secret, and nothing is accepted unsigned".to_owned(), mend)
    } else {
        let all = format!("`{}`", names.join("`, `"));
        let or = if names.contains(&WEBHOOK_SECRET) { "" } else { ", or `KIKET_WEBHOOK_SECRET`" };
        let what = format!("the manifest takes the webhook secret from {all}, which is not set");
        (what, format!("set {all}{or}"))
    };
    let place = reference.and_then(Reference::place).cloned();
    Problem::new(ProblemId::NoWebhookSecret, what).at(place).mend(mend)
}

fn authentication(text: &str) -> Read<Authentication> {
    let mend = "set it to one of these, or unset it for `hmac`";
    read(ProblemId::AuthenticationMode, (AUTHENTICATION, text), "not a mode", mend)
}

pub(crate) fn address(name: &str, text: &str) -> Read<BaseUrl> {
    read(ProblemId::Address, (name, text), "not an address", &format!("set `{name}` to the address alone"))
}

fn port(text: &str) -> Read<u16> {
    text.trim().parse().map_err(|_| {
        Problem::new(ProblemId::Port, "`PORT` is not a port: expected 0 to 65535")
            .mend("set it to a number, or unset it to listen on 8000")
    })
}

/// The address of the listener of metrics, which `source` gives.
pub(crate) fn metrics_address(source: &str, text: &str) -> Read<ListenAddress> {
    let mend = format!("set `{source}` to an address and a port, or unset it for no metrics");
    read(ProblemId::MetricsAddress, (source, text), "no address to listen on", &mend)
}

/// A namespace of deliveries, as `KIKET_DEDUPE_NAMESPACE` has it.
pub(crate) fn namespace(text: &str) -> Read<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(Problem::new(ProblemId::DedupeNamespace, format!("`{DEDUPE_NAMESPACE}` is no namespace"))
        .mend("write 1 to 64 letters, digits, `.`, `_` and `-`, like `staging`"))
}

/// The warning for an answer about telemetry that is neither yes nor no: it counts as no.
pub(super) fn unclear_optout(environment: &Environment) -> Option<Problem> {
    let text = environment.variable(TELEMETRY_OPTOUT)?;
    let says_no = ["0", "false", "no", "off"].contains(&text.trim().to_ascii_lowercase().as_str());
    let what = format!("`{TELEMETRY_OPTOUT}` says neither yes nor no, and telemetry is sent");
    let problem = Problem::new(ProblemId::DoubtfulValue, what);
    (!says_no && !says_yes(&text)).then(|| problem.mend("set it to `1` for none, or to `0`"))
}

/// Whether a variable says yes.
pub(super) fn says_yes(text: &str) -> bool {
    ["1", "true", "yes", "on"].contains(&text.trim().to_ascii_lowercase().as_str())
}
