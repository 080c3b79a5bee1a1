//! Verifies the runtime token of a delivery (wire contract, token-format to token-refusal).
//!
//! The keys come from the configured base URL, or were given. Nothing in a delivery can change where they come from.

mod claims;
mod jwks;
mod jws;
mod keyring;
mod known;
mod rules;

use std::time::Duration;

pub use self::rules::TokenRules;
use self::{jws::Jws, keyring::Keyring, known::Known};
use crate::{
    auth::grant::Auth,
    error::{Problem, TokenError},
    types::BaseUrl,
};

/// Checks the runtime tokens of deliveries.
pub(crate) struct TokenVerifier {
    rules: TokenRules,
    keyring: Keyring,
    known: Known,
}

/// Why a token was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenRefusal {
    /// It is invalid.
    Wrong(TokenError),
    /// It cannot be verified: no keys can be fetched before this time is over.
    Undecided(Duration),
}

impl From<TokenError> for TokenRefusal {
    fn from(error: TokenError) -> Self {
        Self::Wrong(error)
    }
}

impl TokenVerifier {
    /// A verifier of the tokens that `kiket` issues.
    ///
    /// # Errors
    ///
    /// What is wrong with the rules.
    pub(crate) fn new(rules: &TokenRules, kiket: &BaseUrl) -> Result<Self, Vec<Problem>> {
        let keyring = rules.checked()?.map_or_else(|| Keyring::of(kiket), |keys| Keyring::Given(keys.into()));
        Ok(Self { rules: rules.clone(), keyring, known: Known::default() })
    }

    /// What `token` allows at `now`, in Unix seconds.
    pub(crate) async fn verify(&self, token: &str, now: u64) -> Result<Auth, TokenRefusal> {
        if let Some(auth) = self.known.find(token, now) {
            return Ok(auth);
        }
        let jws = Jws::read(token)?;
        let key_id = jws.key_id.as_deref();
        // The claims are checked before the keys are fetched: a malformed token causes no fetch.
        let grant = self.rules.grant(&jws.payload, now)?;
        let keys = self.keyring.keys(key_id).await.map_err(TokenRefusal::Undecided)?;
        let mut holds = jws.is_signed_by(keys.candidates(key_id)?);
        if !holds && key_id.is_none() {
            // Without a key id, the only key may have been rotated.
            let keys = self.keyring.newer(&keys).await.map_err(TokenRefusal::Undecided)?;
            holds = jws.is_signed_by(keys.candidates(None)?);
        }
        if !holds {
            return Err(TokenError::SignatureMismatch.into());
        }
        let auth = Auth::new(grant);
        self.known.insert(token, &auth, now);
        Ok(auth)
    }
}

#[cfg(test)]
mod tests;
