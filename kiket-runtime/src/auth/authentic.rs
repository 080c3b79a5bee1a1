//! What a verified request proves.

use std::time::Duration;

use super::{grant::Auth, signature::Verified};
use crate::types::Secret;

/// What a verified request proves.
#[derive(Debug)]
pub(crate) struct Authentic {
    /// Unix seconds.
    pub(crate) signed_at: u64,
    /// Which of the live secrets signed it, by position; `None` where only a token proves it.
    pub(crate) secret: Option<usize>,
    pub(crate) token: Option<Token>,
    /// How long it is unknown whether the token is valid, where the signature was enough.
    pub(crate) undecided: Option<Duration>,
}

/// A runtime token that is valid.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) auth: Auth,
    pub(crate) text: Secret,
}

impl Authentic {
    /// Proved by a signature.
    pub(crate) fn signed(verified: Verified) -> Self {
        let (signed_at, secret) = (verified.timestamp(), Some(verified.secret()));
        Self { signed_at, secret, token: None, undecided: None }
    }

    /// Proved by a token alone.
    pub(crate) fn by_token(token: Token, now: u64) -> Self {
        let signed_at = token.auth.grant().issued_at.unwrap_or(now);
        Self { signed_at, secret: None, token: Some(token), undecided: None }
    }
}
