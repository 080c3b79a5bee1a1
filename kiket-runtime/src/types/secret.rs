//! Secrets: texts that must not be printed.

use std::fmt;

use hmac::digest::CtOutput;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::conversions::conversions;

/// A text that cannot be printed by accident: it has no `Display`, its `Debug` hides it, and its memory is wiped when it is
/// dropped.
///
/// ```
/// use kiket_runtime::Secret;
///
/// let secret = Secret::new("sh_123");
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// assert_eq!(secret.expose(), "sh_123");
/// ```
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// A secret with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself. Do not print it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether `given` is this secret, compared in constant time: how long it takes tells nothing about the secret. A blank
    /// secret matches nothing.
    ///
    /// ```
    /// use kiket_runtime::Secret;
    ///
    /// assert!(Secret::new("t-1").matches("t-1"));
    /// assert!(!Secret::new("t-1").matches("t-2") && !Secret::new("").matches(""));
    /// ```
    #[doc(alias = "constant_time_eq")]
    pub fn matches(&self, given: impl AsRef<[u8]>) -> bool {
        // The hashes have one length, and CtOutput compares all of it.
        let [secret, given] = [self.expose().as_bytes(), given.as_ref()]
            .map(|text| CtOutput::<Sha256>::new(Sha256::digest(text)));
        secret == given && !self.is_blank()
    }

    /// Whether it is empty or only white space.
    pub fn is_blank(&self) -> bool {
        self.expose().trim().is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

conversions! {
    impl From<&str> for Secret = |text| Self::new(text);
    impl From<String> for Secret = |text| Self::new(text);
}

/// A text that cannot be a webhook secret. The error does not show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// There is no secret.
    #[error("there is no webhook secret")]
    Missing,
    /// The secret is blank.
    #[error("the webhook secret is blank")]
    Blank,
    /// The secret starts or ends with white space, which would be part of the key.
    #[error("the webhook secret has white space at an end")]
    Padded,
}

impl SecretError {
    /// The text of `secret`, if it can be a webhook secret.
    pub(crate) fn check(secret: &Secret) -> Result<&str, Self> {
        let text = secret.expose();
        match text.trim() {
            "" => Err(Self::Blank),
            trimmed if trimmed.len() != text.len() => Err(Self::Padded),
            _ => Ok(text),
        }
    }
}
