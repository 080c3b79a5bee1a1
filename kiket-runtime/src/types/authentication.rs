//! What proves that a delivery is from Kiket.

use std::{fmt, str::FromStr};

/// What proves that a delivery is Kiket's: see [`ExtensionBuilder::authentication`](crate::ExtensionBuilder::authentication).
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
    /// The signature of its body, made with the webhook secret.
    #[default]
    Hmac,
    /// The runtime token in its body. **Nothing signs the body then**: whoever gets hold of a token that was not used
    /// yet can send it with a body of his own. Whoever gets hold of a whole delivery can send it again until its token
    /// expires, which changes nothing unless the extension remembers no deliveries.
    Token,
    /// Both must hold.
    Both,
    /// Either must hold: for the time in which an installation changes from one to the other.
    Either,
}

impl Authentication {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Hmac, "hmac"), (Self::Token, "token"), (Self::Both, "both"), (Self::Either, "either")];

    /// Whether runtime tokens are looked at.
    pub fn takes_tokens(self) -> bool {
        self != Self::Hmac
    }

    /// Whether the webhook secret is used.
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

/// A text that is none of the ways to authenticate deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("deliveries are authenticated by `hmac`, `token`, `both` or `either`")]
pub struct AuthenticationModeError;
