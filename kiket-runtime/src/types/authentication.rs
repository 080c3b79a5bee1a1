//! The mode of authentication of deliveries.

use std::{fmt, str::FromStr};

/// The mode of authentication: what proves that a delivery is from Kiket. See
/// [`ExtensionBuilder::authentication`](crate::ExtensionBuilder::authentication).
///
/// ```
/// use kiket_runtime::auth::Authentication;
///
/// assert_eq!("both".parse(), Ok(Authentication::Both));
/// assert_eq!(Authentication::default().to_string(), "hmac");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Authentication {
    /// The signature of the body, made with the webhook secret.
    #[default]
    Hmac,
    /// The runtime token in the body. **The body is not signed then**: an attacker who obtains an unused token can send it
    /// with another body. An attacker who obtains a whole delivery can replay it until its token expires; deduplication
    /// makes that harmless.
    Token,
    /// Both the signature and the token.
    Both,
    /// The signature or the token: for an installation that migrates from one to the other.
    Either,
}

impl Authentication {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Hmac, "hmac"), (Self::Token, "token"), (Self::Both, "both"), (Self::Either, "either")];

    /// Whether runtime tokens are verified.
    pub fn takes_tokens(self) -> bool {
        self != Self::Hmac
    }

    /// Whether every delivery needs a signature.
    pub(crate) fn needs_signatures(self) -> bool {
        matches!(self, Self::Hmac | Self::Both)
    }

    /// Whether signatures are verified, with the webhook secret.
    pub fn takes_signatures(self) -> bool {
        self != Self::Token
    }
}

impl fmt::Display for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(mode, _)| mode == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Authentication {
    type Err = AuthenticationModeError;

    fn from_str(text: &str) -> Result<Self, AuthenticationModeError> {
        let found = Self::ALL.iter().find(|(_, name)| name.eq_ignore_ascii_case(text.trim()));
        found.map(|(mode, _)| *mode).ok_or(AuthenticationModeError)
    }
}

/// A text that is not an [`Authentication`] mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("deliveries are authenticated by `hmac`, `token`, `both` or `either`")]
pub struct AuthenticationModeError;
