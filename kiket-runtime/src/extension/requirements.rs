//! Requirements of handlers and manifest that are not met: state, secrets, settings, scopes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    config::{Config, secret_variable},
    delivery::TypeMap,
    error::{Place, Problem},
    handler::Handler,
    manifest::Manifest,
};

/// The states that handlers require and the builder was not given, and scopes in a mode without tokens.
pub(crate) fn unmet(handlers: &[Handler], states: &TypeMap, config: Option<&Config>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for handler in handlers {
        for (id, type_name) in &handler.requirements.states {
            if !states.contains(*id) {
                let what = format!("no value for `State<{type_name}>`, required by `{}`", handler.function);
                problems.push(Problem::new(what).at(handler.place.into()).mend(
                    "give a value of that type to the builder: `builder.state(value)` in `kiket::main!(setup = …)`",
                ));
            }
        }
        let unsigned = config.is_some_and(|config| !config.authentication.takes_tokens());
        if !handler.scopes.is_empty() && unsigned {
            let what = format!(
                "`{}` requires scopes, which only a runtime token has, and the mode `hmac` checks none",
                handler.function
            );
            problems.push(Problem::new(what).at(handler.place.into()).mend(
                "set `KIKET_AUTHENTICATION` to `both`, or give the builder `.authentication(Authentication::Both)`; \
                 or remove `scopes`",
            ));
        }
    }
    problems
}

/// The secrets that handlers require, each with a handler.
pub(crate) fn needed_secrets(handlers: &[Handler]) -> BTreeMap<&'static str, (String, Place)> {
    let needed = handlers
        .iter()
        .flat_map(|handler| handler.requirements.secrets.iter().map(move |key| (*key, handler)));
    needed.map(|(key, handler)| (key, (handler.function.to_string(), handler.place.into()))).collect()
}

/// The required secrets that the environment does not have: only a delivery can bring them.
pub(crate) fn missing_secrets<'n>(
    needed: &'n BTreeMap<&'static str, (String, Place)>,
    config: &'n Config,
) -> impl Iterator<Item = Problem> + 'n {
    let missing = needed.iter().filter(|(key, _)| config.secret_variables.find(key).is_none());
    missing.map(|(key, (function, place))| {
        Problem::new(format!("`{function}` needs the secret `{key}`, which the environment does not have"))
            .at(place.clone())
            .mend(how_to_set(key, config))
    })
}

/// The settings that the manifest requires and that have no value.
pub(crate) fn missing_settings<'m>(
    manifest: &'m Manifest,
    config: &'m Config,
) -> impl Iterator<Item = Problem> + 'm {
    let missing = manifest.settings().iter().filter(|setting| {
        let key = setting.key();
        let given = config.settings.get::<Option<Value>>(key).is_ok_and(|value| value.is_some());
        setting.is_required() && !given && config.secret_variables.find(key).is_none()
    });
    missing.map(|setting| {
        let key = setting.key();
        let what = format!("the manifest requires the setting `{key}`, which has no value");
        Problem::new(what).mend(if setting.is_secret() {
            how_to_set(key, config)
        } else {
            format!("give it a `default`, or the builder `.setting(\"{key}\", …)`")
        })
    })
}

fn how_to_set(key: &str, config: &Config) -> String {
    match config.secret_variables.variable(key) {
        Some(variable) => format!("set `{variable}`, unless every delivery brings it"),
        None => format!(
            "give the builder `.auto_env_secrets(true)` and set `{}`, unless every delivery brings it",
            secret_variable(key)
        ),
    }
}
