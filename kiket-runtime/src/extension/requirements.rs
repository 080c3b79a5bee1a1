//! Checks the requirements of handlers and manifest: states, secrets, settings, scopes.

use std::collections::BTreeMap;

use crate::{
    auth::TokenRules,
    config::Config,
    delivery::TypeMap,
    error::{Fix, Place, Problem, ProblemId},
    handler::Handler,
    manifest::Manifest,
    types::Authentication,
};

/// Required states that the builder does not have, and required scopes in a mode without tokens.
pub(crate) fn unmet(handlers: &[Handler], states: &TypeMap, config: Option<&Config>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for handler in handlers {
        for (id, type_name) in &handler.requirements.states {
            if !states.contains(*id) {
                let what = format!("no value for `State<{type_name}>`, required by `{}`", handler.function);
                problems.push(Problem::new(ProblemId::MissingState, what).at(Place::from(handler.place)).mend(
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
            problems.push(Problem::new(ProblemId::ScopesWithoutTokens, what).at(Place::from(handler.place)).mend(
                "set `KIKET_AUTHENTICATION` to `both`, or give the builder `.authentication(Authentication::Both)`; \
                 or remove `scopes`",
            ));
        }
    }
    problems
}

/// What is missing where a runtime token that Kiket made for another extension is accepted: a problem unless deliveries are
/// signed, too (wire contract, token-binding).
pub(crate) fn unbound_tokens(mode: Authentication, rules: &TokenRules) -> Option<Problem> {
    let what = format!("the mode `{mode}` accepts runtime tokens that Kiket made for another extension");
    let mend = "set `KIKET_EXTENSION_NUMBER` to the number that the extension has at Kiket, or `KIKET_TOKEN_AUDIENCE`";
    (mode.takes_tokens() && !rules.bind()).then(|| Problem::new(ProblemId::UnboundTokens, what).mend(mend))
}

/// The secrets that handlers require, each with one of its handlers.
pub(crate) fn needed_secrets<'h>(
    handlers: impl IntoIterator<Item = &'h Handler>,
) -> BTreeMap<&'static str, (String, Place)> {
    let needed = handlers
        .into_iter()
        .flat_map(|handler| handler.requirements.secrets.iter().map(move |key| (*key, handler)));
    needed.map(|(key, handler)| (key, (handler.function.to_string(), handler.place.into()))).collect()
}

/// The required secrets that the environment lacks: only a delivery can bring them.
pub(crate) fn missing_secrets<'n>(
    needed: &'n BTreeMap<&'static str, (String, Place)>,
    config: &'n Config,
) -> impl Iterator<Item = Problem> + 'n {
    let missing = needed.iter().filter(|(key, _)| config.settings.find(key).is_none());
    missing.map(|(key, (function, place))| {
        let (source, mend) = match config.settings.variable(key) {
            Some(variable) => ("the environment does not have", advice(&variable)),
            // Advice must not name a variable that `auto_env_secrets(false)` ignores.
            None => ("is not read from the environment", "give it to the extension in Kiket".to_owned()),
        };
        let what = format!("`{function}` needs the secret `{key}`, which {source}");
        Problem::new(ProblemId::MissingSecret, what).at(place.clone()).mend(mend)
    })
}

/// The required secrets that the manifest does not declare: Kiket does not ask for them.
pub(crate) fn undeclared_secrets<'n>(
    needed: &'n BTreeMap<&'static str, (String, Place)>,
    manifest: &'n Manifest,
) -> impl Iterator<Item = Problem> + 'n {
    let is_declared = |key: &str| manifest.settings.iter().any(|setting| setting.key == key);
    needed.iter().filter(move |(key, _)| !is_declared(key)).map(|(key, (function, place))| {
        let file = manifest.path.display();
        let what = format!("`{function}` needs the secret `{key}`, and `{file}` does not declare it");
        Problem::new(ProblemId::UndeclaredSecret, what)
            .at(Place { column: 0, ..place.clone() })
            .mend(format!("add `- key: {key}` with `secret: true` to the `settings` of the manifest"))
            .fixed_by(Fix::AddSetting { key: (*key).to_owned(), secret: true, required: true })
    })
}

