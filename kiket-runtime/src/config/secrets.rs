//! The variables of settings and secrets: `KIKET_SECRET_…`, `KIKET_SETTING_…`, and the variables named like settings.

use std::{collections::BTreeMap, path::Path};

use crate::{
    config::{environment::Environment, layer::secret_file},
    error::{Problem, ProblemId},
    manifest::{Setting, variable_key},
    types::Secret,
};

/// The secrets of the environment, read once at the start, so that the log can redact all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct SecretVariables {
    /// Whether the environment is not read for secrets: `auto_env_secrets(false)`.
    off: bool,
    /// By the name of the variable, which begins with `KIKET_SECRET_`.
    named: BTreeMap<String, Secret>,
}

/// The variables of secrets and of settings.
const SECRET: &str = "KIKET_SECRET_";
const SETTING: &str = "KIKET_SETTING_";
/// Variables that the process has for another reason (wire contract, setting-lookup).
const RESERVED: [&str; 12] =
    ["PATH", "HOME", "USER", "HOST", "HOSTNAME", "PORT", "LANG", "TZ", "PWD", "SHELL", "TERM", "RUST_LOG"];

/// The variables of kiket's own secrets. With `_FILE` behind its name a variable names a file with the secret.
const OWN: [&str; 8] = [
    "KIKET_WEBHOOK_SECRET",
    "KIKET_WEBHOOK_SECRET_PREVIOUS",
    "KIKET_WORKSPACE_TOKEN",
    "KIKET_EXTENSION_API_KEY",
    "KIKET_DEDUPE_URL",
    "KIKET_INBOX_URL",
    "KIKET_INBOX_KEY",
    "KIKET_INBOX_KEY_PREVIOUS",
];

/// The secrets of the environment as they are, usable or not, for texts that are printed before an extension is built.
pub(crate) fn secrets_of(environment: &Environment) -> Vec<Secret> {
    let named = environment.beginning_with("KIKET_").into_iter();
    let texts = named.filter_map(|(name, value)| match name.strip_suffix("_FILE") {
        Some(own) if OWN.contains(&own) => secret_file(&name, Path::new(&value)).ok(),
        _ => (OWN.contains(&&*name) || name.starts_with(SECRET)).then_some(value),
    });
    texts.map(|text| Secret::new(text.trim())).collect()
}

impl SecretVariables {
    pub(super) fn read(environment: &Environment) -> Self {
        let named = environment.beginning_with(SECRET).into_iter();
        Self { off: false, named: named.map(|(name, value)| (name, Secret::new(value))).collect() }
    }

    /// No secrets from the environment.
    pub(super) fn off() -> Self {
        Self { off: true, ..Self::default() }
    }

    /// The secret `key`.
    pub(super) fn find(&self, key: &str) -> Option<&Secret> {
        self.named.get(&variable(SECRET, key)?)
    }

    /// The variable that sets the secret `key`; `None` where the environment is not read for secrets.
    pub(super) fn variable(&self, key: &str) -> Option<String> {
        variable(SECRET, key).filter(|_| !self.off)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Secret> {
        self.named.values()
    }

    /// The variable that gives a declared setting, and its value, hidden if it is secret.
    pub(super) fn of_setting(
        &self,
        setting: &Setting,
        environment: &Environment,
    ) -> Option<(String, Result<Secret, String>)> {
        if let Some(secret) = self.find(&setting.key) {
            return Some((variable(SECRET, &setting.key)?, Ok(secret.clone())));
        }
        let plain = self.plain(setting);
        let mut names = variable(SETTING, &setting.key).into_iter().chain(plain);
        let (name, value) = names.find_map(|name| environment.variable(&name).map(|value| (name, value)))?;
        Some((name, if setting.secret { Ok(Secret::new(value)) } else { Err(value) }))
    }

    /// The variable without a prefix, for a setting that may come from one.
    pub(super) fn plain(&self, setting: &Setting) -> Option<String> {
        let name = variable("", &setting.key)?;
        let fits = if setting.secret { !self.off } else { setting.required && setting.default.is_none() };
        let taken = name.starts_with("KIKET_") || RESERVED.contains(&name.as_str());
        (fits && !taken).then_some(name)
    }

    /// The variable to advise for a declared setting.
    pub(super) fn advised(&self, setting: &Setting) -> Option<String> {
        let secret = setting.secret.then(|| self.variable(&setting.key)).flatten();
        secret.or_else(|| variable(SETTING, &setting.key))
    }
}

/// The variable of a key: `example.apiKey` is `KIKET_SECRET_EXAMPLE_APIKEY` (wire contract, secret-variables).
fn variable(prefix: &str, key: &str) -> Option<String> {
    let key = variable_key(key);
    (!key.is_empty()).then(|| format!("{prefix}{key}"))
}

/// Warnings for values of handlers that are one line with white space at an end: nearly always a slip.
pub(super) fn padded(environment: &Environment, plain: impl Iterator<Item = String>) -> Vec<Problem> {
    let plain = plain.filter_map(|name| environment.variable(&name).map(|value| (name, value)));
    let prefixed = [SECRET, SETTING].into_iter().flat_map(|prefix| environment.beginning_with(prefix));
    let padded = prefixed.chain(plain).filter(|(_, value)| {
        let text = value.trim();
        text.len() != value.len() && !text.contains('\n')
    });
    let warning = |(name, _)| {
        let what = format!("`{name}` has white space at an end, and handlers get it like that");
        let mend = "set it without: `printf %s` writes no newline, `echo` does";
        Problem::new(ProblemId::PaddedVariable, what).mend(mend)
    };
    padded.map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_environment_are_known_before_a_start() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), " in a file\n").unwrap();
        let path = file.path().to_str().unwrap();
        for own in OWN {
            for (variable, text, expected) in [
                (own.to_owned(), " a\tb\n", "a\tb"), // no secret that can be used, and one that may be printed
                (format!("{own}_FILE"), path, "in a file"),
            ] {
                let environment = Environment::given([(variable, text.to_owned())]);
                let found = secrets_of(&environment);
                assert_eq!(found.iter().map(Secret::expose).collect::<Vec<_>>(), [expected], "{own}");
            }
        }
        let variables = [
            ("KIKET_SECRET_A", "a"),
            ("KIKET_SECRET_A_FILE", "b"),
            ("KIKET_WORKSPACE_TOKEN_FILE", "/nowhere"),
            ("KIKET_BASE_URL", "https://kiket.example"),
        ];
        let environment =
            Environment::given(variables.map(|(name, text)| (name.to_owned(), text.to_owned())));
        let found = secrets_of(&environment);
        assert_eq!(found.iter().map(Secret::expose).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn names_of_variables_follow_the_key() {
        for (key, name) in [
            ("API_KEY", Some("KIKET_SECRET_API_KEY")),
            ("example.apiKey", Some("KIKET_SECRET_EXAMPLE_APIKEY")),
            ("--a..b  c--", Some("KIKET_SECRET_A_B_C")),
            ("..", None),
        ] {
            assert_eq!(variable(SECRET, key).as_deref(), name);
        }
    }
}
