//! The token of a lease.

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::BuildHasher as _,
    str::FromStr,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// The token of the owner of a lease. No two leases have the same token, in any process.
///
/// A store compares tokens for equality; their order means nothing. As text, a token is 32 hex digits:
///
/// ```
/// use kiket_runtime::dedupe::LeaseToken;
///
/// let token = LeaseToken::unique();
/// assert_eq!(token.to_string().len(), 32);
/// assert_eq!(token.to_string().parse(), Ok(token));
/// assert_ne!(LeaseToken::unique(), token);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseToken {
    origin: u64,
    number: u64,
}

impl LeaseToken {
    /// A new token: an origin, which is random for each process, and a number.
    pub fn unique() -> Self {
        static ORIGIN: OnceLock<u64> = OnceLock::new();
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Seeded by the operating system.
        let origin = *ORIGIN.get_or_init(|| RandomState::new().hash_one(std::process::id()));
        Self { origin, number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }
}

impl fmt::Display for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.origin, self.number)
    }
}

impl fmt::Debug for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeaseToken({self})")
    }
}

impl FromStr for LeaseToken {
    type Err = LeaseTokenError;

    fn from_str(text: &str) -> Result<Self, LeaseTokenError> {
        let written = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (origin, number) = text.split_at_checked(16).filter(|_| written).ok_or(LeaseTokenError)?;
        let word = |digits| u64::from_str_radix(digits, 16).map_err(|_| LeaseTokenError);
        Ok(Self { origin: word(origin)?, number: word(number)? })
    }
}

/// A text that is no [`LeaseToken`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a lease token is 32 hex digits")]
pub struct LeaseTokenError;
