//! Whether a delivery comes in: its signature, its token, or both, as the extension is configured.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::{
    auth::{Admitted, Token, TokenRefusal, TokenVerifier, Verified, Verifier},
    delivery::Envelope,
    error::{SignatureError, TokenError},
    handler::within,
    pipeline::Incoming,
    store::{BeginOutcome, DedupeKey, DedupeStore, LeaseState, StoreError, StoredReply},
    types::{Authentication, Headers, Secret, VERSION_HEADER},
};

/// What every delivery has to show.
pub(crate) struct Admission {
    mode: Authentication,
    /// There are some in every mode that takes signatures.
    signatures: Option<Verifier>,
    /// There are some in every mode that takes tokens.
    tokens: Option<Tokens>,
}

/// How tokens are checked, and remembered.
pub(crate) struct Tokens {
    pub(crate) verifier: TokenVerifier,
    pub(crate) memory: Arc<dyn DedupeStore>,
    pub(crate) extension_id: Option<String>,
    /// Whether tokens are taken while the memory is down, at the risk of taking one twice.
    pub(crate) run_without_store: bool,
}

/// Why a delivery does not come in.
#[derive(Debug)]
pub(crate) enum Refused {
    Unsigned(SignatureError),
    WrongToken(TokenError),
    /// Nobody can say before this time is over.
    Undecided(Duration),
    /// The same token is being looked at, here or elsewhere.
    InUse,
    StoreDown(StoreError),
}

/// How long the store may take to say whether a token was used.
const STORE: Duration = Duration::from_secs(5);

/// What the signature of a delivery says of it.
pub(crate) enum Verdict {
    /// It decides.
    Given(Result<Admitted, Refused>),
    /// The token has a part in it, too.
    Open(Option<Result<Verified, SignatureError>>),
}

impl Admission {
    pub(crate) fn new(mode: Authentication, signatures: Option<Verifier>, tokens: Option<Tokens>) -> Self {
        Self { mode, signatures, tokens }
    }

    /// The verdict by the signature, which costs little and waits for nobody.
    pub(crate) fn by_signature(&self, headers: &Headers, body: &[u8], now: u64) -> Verdict {
        let signature = self.signatures.as_ref().map(|verifier| verifier.verify(headers, body, now));
        match (self.mode, signature) {
            (Authentication::Hmac, Some(signature)) => {
                Verdict::Given(signature.map(Admitted::signed).map_err(Refused::Unsigned))
            }
            (Authentication::Both, Some(Err(cause))) => Verdict::Given(Err(Refused::Unsigned(cause))),
            // The start takes care that there is a secret.
            (Authentication::Hmac | Authentication::Both, None) => {
                Verdict::Given(Err(Refused::Unsigned(SignatureError::NoSecret)))
            }
            (_, signature) => Verdict::Open(signature),
        }
    }

    /// The verdict by signature and token.
    pub(crate) async fn by_token(
        &self,
        signature: Option<Result<Verified, SignatureError>>,
        incoming: &Incoming<'_>,
        now: u64,
    ) -> Result<Admitted, Refused> {
        let Some(tokens) = &self.tokens else {
            return Err(Refused::Unsigned(SignatureError::NoSecret)); // a mode without proofs, which nobody can set
        };
        let token = tokens.take(incoming, now).await;
        match (signature, token, self.mode) {
            (Some(Ok(verified)), Ok(token), _) => {
                Ok(Admitted { token: Some(token), ..Admitted::signed(verified) })
            }
            (None | Some(Err(_)), Ok(token), _) => Ok(Admitted::by(token, now)),
            (Some(Ok(verified)), Err(refused), Authentication::Either) => {
                Ok(Admitted { undecided: refused.undecided(), ..Admitted::signed(verified) })
            }
            (Some(Err(cause)), Err(Refused::WrongToken(TokenError::Missing)), _) => {
                Err(Refused::Unsigned(cause))
            }
            (_, Err(refused), _) => Err(refused),
        }
    }
}

impl Admitted {
    fn signed(verified: Verified) -> Self {
        Self {
            signed_at: verified.timestamp(),
            secret: Some(verified.secret()),
            token: None,
            undecided: None,
        }
    }

    fn by(token: Token, now: u64) -> Self {
        let signed_at = token.auth.grant().issued_at.unwrap_or(now);
        Self { signed_at, secret: None, token: Some(token), undecided: None }
    }
}

impl Refused {
    fn undecided(&self) -> Option<Duration> {
        match self {
            Self::Undecided(wait) => Some(*wait),
            Self::InUse | Self::StoreDown(_) => Some(Duration::ZERO),
            Self::Unsigned(_) | Self::WrongToken(_) => None,
        }
    }
}

