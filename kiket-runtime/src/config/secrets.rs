//! The variables of settings and secrets: `KIKET_SECRET_…`, `KIKET_SETTING_…`, and the variables named like settings.

use std::collections::BTreeMap;

use crate::{
    config::environment::Environment,
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
