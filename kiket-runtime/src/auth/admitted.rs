//! The result of authentication.

use std::time::Duration;

use super::grant::Auth;
use crate::types::Secret;

/// What authentication found out about a delivery.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Unix seconds.
    pub(crate) signed_at: u64,
    /// Which of the live secrets signed it, by position.
    pub(crate) secret: Option<usize>,
    pub(crate) token: Option<Token>,
    /// How long its token cannot be verified, where its signature was enough.
    pub(crate) undecided: Option<Duration>,
}

/// A verified runtime token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) auth: Auth,
    pub(crate) text: Secret,
}