impl From<TokenError> for Refused {
    fn from(error: TokenError) -> Self {
        Self::WrongToken(error)
    }
}

impl From<TokenRefusal> for Refused {
    fn from(refusal: TokenRefusal) -> Self {
        match refusal {
            TokenRefusal::Wrong(error) => Self::WrongToken(error),
            TokenRefusal::Undecided(wait) => Self::Undecided(wait),
        }
    }
}

impl Tokens {
    /// The token of a delivery, which from now on is for this delivery and no other.
    async fn take(&self, incoming: &Incoming<'_>, now: u64) -> Result<Token, Refused> {
        let (text, token_type) = read(&incoming.body).ok_or(TokenError::Missing)?;
        let auth = self.verifier.verify(text.expose(), now).await?.of_type(token_type);
        let id = auth.grant().id.as_deref().unwrap_or_default();
        let expires = auth.grant().expires_at.unwrap_or(now);
        match self.remember(id, &fingerprint(incoming), expires.saturating_sub(now)).await {
            Err(Refused::StoreDown(error)) if self.run_without_store => {
                tracing::error!(%error, "the store is down: whether a runtime token was used before is unknown");
            }
            remembered => remembered?,
        }
        Ok(Token { auth, text })
    }

    /// Contract 5.1: a token is remembered until it expires. What is remembered is what it came with: Kiket may send a
    /// delivery again with the token that it had, and nobody else may use that for another one.
    async fn remember(&self, id: &str, fingerprint: &Bytes, seconds: u64) -> Result<(), Refused> {
        // Deliveries are in the same store, and none of their keys begins like this: an event has a name.
        let key = DedupeKey::new(self.extension_id.as_deref().unwrap_or_default(), &format!(":jti:{id}"));
        let late = || StoreError::new("it does not answer");
        let latest = Instant::now() + STORE;
        let begun = within(self.memory.begin(&key, STORE), latest).await.unwrap_or_else(|| Err(late()));
        match begun.map_err(Refused::StoreDown)? {
            BeginOutcome::Done(known) if known.body() == fingerprint => Ok(()),
            BeginOutcome::Done(_) => Err(TokenError::Reused.into()),
            BeginOutcome::Running { .. } => Err(Refused::InUse),
            BeginOutcome::Leased(lease) => {
                let known = StoredReply::new(http::StatusCode::OK, fingerprint.clone());
                let keep = Duration::from_secs(seconds.saturating_add(MARGIN));
                let committed = within(self.memory.commit(&key, &lease, &known, keep), latest).await;
                match committed.unwrap_or_else(|| Err(late())).map_err(Refused::StoreDown)? {
                    LeaseState::Held => Ok(()),
                    LeaseState::Lost => Err(Refused::InUse),
                }
            }
        }
    }
}

/// How much longer than it is valid a token is remembered, in seconds: as long as clocks may differ.
const MARGIN: u64 = 60;

/// The token in a body, and its type. A token is a text in an object, and nothing else is one.
fn read(body: &Bytes) -> Option<(Secret, Option<String>)> {
    let body = std::str::from_utf8(body).ok()?;
    let mut authentication = Envelope::read(body).ok()?.authentication(body)?;
    let mut text = |name| match authentication.remove(name)? {
        serde_json::Value::String(text) => Some(text),
        _ => None,
    };
    Some((Secret::new(text("runtime_token")?), text("token_type")))
}

/// What a delivery is, save for when it is sent: the same for one that is sent again, and for no other.
fn fingerprint(Incoming { target, headers, body }: &Incoming<'_>) -> Bytes {
    let parts = [target.event, target.version, Some(target.query), headers.get(VERSION_HEADER)];
    let hash = parts.into_iter().fold(Sha256::new(), |hash, part| {
        let part = part.unwrap_or_default();
        hash.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
    });
    let mut hex = [0; 64];
    let hash = hash.chain_update(body).finalize();
    Bytes::copy_from_slice(base16ct::lower::encode_str(&hash, &mut hex).unwrap_or_default().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_that_wants_signatures_lets_nobody_in_without_a_secret() {
        for mode in [Authentication::Hmac, Authentication::Both] {
            let verdict = Admission::new(mode, None, None).by_signature(&Headers::default(), b"{}", 0);
            let refused = matches!(verdict, Verdict::Given(Err(Refused::Unsigned(SignatureError::NoSecret))));
            assert!(refused, "{mode}");
        }
    }
}
