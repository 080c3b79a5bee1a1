//! Whose credentials a call carries.

use std::{fmt, sync::Arc};

use http::{HeaderName, HeaderValue};

use super::{InvalidHeaderValue, sensitive};
use crate::types::Secret;

/// Whose credentials a call carries: never those of two.
#[derive(Debug, Clone, Default)]
pub(crate) enum Credentials {
    /// The extension's: its tokens, each where it is for.
    #[default]
    Extension,
    /// These, and none of the extension's.
    Given(Arc<Given>),
}

/// Credentials that a caller gave: headers, made once, and the one of them that must not be shown.
pub(crate) struct Given {
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    secret: Secret,
}

impl Given {
    /// A secret in its header, and what stands beside it.
    pub(crate) fn new<const N: usize>(
        (name, secret): (HeaderName, Secret),
        beside: [(HeaderName, &str); N],
    ) -> Result<Self, InvalidHeaderValue> {
        let all = [(name, secret.expose())].into_iter().chain(beside);
        let headers = all.map(|(name, value)| Ok((name, sensitive(value)?))).collect::<Result<_, _>>()?;
        Ok(Self { headers, secret })
    }
}

impl Credentials {
    /// What must not be shown, besides the extension's tokens.
    pub(crate) fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Extension => None,
            Self::Given(given) => Some(&given.secret),
        }
    }
}

/// Without the values.
impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.headers.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(value: &str) -> Result<Given, InvalidHeaderValue> {
        Given::new((HeaderName::from_static("x-api-key"), Secret::from(value)), [])
    }

    #[test]
    fn values_are_sensitive_and_not_printed() {
        let given = given("canary").unwrap();
        assert!(given.headers.iter().all(|(_, value)| value.is_sensitive()));
        let credentials = Credentials::Given(Arc::new(given));
        assert_eq!(format!("{credentials:?}"), r#"Given({"x-api-key"})"#);
        assert_eq!(credentials.secret().map(Secret::expose), Some("canary"));
    }

    #[test]
    fn what_a_header_cannot_carry_is_refused() {
        for value in ["a\nb", "a\0"] {
            assert!(given(value).is_err(), "{value:?}");
        }
    }
}
