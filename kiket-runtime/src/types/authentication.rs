//! The mode of authentication of deliveries.

use super::words::words;

words! {
    /// The mode of authentication: what proves that a delivery is from Kiket. See
    /// [`ExtensionBuilder::authentication`](crate::ExtensionBuilder::authentication).
    ///
    /// ```
    /// use kiket_runtime::auth::Authentication;
    ///
    /// assert_eq!("both".parse(), Ok(Authentication::Both));
    /// assert_eq!(Authentication::default(), "hmac");
    /// ```
    #[derive(Default)]
    pub enum Authentication else AuthenticationModeError {
        /// The signature of the body, made with the webhook secret.
        #[default]
        Hmac = "hmac",
        /// The runtime token in the body. **The body is not signed then**: an attacker who obtains an unused token can send it
        /// with another body. An attacker who obtains a whole delivery can replay it until its token expires; deduplication
        /// makes that harmless.
        Token = "token",
        /// Both the signature and the token.
        Both = "both",
        /// The signature or the token: for an installation that migrates from one to the other.
        Either = "either",
    }
}

impl Authentication {
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

/// A text that is not an [`Authentication`] mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("deliveries are authenticated by `hmac`, `token`, `both` or `either`")]
pub struct AuthenticationModeError;
