//! Whether a delivery carries a token that Kiket made for it: contract 5.1.
//!
//! Whom to believe is decided before the first delivery: keys come from the configured base URL, or were given. Nothing
//! that a delivery says has a part in it.

mod claims;
mod jwks;
mod jws;
mod keyring;
mod known;
mod rules;

use std::{fmt, time::Duration};

pub use self::rules::{Authentication, TokenRules, UnknownAuthentication};
use self::{jws::Jws, keyring::Keyring, known::Known, rules::Checks};
use crate::{auth::grant::Auth, error::Problem, types::BaseUrl};

/// Checks the runtime tokens of deliveries.
pub(crate) struct TokenVerifier {
    checks: Checks,
    keyring: Keyring,
    known: Known,
}

/// Why a token was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenRefusal {
    /// It is wrong, and will stay so.
    Wrong(TokenError),
    /// Nobody knows: the keys cannot be had before this time is over.
    Undecided(Duration),
}

impl From<TokenError> for TokenRefusal {
    fn from(error: TokenError) -> Self {
        Self::Wrong(error)
    }
}

impl TokenVerifier {
    /// A verifier that takes the tokens of `kiket`.
    ///
    /// # Errors
    ///
    /// What is wrong with the rules.
    pub(crate) fn new(rules: &TokenRules, kiket: &BaseUrl) -> Result<Self, Vec<Problem>> {
        let (checks, given) = rules.checked()?;
        let keyring = given.map_or_else(|| Keyring::of(kiket), Keyring::given);
        Ok(Self { checks, keyring, known: Known::default() })
    }

    #[cfg(test)]
    fn over(checks: Checks, keyring: Keyring) -> Self {
        Self { checks, keyring, known: Known::default() }
    }

    /// What `token` allows at `now`, in Unix seconds.
    pub(crate) async fn verify(&self, token: &str, now: u64) -> Result<Auth, TokenRefusal> {
        if let Some(auth) = self.known.find(token, now) {
            return Ok(auth);
        }
        let jws = Jws::read(token)?;
        // What is wrong anyway needs no keys: who sends rubbish does not make us fetch them.
        let grant = self.checks.grant(jws.payload(), now)?;
        let keys = self.keyring.keys(jws.key_id()).await.map_err(TokenRefusal::Undecided)?;
        let mut holds = jws.is_signed_by(keys.candidates(jws.key_id())?);
        if !holds && jws.key_id().is_none() {
            // The only key may be another one by now.
            let keys = self.keyring.newer(&keys).await.map_err(TokenRefusal::Undecided)?;
            holds = jws.is_signed_by(keys.candidates(None)?);
        }
        if !holds {
            return Err(TokenError::SignatureMismatch.into());
        }
        let auth = Auth::new(grant);
        self.known.keep(token, &auth, now);
        Ok(auth)
    }
}

/// Why a runtime token is refused: for the log and the counters, never for the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the body has no `authentication.runtime_token`")]
    Missing,
    #[error("it is no JWT: three parts of base64url, a JSON object in the first two, 64 bytes in the last")]
    Malformed,
    #[error("its algorithm is not ES256")]
    WrongAlgorithm,
    #[error("its key is not among Kiket's")]
    UnknownKey,
    #[error("its signature does not match")]
    SignatureMismatch,
    #[error("a claim is missing or of a wrong type")]
    WrongClaims,
    #[error("its issuer is another one")]
    WrongIssuer,
    #[error("it has expired")]
    Expired,
    #[error("it is not valid yet: check both clocks")]
    NotYetValid,
    #[error("it is for another audience")]
    WrongAudience,
    #[error("it is for another extension")]
    WrongExtension,
    #[error("it was used for another delivery")]
    Reused,
}

impl TokenError {
    pub(crate) const ALL: [Self; 12] = [
        Self::Missing,
        Self::Malformed,
        Self::WrongAlgorithm,
        Self::UnknownKey,
        Self::SignatureMismatch,
        Self::WrongClaims,
        Self::WrongIssuer,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongAudience,
        Self::WrongExtension,
        Self::Reused,
    ];

    /// Its stable name.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Malformed => "token_malformed",
            Self::WrongAlgorithm => "token_algorithm",
            Self::UnknownKey => "token_unknown_key",
            Self::SignatureMismatch => "token_signature_mismatch",
            Self::WrongClaims => "token_claims",
            Self::WrongIssuer => "token_issuer",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::WrongAudience => "token_audience",
            Self::WrongExtension => "token_extension",
            Self::Reused => "token_reused",
        }
    }
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier").field("checks", &self.checks).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
