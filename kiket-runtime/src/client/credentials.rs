//! The credentials of a call: the extension's tokens, or those that the caller gave instead.

use std::{fmt, sync::Arc};

use http::{HeaderName, HeaderValue};

use crate::types::Secret;

/// The credentials of a call: the extension's or the caller's, never both.
#[derive(Debug, Clone, Default)]
pub(crate) enum Credentials {
    /// The extension's tokens, each for the calls that it is meant for.
    #[default]
    Extension,
    /// The caller's headers, and none of the extension's tokens.
    Caller(Arc<CallerCredentials>),
}

/// Credentials that a caller gave: headers, made once, and the secret among them.
pub(crate) struct CallerCredentials {
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    secret: Secret,
}

impl CallerCredentials {
    /// A secret in its header, and further headers.
    pub(crate) fn new<const N: usize>(
        (name, secret): (HeaderName, Secret),
        further: [(HeaderName, &str); N],
    ) -> Result<Self, InvalidHeaderValue> {
        let all = [(name, secret.expose())].into_iter().chain(further);
        let headers = all.map(|(name, value)| Ok((name, sensitive(value)?))).collect::<Result<_, _>>()?;
        Ok(Self { headers, secret })
    }
}

impl Credentials {
    /// The secret to redact, besides the extension's tokens.
    pub(crate) fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Extension => None,
            Self::Caller(credentials) => Some(&credentials.secret),
        }
    }
}

/// Without the values.
impl fmt::Debug for CallerCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.headers.iter().map(|(name, _)| name)).finish()
    }
}

/// The tokens of the extension.
#[derive(Default)]
pub(super) struct Tokens {
    pub(super) workspace: Option<Secret>,
    pub(super) extension_key: Option<Secret>,
    /// The header values, made once; `Err` for a token that no header can carry.
    pub(super) authorization: Option<Result<HeaderValue, InvalidHeaderValue>>,
    pub(super) api_key: Option<Result<HeaderValue, InvalidHeaderValue>>,
}

impl Tokens {
    pub(super) fn new(workspace: Option<Secret>, extension_key: Option<Secret>) -> Self {
        let authorization = workspace.as_ref().map(|token| sensitive(&format!("Bearer {}", token.expose())));
        let api_key = extension_key.as_ref().map(|key| sensitive(key.expose()));
        Self { workspace, extension_key, authorization, api_key }
    }
}

/// A header value that HTTP libraries do not log.
pub(super) fn sensitive(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| InvalidHeaderValue)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A text that a header cannot carry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InvalidHeaderValue;

/// The header of the extension API key.
pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-kiket-api-key");

#[cfg(test)]
mod tests {
    use super::*;

    fn given(value: &str) -> Result<CallerCredentials, InvalidHeaderValue> {
        CallerCredentials::new((HeaderName::from_static("x-api-key"), Secret::from(value)), [])
    }

    #[test]
    fn values_are_sensitive_and_not_printed() {
        let given = given("canary").unwrap();
        assert!(given.headers.iter().all(|(_, value)| value.is_sensitive()));
        let credentials = Credentials::Caller(Arc::new(given));
        assert_eq!(format!("{credentials:?}"), r#"Caller({"x-api-key"})"#);
        assert_eq!(credentials.secret().map(Secret::expose), Some("canary"));
    }

    #[test]
    fn values_that_a_header_cannot_carry_are_refused() {
        for value in ["a\nb", "a\0"] {
            assert!(given(value).is_err(), "{value:?}");
        }
    }
}
