//! The configuration of the inbox: its address, and the keys that seal what it stores.

use crate::{
    config::{
        environment::Environment,
        judge::{Given, Use},
        layer::{says_yes, secret_variable},
    },
    error::Findings,
    types::Secret,
};

/// Where the inbox is unless the configuration says otherwise.
pub(crate) const DEFAULT_INBOX: &str = "sqlite:kiket-inbox.db";

const URL: &str = "KIKET_INBOX_URL";
const KEY: &str = "KIKET_INBOX_KEY";
const KEY_PREVIOUS: &str = "KIKET_INBOX_KEY_PREVIOUS";
const EPHEMERAL: &str = "KIKET_INBOX_EPHEMERAL";

/// What the builder says of the inbox; it comes before the environment.
#[derive(Default)]
pub(crate) struct InboxLayer {
    /// It may have a password.
    pub(crate) url: Option<Given>,
    pub(crate) key: Option<Given>,
    pub(crate) previous_keys: Vec<Given>,
    pub(crate) without_secrets: bool,
    pub(crate) is_ephemeral: Option<bool>,
}

/// The configuration of the inbox. A value that is none is a problem.
#[derive(Default)]
pub(crate) struct InboxConfig {
    pub(crate) url: Option<Secret>,
    /// The key that seals, in base64.
    pub(crate) key: Option<Secret>,
    /// Keys that open what was sealed before.
    pub(crate) previous_keys: Vec<Secret>,
    /// Whether the inbox stores secrets and tokens; else they are cut out before.
    pub(crate) with_secrets: bool,
    /// Whether its file may be where it does not last.
    pub(crate) is_ephemeral: bool,
}

impl InboxConfig {
    /// The values of the builder, and those of the environment where it has none. A variable with previous keys may have
    /// several, with commas between them.
    pub(crate) fn combine(given: InboxLayer, environment: &Environment, found: &mut Findings) -> Self {
        let variable = |name| secret_variable(environment, name, Use::Text);
        let mut previous_keys: Vec<_> =
            given.previous_keys.into_iter().filter_map(|key| key.take(found)).collect();
        if previous_keys.is_empty() {
            let variable = variable(KEY_PREVIOUS).and_then(|keys| keys.take(found));
            let keys = variable.iter().flat_map(|keys| keys.expose().split(','));
            previous_keys.extend(keys.map(|key| Secret::new(key.trim())));
        }
        let mut take = |given: Option<Given>, name| given.or_else(|| variable(name))?.take(found);
        let ephemeral = || environment.variable(EPHEMERAL).is_some_and(|text| says_yes(&text));
        Self {
            url: take(given.url, URL),
            key: take(given.key, KEY),
            previous_keys,
            with_secrets: !given.without_secrets,
            is_ephemeral: given.is_ephemeral.unwrap_or_else(ephemeral),
        }
    }

    /// What no log and no response may show.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.url.iter().chain(&self.key).chain(&self.previous_keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn combined(given: InboxLayer, variables: &[(&str, &str)]) -> (InboxConfig, String) {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut found = Findings::default();
        let config = InboxConfig::combine(given, &Environment::given(variables), &mut found);
        (config, found.problems.iter().map(ToString::to_string).collect())
    }

    fn texts(secrets: &[Secret]) -> Vec<&str> {
        secrets.iter().map(Secret::expose).collect()
    }

    #[test]
    fn the_builder_comes_before_the_environment() {
        let environment = [
            (URL, "sqlite:b.db"),
            (KEY, "key of the environment"),
            (KEY_PREVIOUS, "one, two"),
            (EPHEMERAL, "1"),
        ];
        let (config, problems) = combined(InboxLayer::default(), &environment);
        assert_eq!(problems, "");
        assert_eq!(config.url.as_ref().map(Secret::expose), Some("sqlite:b.db"));
        assert_eq!(texts(config.key.as_slice()), ["key of the environment"]);
        assert_eq!(texts(&config.previous_keys), ["one", "two"]);
        assert!(config.with_secrets && config.is_ephemeral);
        assert_eq!(config.secrets().count(), 4);

        let given = |text: &str| Given::new(Secret::new(text), "the builder", None, Use::Text);
        let builder = InboxLayer {
            url: Some(given("sqlite:a.db")),
            key: Some(given("a")),
            previous_keys: vec![given("b")],
            without_secrets: true,
            is_ephemeral: Some(false),
        };
        let (config, _) = combined(builder, &environment);
        assert_eq!(texts(&config.secrets().cloned().collect::<Vec<_>>()), ["sqlite:a.db", "a", "b"]);
        assert!(!config.with_secrets && !config.is_ephemeral);
        let (config, _) = combined(InboxLayer::default(), &[]);
        assert!(config.secrets().next().is_none() && !config.is_ephemeral);
    }

    #[test]
    fn a_key_may_be_in_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "key of a file\n").unwrap();
        let path = file.path().to_str().unwrap();
        for (name, file) in [(KEY, "KIKET_INBOX_KEY_FILE"), (KEY_PREVIOUS, "KIKET_INBOX_KEY_PREVIOUS_FILE")] {
            let (config, problems) = combined(InboxLayer::default(), &[(file, path)]);
            assert_eq!(problems, "");
            assert_eq!(texts(&config.secrets().cloned().collect::<Vec<_>>()), ["key of a file"]);
            let (_, problems) = combined(InboxLayer::default(), &[(file, path), (name, "canary")]);
            assert!(problems.contains("are both set") && !problems.contains("canary"), "{problems}");
        }
        let (_, problems) = combined(InboxLayer::default(), &[("KIKET_INBOX_KEY_FILE", "/nowhere")]);
        assert!(problems.contains("`KIKET_INBOX_KEY_FILE`"), "{problems}");
    }
}
