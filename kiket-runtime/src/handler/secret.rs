//! The extractor of secrets that a handler requires.

use std::{fmt, marker::PhantomData};

use crate::{
    delivery::Delivery,
    error::Error,
    handler::extract::{FromDelivery, Requirements, deref, early},
    types::Secret,
};

/// The key of a secret, as a type: see [`RequiredSecret`].
pub trait SecretKey {
    /// The key, like `SLACK_TOKEN`.
    const KEY: &'static str;
}

/// A secret that a handler requires, found as [`Context::secret`](crate::Context::secret) finds it and never printed. Derefs
/// to [`Secret`].
///
/// A secret that the environment lacks is a warning at the start, since a delivery may still bring it. A delivery without it
/// fails with 500 and its key, so that the retry finds a corrected environment.
///
/// ```
/// use kiket_runtime::handler::{RequiredSecret, SecretKey};
///
/// struct SlackToken;
///
/// impl SecretKey for SlackToken {
///     const KEY: &'static str = "SLACK_TOKEN";
/// }
///
/// async fn on_issue_created(token: RequiredSecret<SlackToken>) {
///     assert!(token.expose().starts_with("xoxb-"));
/// }
///
/// on_issue_created(RequiredSecret::new("xoxb-1")); // in a test
/// ```
pub struct RequiredSecret<K> {
    secret: Secret,
    key: PhantomData<fn() -> K>,
}

impl<K: SecretKey> RequiredSecret<K> {
    /// A secret for a handler that is called by hand.
    pub fn new(secret: impl Into<Secret>) -> Self {
        Self { secret: secret.into(), key: PhantomData }
    }

    fn find(delivery: &Delivery) -> Result<Self, Error> {
        let missing = || {
            // Advice must not name a variable that `auto_env_secrets(false)` ignores.
            let variable = delivery.services().settings.variable(K::KEY);
            let or_set = variable.map(|variable| format!(", or set `{variable}`")).unwrap_or_default();
            let text =
                format!("the secret `{}` is missing: give it to the extension in Kiket{or_set}", K::KEY);
            Error::retry(text).with_code("secret_missing")
        };
        delivery.secret(K::KEY).map(Self::new).ok_or_else(missing)
    }
}

impl<K> Clone for RequiredSecret<K> {
    fn clone(&self) -> Self {
        Self { secret: self.secret.clone(), key: PhantomData }
    }
}

impl<K: SecretKey> fmt::Debug for RequiredSecret<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequiredSecret({})", K::KEY)
    }
}

deref!(RequiredSecret<K> => Secret: secret);

/// Fails with [`Error`], which names the key.
impl<'d, K: SecretKey> FromDelivery<'d> for RequiredSecret<K> {
    type Rejection = Error;

    fn requirements(requirements: &mut Requirements) {
        requirements.secret(K::KEY);
    }

    early!('d, Self::find);
}
