//! The credentials of a call: the extension's tokens, or those that the caller gave instead.

use http::{HeaderName, HeaderValue};

use crate::types::Secret;

/// Credentials that a caller gave in place of the extension's tokens: headers, made once, and the secret among them.
/// `Debug` shows no values: those of the headers are sensitive.
#[derive(Debug)]
pub(crate) struct CallerCredentials {
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// The secret to redact, besides the extension's tokens.
    pub(super) secret: Secret,
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

/// The value of `Authorization` for a workspace token.
pub(super) fn bearer(token: &Secret) -> Result<HeaderValue, InvalidHeaderValue> {
    sensitive(&format!("Bearer {}", token.expose()))
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
        let shown = format!("{given:?}");
        assert!(shown.contains("x-api-key") && !shown.contains("canary"), "{shown}");
        assert_eq!(given.secret.expose(), "canary");
    }

    #[test]
    fn values_that_a_header_cannot_carry_are_refused() {
        for value in ["a\nb", "a\0"] {
            assert!(given(value).is_err(), "{value:?}");
        }
    }
}