/// The settings that the manifest requires and that lack a value.
pub(crate) fn missing_settings<'m>(
    manifest: &'m Manifest,
    config: &'m Config,
) -> impl Iterator<Item = Problem> + 'm {
    let missing = manifest.settings.iter();
    let missing = missing.filter(|setting| setting.required && config.settings.find(&setting.key).is_none());
    missing.map(|setting| {
        let key = &setting.key;
        let what = format!("the manifest requires the setting `{key}`, which has no value");
        Problem::new(ProblemId::MissingSetting, what).at(setting.place.clone()).mend(
            match config.settings.variable(key) {
                Some(variable) if setting.secret => advice(&variable),
                Some(variable) => {
                    format!("set `{variable}`, give it a `default`, or the builder `.setting(\"{key}\", …)`")
                }
                None => format!("give it a `default`, or the builder `.setting(\"{key}\", …)`"),
            },
        )
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

    use crate::{Authentication, TokenRules};

    #[test]
    fn tokens_of_other_extensions_are_refused_or_reported() {
        let build = |mode, rules: TokenRules, variables: &[(&'static str, &'static str)]| {
            let builder = Extension::builder().webhook_secret("sh_123").without_manifest();
            let builder =
                builder.environment(variables.iter().copied()).authentication(mode).token_rules(rules);
            let extension = builder.on("issue.created", "v1", async || {}).build()?;
            Ok::<_, crate::error::StartupError>(extension.report().warnings.len())
        };
        let rules = TokenRules::new;
        for mode in [Authentication::Token, Authentication::Either] {
            let refused = build(mode, rules(), &[]).unwrap_err().to_string();
            assert!(
                refused.contains("`KIKET_EXTENSION_NUMBER`") && refused.contains(&format!("`{mode}`")),
                "{refused}"
            );
        }
        assert_eq!(build(Authentication::Both, rules(), &[]).unwrap(), 1);
        assert_eq!(build(Authentication::Hmac, rules(), &[]).unwrap(), 0);
        for mode in [Authentication::Token, Authentication::Either, Authentication::Both] {
            assert_eq!(build(mode, rules().audience("a"), &[]).unwrap(), 0);
            assert_eq!(build(mode, rules().extension_number(7), &[]).unwrap(), 0);
            for name in ["KIKET_EXTENSION_NUMBER", "KIKET_TOKEN_AUDIENCE"] {
                assert_eq!(build(mode, rules(), &[(name, "7")]).unwrap(), 0, "{name}");
            }
        }
    }

    #[tokio::test]
    async fn a_default_version_applies_where_none_is_named() {
        let extension = |default: &'static str| {
            let builder = Extension::builder().webhook_secret("sh_123").without_manifest();
            let builder = builder.environment([("KIKET_DEFAULT_EVENT_VERSION", default)]);
            let builder = builder
                .on("a.b", "v1", async || crate::Json("one"))
                .on("a.b", "v2", async || crate::Json("two"));
            builder.on("c.d", "v3", async || crate::Json("three")).build()
        };
        let status = async |extension: &Extension, event, version| {
            let now = Clock::system().unix_seconds();
            let headers =
                [(TIMESTAMP_HEADER, now.to_string()), (SIGNATURE_HEADER, sign("sh_123", now, b"{}"))];
            let target = Target { event: Some(event), version, query: "" };
            let request = Request { target, headers: headers.into_iter().collect(), body: "{}".into() };
            let response = extension.pipeline().handle(request).await;
            (response.status.as_u16(), String::from_utf8_lossy(&response.body).into_owned())
        };
        let none = extension("").unwrap();
        assert_eq!(status(&none, "a.b", None).await.0, 400);
        assert!(none.report().warnings.is_empty());
        let two = extension("2.0").unwrap();
        assert!(status(&two, "a.b", None).await.1.contains("two"));
        assert!(status(&two, "a.b", Some("v1")).await.1.contains("one"));
        assert_eq!(status(&two, "c.d", None).await.0, 404);
        let warnings: String = two.report().warnings.iter().map(ToString::to_string).collect();
        assert!(warnings.contains("the default version `2.0` has no handler for `c.d`"), "{warnings}");
        let wrong = extension("latest").unwrap_err().to_string();
        assert!(wrong.contains("`KIKET_DEFAULT_EVENT_VERSION` is not a version"), "{wrong}");
    }

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
