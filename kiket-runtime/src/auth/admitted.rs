//! What is known of a delivery whose sender is known.

use std::time::Duration;

use super::Auth;
use crate::types::Secret;

/// A delivery whose sender is known.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Unix seconds.
    pub(crate) signed_at: u64,
    /// Which of the live secrets signed it, by position.
    pub(crate) secret: Option<usize>,
    pub(crate) token: Option<Token>,
    /// How long nobody can say whether its token holds, where its signature was enough.
    pub(crate) undecided: Option<Duration>,
}

/// A runtime token that holds.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) auth: Auth,
    pub(crate) text: Secret,
}
