//! The secrets that are known here: those of the environment, for captures to have none of them.

use std::env;

use kiket_runtime::{Secret, internals::names_a_secret};

use crate::environment;

/// The secrets of the environment, and of cargo's `[env]`, by the names of their variables: those whose names say it, and URLs
/// with a password.
pub(crate) fn secrets() -> Vec<(String, Secret)> {
    let own = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let variables = own.chain(of_cargo());
    variables
        .filter(|(name, value)| is_secret(name, value))
        .map(|(name, value)| (name, value.into()))
        .collect()
}

/// The secret of a variable, if it is set.
pub(crate) fn secret(name: &str) -> Option<Secret> {
    let of_cargo = || of_cargo().into_iter().find(|(variable, _)| variable == name).map(|(_, value)| value);
    env::var(name).ok().or_else(of_cargo).filter(|value| !value.is_empty()).map(Secret::from)
}

fn of_cargo() -> Vec<(String, String)> {
    env::current_dir().map(|folder| environment::of_cargo(&folder)).unwrap_or_default()
}

fn is_secret(name: &str, value: &str) -> bool {
    let has_password = || {
        let authority = value.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
        authority.and_then(|authority| authority.rsplit_once('@')).is_some_and(|(user, _)| user.contains(':'))
    };
    names_a_secret(name) || has_password()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_say_what_is_secret() {
        for (name, value, expected) in [
            ("KIKET_WEBHOOK_SECRET", "x", true),
            ("SLACK_TOKEN", "x", true),
            ("stripeApiKey", "x", true),
            ("DATABASE_URL", "postgres://u:p@h/d", true),
            ("DATABASE_URL", "postgres://u@h/d", false),
            ("BASE_URL", "https://kiket.dev/a:b@c", false),
            ("PATH", "/bin:/usr/bin", false),
            ("KEY", "x", false),
        ] {
            assert_eq!(is_secret(name, value), expected, "{name}={value}");
        }
    }
}
