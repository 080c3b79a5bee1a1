//! The proof of an authenticated request.

use super::{grant::Auth, signature::Verified};
use crate::{error::Rejection, types::Secret};

/// An authenticated request: what its signature or token proves.
#[derive(Debug)]
pub(crate) struct Authentic {
    /// Unix seconds.
    pub(crate) signed_at: u64,
    /// The position of the live secret that signed it; `None` if only a token proves it.
    pub(crate) secret: Option<usize>,
    pub(crate) token: Option<Token>,
    /// Why it is unknown whether the token is valid, if the signature was enough.
    pub(crate) undecided: Option<Box<Rejection>>,
    /// Whether it was verified earlier, and kept in an inbox since.
    pub(crate) is_restored: bool,
}

/// A valid runtime token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) auth: Auth,
    pub(crate) text: Secret,
}

impl Authentic {
    /// Authenticated by a signature.
    pub(crate) fn signed(verified: Verified) -> Self {
        let (signed_at, secret) = (verified.timestamp(), Some(verified.secret()));
        Self { signed_at, secret, token: None, undecided: None, is_restored: false }
    }

    /// Verified when an inbox took it.
    #[cfg(feature = "inbox")]
    pub(crate) fn restored(signed_at: u64, secret: Option<usize>) -> Self {
        Self { signed_at, secret, token: None, undecided: None, is_restored: true }
    }

    /// Authenticated by a token alone.
    pub(crate) fn by_token(token: Token, now: u64) -> Self {
        let signed_at = token.auth.grant().issued_at.unwrap_or(now);
        Self { signed_at, secret: None, token: Some(token), undecided: None, is_restored: false }
    }
}
