//! The secrets of the environment: `KIKET_SECRET_…`, and the variables named like declared settings.

use std::collections::HashMap;

use crate::{config::environment::Environment, manifest::Setting, types::Secret};

/// The secrets of the environment, read once at the start, so that the log can redact all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct SecretVariables {
    /// Whether the environment is not read for secrets: `auto_env_secrets(false)`.
    off: bool,
    /// By the name of the variable, which begins with `KIKET_SECRET_`.
    named: HashMap<String, Secret>,
    /// By the key that the manifest declares.
    declared: HashMap<String, Secret>,
}

impl SecretVariables {
    pub(super) fn read(environment: &Environment, declared: &[Setting]) -> Self {
        let named = environment.beginning_with(PREFIX).into_iter();
        let declared = declared.iter().filter_map(|setting| {
            Some((setting.key().to_owned(), Secret::new(environment.variable(setting.key())?)))
        });
        Self {
            off: false,
            named: named.map(|(name, value)| (name, Secret::new(value))).collect(),
            declared: declared.collect(),
        }
    }

    /// No secrets from the environment.
    pub(super) fn off() -> Self {
        Self { off: true, ..Self::default() }
    }

    /// The secret `key`.
    pub(crate) fn find(&self, key: &str) -> Option<&Secret> {
        self.of_setting(key).or_else(|| self.declared.get(key))
    }

    /// The value of the secret setting `key`.
    pub(super) fn of_setting(&self, key: &str) -> Option<&Secret> {
        self.named.get(&secret_variable(key))
    }

    /// The variable that sets the secret `key`; `None` where the environment is not read for secrets.
    pub(crate) fn variable(&self, key: &str) -> Option<String> {
        (!self.off).then(|| secret_variable(key))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Secret> {
        self.named.values().chain(self.declared.values())
    }
}

/// The prefix of the variables of secrets.
const PREFIX: &str = "KIKET_SECRET_";

/// The variable of a secret: `example.apiKey` is `KIKET_SECRET_EXAMPLE_APIKEY`; wire contract, secret-variables.
fn secret_variable(key: &str) -> String {
    let words = key.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(PREFIX.trim_end_matches('_').to_owned(), |name, word| name + "_" + &word.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
