//! Checks the requirements of handlers and manifest: states, secrets, settings, scopes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    config::Config,
    delivery::TypeMap,
    error::{Place, Problem},
    handler::Handler,
    manifest::Manifest,
};

/// Required states that the builder does not have, and required scopes in a mode without tokens.
pub(crate) fn unmet(handlers: &[Handler], states: &TypeMap, config: Option<&Config>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for handler in handlers {
        for (id, type_name) in &handler.requirements.states {
            if !states.contains(*id) {
                let what = format!("no value for `State<{type_name}>`, required by `{}`", handler.function);
                problems.push(Problem::new(what).at(Place::from(handler.place)).mend(
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
            problems.push(Problem::new(what).at(Place::from(handler.place)).mend(
                "set `KIKET_AUTHENTICATION` to `both`, or give the builder `.authentication(Authentication::Both)`; \
                 or remove `scopes`",
            ));
        }
    }
    problems
}

/// The secrets that handlers require, each with one of its handlers.
pub(crate) fn needed_secrets(handlers: &[Handler]) -> BTreeMap<&'static str, (String, Place)> {
    let needed = handlers
        .iter()
        .flat_map(|handler| handler.requirements.secrets.iter().map(move |key| (*key, handler)));
    needed.map(|(key, handler)| (key, (handler.function.to_string(), handler.place.into()))).collect()
}

/// The required secrets that the environment lacks: only a delivery can bring them.
pub(crate) fn missing_secrets<'n>(
    needed: &'n BTreeMap<&'static str, (String, Place)>,
    config: &'n Config,
) -> impl Iterator<Item = Problem> + 'n {
    let missing = needed.iter().filter(|(key, _)| config.secret_variables.find(key).is_none());
    missing.map(|(key, (function, place))| {
        let (source, mend) = match config.secret_variables.variable(key) {
            Some(variable) => ("the environment does not have", advice(&variable)),
            // Advice must not name a variable that `auto_env_secrets(false)` ignores.
            None => ("is not read from the environment", "give it to the extension in Kiket".to_owned()),
        };
        Problem::new(format!("`{function}` needs the secret `{key}`, which {source}"))
            .at(place.clone())
            .mend(mend)
    })
}

/// The settings that the manifest requires and that lack a value.
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
        let variable = config.secret_variables.variable(key).filter(|_| setting.is_secret());
        Problem::new(what).mend(match variable {
            Some(variable) => advice(&variable),
            None => format!("give it a `default`, or the builder `.setting(\"{key}\", …)`"),
        })
    })
}

fn advice(variable: &str) -> String {
    format!("set `{variable}`, unless every delivery brings it")
}

#[cfg(test)]
mod tests {
    use crate::{
        Extension,
        auth::signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER, sign},
        delivery::{Request, Target},
        handler::{RequiredSecret, SecretKey},
        types::Clock,
    };

    struct ApiKey;

    impl SecretKey for ApiKey {
        const KEY: &'static str = "API_KEY";
    }

    #[tokio::test]
    async fn advice_names_no_variable_that_is_not_read() {
        for on in [true, false] {
            let builder = Extension::builder().webhook_secret("sh_123").without_manifest();
            let builder = builder.environment([("HOST", "127.0.0.1")]).auto_env_secrets(on);
            let builder = builder.on("issue.created", "v1", async |_: RequiredSecret<ApiKey>| {});
            let extension = builder.build().unwrap();
            let warnings: String = extension.report().warnings.iter().map(ToString::to_string).collect();
            assert!(warnings.contains("needs the secret `API_KEY`"), "{warnings}");
            assert_eq!(warnings.contains("KIKET_SECRET_API_KEY"), on, "{warnings}");

            let now = Clock::system().unix_seconds();
            let signature = sign("sh_123", now, b"{}");
            let headers = [(TIMESTAMP_HEADER, now.to_string()), (SIGNATURE_HEADER, signature)];
            let headers = headers.into_iter().collect();
            let target = Target { event: Some("issue.created"), version: Some("v1"), query: "" };
            let request = Request { target, headers, body: "{}".into() };
            let response = extension.pipeline().handle(request).await;
            let body = String::from_utf8_lossy(&response.body);
            assert_eq!(response.status, 500, "{body}");
            assert!(body.contains("the secret `API_KEY` is missing"), "{body}");
            assert_eq!(body.contains("or set `KIKET_SECRET_API_KEY`"), on, "{body}");
        }
    }
}
