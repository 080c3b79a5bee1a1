//! Authenticates requests by signature, runtime token, or both, as the extension is configured.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use sha2::Digest as _;
use tokio::time::Instant;

use super::{concurrency::ConcurrencyLimit, dedupe::before, respond::Refusal};
use crate::{
    auth::{
        Authentic, Token, TokenRefusal, TokenVerifier, Verified, Verifier, refusal,
        signature::SIGNATURE_HEADER,
    },
    delivery::{Envelope, Request, without_mark},
    error::{Rejection, SignatureError, TokenError},
    metrics::{
        Metrics,
        traces::{self, traced},
    },
    store::{BeginOutcome, DedupeStore, KeySpace, LeaseState, StoreError, StoredReply},
    telemetry::panicked,
    types::{Authentication, Clock, Secret, VERSION_HEADER, caught_to_end, hex, sha256_of_parts, unless},
};

/// Authenticates requests.
pub(crate) struct Authenticator {
    pub(crate) mode: Authentication,
    /// Present in every mode that takes signatures.
    pub(crate) signatures: Option<Verifier>,
    /// Present in every mode that takes tokens.
    pub(crate) tokens: Option<Tokens>,
    pub(crate) clock: Clock,
    /// Counts refusals by cause.
    pub(crate) metrics: Arc<Metrics>,
}

/// Verifies runtime tokens, and stores used ones.
pub(crate) struct Tokens {
    pub(crate) verifier: TokenVerifier,
    pub(crate) memory: Arc<dyn DedupeStore>,
    pub(crate) keys: KeySpace,
    /// Whether tokens are accepted while the store is down, at the risk of accepting one twice.
    pub(crate) run_without_store: bool,
}

/// Why a request is not accepted.
#[derive(Debug)]
enum Refused {
    Unsigned(SignatureError),
    Token(TokenRefusal),
    /// The same token is being checked, here or elsewhere.
    InUse,
    StoreDown(StoreError),
}

/// The timeout of the store for one token.
const STORE: Duration = Duration::from_secs(5);

impl Authenticator {
    /// What the request proves, else 401, or 503 while that cannot be known (wire contract, response-unsigned). The response
    /// does not name the cause.
    pub(super) async fn authenticate(
        &self,
        request: &Request<'_>,
        concurrency: &Arc<ConcurrencyLimit>,
    ) -> Result<Authentic, Refusal> {
        let now = self.clock.unix_seconds();
        // The signature costs little and does not wait.
        let verify = |verifier: &Verifier| verifier.verify(&request.headers, &request.body, now);
        let verdict = match (self.mode, self.signatures.as_ref().map(verify)) {
            (Authentication::Hmac, Some(signature)) => {
                signature.map(Authentic::signed).map_err(Refused::Unsigned)
            }
            (Authentication::Both, Some(Err(cause))) => Err(Refused::Unsigned(cause)),
            // The start makes sure that there is a secret.
            (Authentication::Hmac | Authentication::Both, None) => {
                Err(Refused::Unsigned(SignatureError::NoSecret))
            }
            (_, signature) => {
                // While it waits for keys it counts as an arriving body, because the sender is not known yet.
                let _permit = concurrency.try_arrive().map_err(Refusal::of_stranger)?;
                let by_token = Box::pin(self.by_token(signature, request, now));
                let ended = || {
                    let (arriving, ended) = concurrency.arrivals.admit(request.body.len());
                    ended.map(|()| drop(arriving))
                };
                let overloaded = |()| Refusal::of_stranger(Rejection::OVERLOADED);
                unless(by_token, 1, ended).await.map_err(overloaded)?
            }
        };
        if let (Some(accepted), Ok(Authentic { signed_at, secret: Some(position), .. })) =
            (&self.metrics.accepted, &verdict)
        {
            accepted.add(*position, *signed_at, now);
        }
        verdict.map_err(|refused| Refusal::of_stranger(self.rejection(refused, request, now)))
    }

    /// The verdict by signature and token.
    async fn by_token(
        &self,
        signature: Option<Result<Verified, SignatureError>>,
        request: &Request<'_>,
        now: u64,
    ) -> Result<Authentic, Refused> {
        let Some(tokens) = &self.tokens else {
            return Err(Refused::Unsigned(SignatureError::NoSecret)); // no mode is without both
        };
        let signed = matches!(signature, Some(Ok(_)));
        let token = tokens.take(request, signed, now).await;
        match (signature, token, self.mode) {
            (Some(Ok(verified)), Ok(token), _) => {
                Ok(Authentic { token: Some(token), ..Authentic::signed(verified) })
            }
            (None | Some(Err(_)), Ok(token), _) => Ok(Authentic::by_token(token, now)),
            (Some(Ok(verified)), Err(refused), Authentication::Either) => {
                let undecided =
                    refused.is_undecided().then(|| self.rejection(refused, request, now)).map(Box::new);
                Ok(Authentic { undecided, ..Authentic::signed(verified) })
            }
            (Some(Err(cause)), Err(Refused::Token(TokenRefusal::Wrong(TokenError::Missing))), _) => {
                Err(Refused::Unsigned(cause))
            }
            (_, Err(refused), _) => Err(refused),
        }
    }

    /// Counts and logs the cause; the response to a request that is not from Kiket is one constant.
    fn rejection(&self, refused: Refused, request: &Request<'_>, now: u64) -> Rejection {
        match refused {
            Refused::Unsigned(cause) => {
                let unread = || {
                    let unsigned =
                        matches!(cause, SignatureError::TimestampMissing | SignatureError::SignatureMissing);
                    let has_token =
                        self.mode == Authentication::Hmac && unsigned && read(&request.body).is_some();
                    has_token.then_some(TOKEN_UNREAD)
                };
                let count = self.metrics.refused(cause, now);
                unsigned(request, "signature", cause.code(), &Explained(cause, unread), count)
            }
            Refused::Token(TokenRefusal::Wrong(cause)) => {
                let unread = || {
                    let missing = self.mode == Authentication::Token && cause == TokenError::Missing;
                    (missing && request.headers.get(SIGNATURE_HEADER).is_some()).then_some(SIGNATURE_UNREAD)
                };
                let count = self.metrics.refused_token(cause, now);
                unsigned(request, "runtime token", cause.code(), &Explained(cause, unread), count)
            }
            Refused::Token(TokenRefusal::Undecided(wait)) => Rejection::keys_unavailable(wait),
            Refused::InUse => Rejection::TOKEN_IN_USE,
            Refused::StoreDown(error) => {
                self.metrics.store.token_errors.add();
                tracing::error!(%error, "the store of used runtime tokens is down: what needs the token has to be sent again");
                Rejection::STORE_DOWN
            }
        }
    }
}

/// Refuses a stranger by its `proof`, and says why, in the log where a line with this count is due.
fn unsigned(
    request: &Request<'_>,
    proof: &str,
    code: &'static str,
    why: &impl fmt::Display,
    count: Option<u64>,
) -> Rejection {
    refusal::note(code, why);
    if let Some(count) = count {
        let refusal = traces::Refusal { status: Rejection::UNSIGNED.status, code, authentic: false };
        traced(|traces| traces.refuse(&request.headers, refusal));
        tracing::warn!(cause = code, count, "{proof} refused: {why}");
    }
    Rejection::UNSIGNED
}

/// A cause, and the way out where the delivery has a proof that the mode does not read. Only its display looks for that: for
/// a line of the log, of which there are few, and for tests.
struct Explained<C, H>(C, H);

impl<C: fmt::Display, H: Fn() -> Option<&'static str>> fmt::Display for Explained<C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(cause, way_out) = self;
        cause.fmt(f)?;
        way_out().map_or(Ok(()), |way_out| write!(f, "; {way_out}"))
    }
}

const TOKEN_UNREAD: &str = "it has a runtime token, which mode `hmac` does not read: set `KIKET_AUTHENTICATION` to `token` or \
                            `either` if Kiket signs no deliveries of this installation";
const SIGNATURE_UNREAD: &str = "it has a signature, which mode `token` does not read: set `KIKET_AUTHENTICATION` to `hmac` or \
                                `either` if Kiket sends this installation no runtime tokens";

impl Refused {
    fn is_undecided(&self) -> bool {
        match self {
            Self::Token(TokenRefusal::Undecided(_)) | Self::InUse | Self::StoreDown(_) => true,
            Self::Unsigned(_) | Self::Token(TokenRefusal::Wrong(_)) => false,
        }
    }
}

impl From<TokenRefusal> for Refused {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Token(refusal)
    }
}

impl Tokens {
    /// The token of a delivery, which no other delivery may use from now on (wire contract, token-single-use).
    async fn take(&self, request: &Request<'_>, signed: bool, now: u64) -> Result<Token, Refused> {
        let missing = TokenRefusal::Wrong(TokenError::Missing);
        let (envelope, text, token_type) = read(&request.body).ok_or(missing)?;
        let auth = self.verifier.verify(text.expose(), now).await?.of_type(token_type);
        let id = auth.grant().id.as_deref().unwrap_or_default();
        let expires = auth.grant().expires_at.unwrap_or(now);
        let hashes = hashes(request, &envelope);
        let remembered = self.remember(id, &hashes, signed, expires.saturating_sub(now));
        // The store may be the user's.
        let caught = caught_to_end(remembered).await;
        match caught.unwrap_or_else(|text| Err(Refused::StoreDown(panicked(&text)))) {
            Err(Refused::StoreDown(error)) if self.run_without_store => {
                tracing::error!(%error, "the store is down: whether a runtime token was used before is unknown");
            }
            remembered => remembered?,
        }
        Ok(Token { auth, text })
    }

    /// Stores a token until it expires, with the hashes of its delivery: Kiket may send a delivery again with its token, and no
    /// other delivery may use it. What differs from attempt to attempt may differ in a delivery that is `signed`. Elsewhere it may
    /// be forged, and the delivery has to come again with another token.
    async fn remember(&self, id: &str, hashes: &Bytes, signed: bool, seconds: u64) -> Result<(), Refused> {
        // Deliveries are in the same store; their keys begin with the name of an event, which is never empty.
        let key = self.keys.key(|text| {
            text.push_str(":jti:");
            text.push_str(id);
        });
        let (latest, late) = (Instant::now() + STORE, "it does not respond");
        let begun = before(latest, self.memory.begin(&key, STORE), late).await;
        match begun.map_err(Refused::StoreDown)? {
            BeginOutcome::Done(known) if known.body() == hashes => Ok(()),
            BeginOutcome::Done(known) if known.body().get(..SHARED) != hashes.get(..SHARED) => {
                Err(TokenRefusal::Wrong(TokenError::Reused).into())
            }
            BeginOutcome::Done(_) if signed => Ok(()),
            BeginOutcome::Done(_) | BeginOutcome::Running { .. } => Err(Refused::InUse),
            BeginOutcome::Leased(lease) => {
                let known = StoredReply::new(http::StatusCode::OK, hashes.clone());
                let keep = Duration::from_secs(seconds.saturating_add(MARGIN));
                let committed = before(latest, self.memory.commit(&key, &lease, &known, keep), late).await;
                match committed.map_err(Refused::StoreDown)? {
                    LeaseState::Held => Ok(()),
                    LeaseState::Lost => Err(Refused::InUse),
                }
            }
        }
    }
}

/// How much longer than it is valid a token is stored, in seconds: as long as clocks may differ.
const MARGIN: u64 = 60;

/// The envelope of a body, its token, and the type of that. A token is a text in an object, and nothing else is one.
fn read(body: &Bytes) -> Option<(Envelope, Secret, Option<String>)> {
    let body = without_mark(std::str::from_utf8(body).ok()?);
    let envelope = Envelope::read(body).ok()?;
    let mut authentication = envelope.authentication(body)?;
    let mut text = |name| match authentication.remove(name)? {
        serde_json::Value::String(text) => Some(text),
        _ => None,
    };
    Some((envelope, Secret::new(text("runtime_token")?), text("token_type")))
}

/// Hashes of the delivery, one after the other: of what its attempts share, and of all of it.
fn hashes(Request { target, headers, body }: &Request<'_>, envelope: &Envelope) -> Bytes {
    let parts = [target.event, target.version, Some(target.query), headers.get(VERSION_HEADER)];
    let hash = sha256_of_parts(parts.map(Option::unwrap_or_default));
    let text = without_mark(std::str::from_utf8(body).unwrap_or_default());
    let shared = hash.clone().chain_update(envelope.content_hash(text)).finalize();
    (hex(&shared) + &hex(&hash.chain_update(body).finalize())).into()
}

/// The length of the first one.
const SHARED: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::TokenRules,
        dedupe::MemoryStore,
        delivery::{Target, Tasks},
        types::{BaseUrl, Headers},
    };

    #[tokio::test]
    async fn a_mode_with_signatures_accepts_nothing_without_a_secret() {
        for mode in [Authentication::Hmac, Authentication::Both] {
            let (headers, body) = (Headers::default(), Bytes::from_static(b"{}"));
            let request = Request { target: Target::default(), headers, body };
            let (clock, metrics) = (Clock::default(), Arc::<Metrics>::default());
            let authenticator = Authenticator { mode, signatures: None, tokens: None, clock, metrics };
            let limit = ConcurrencyLimit::new(1, 0, Tasks::default());
            let refusal = authenticator.authenticate(&request, &limit).await;
            assert_eq!(
                refusal.unwrap_err().respond(&authenticator.metrics).status,
                http::StatusCode::UNAUTHORIZED,
                "{mode}"
            );
            let mut refusals = authenticator.metrics.signature_refusals();
            assert!(refusals.any(|refusal| refusal == ("no_secret", 1)), "{mode}");
        }
    }

    /// The cause that a test sees for an unsigned delivery with this body.
    async fn cause(mode: Authentication, body: &'static [u8]) -> String {
        cause_with(mode, Headers::default(), body).await
    }

    async fn cause_with(mode: Authentication, headers: Headers, body: &'static [u8]) -> String {
        let request = Request { target: Target::default(), headers, body: Bytes::from_static(body) };
        let (clock, metrics) = (Clock::default(), Arc::<Metrics>::default());
        let secrets = [Secret::from("sh_123456789012345")];
        let signatures = mode.takes_signatures().then(|| Verifier::new(&secrets).unwrap());
        let tokens = mode.takes_tokens().then(|| Tokens {
            verifier: TokenVerifier::new(&TokenRules::new(), &BaseUrl::default()).unwrap(),
            memory: Arc::new(MemoryStore::new()),
            keys: KeySpace::new(None, None),
            run_without_store: false,
        });
        let authenticator = Authenticator { mode, signatures, tokens, clock, metrics };
        let limit = ConcurrencyLimit::new(1, 0, Tasks::default());
        let (refused, cause) = refusal::observed(authenticator.authenticate(&request, &limit)).await;
        assert_eq!(
            refused.unwrap_err().respond(&authenticator.metrics).status,
            http::StatusCode::UNAUTHORIZED
        );
        cause.unwrap()
    }

    #[tokio::test]
    async fn a_token_that_the_mode_does_not_read_is_named() {
        let hmac = Authentication::Hmac;
        for body in [
            r#"{"authentication":{"runtime_token":"a.b.c"}}"#,
            "\u{feff}{\"authentication\":{\"runtime_token\":\"a\"}}",
        ] {
            let cause = cause(hmac, body.as_bytes()).await;
            assert!(cause.starts_with("timestamp_missing: "), "{cause}");
            assert!(cause.contains("runtime token") && cause.contains("`KIKET_AUTHENTICATION`"), "{cause}");
            assert!(!cause.contains("a.b.c"), "{cause}");
        }
        for body in [&b"{}"[..], b"", b"\xff", br#"{"authentication":{"runtime_token":7}}"#] {
            assert!(!cause(hmac, body).await.contains("KIKET_AUTHENTICATION"));
        }
        let both = cause(Authentication::Both, br#"{"authentication":{"runtime_token":"a.b.c"}}"#).await;
        assert!(!both.contains("KIKET_AUTHENTICATION"), "{both}");
    }

    #[tokio::test]
    async fn a_signature_that_the_mode_does_not_read_is_named() {
        let signed = || Headers::from_iter([(SIGNATURE_HEADER, "sha256=canary")]);
        let token = br#"{"authentication":{"runtime_token":"a.b.c"}}"#;
        let unread = cause_with(Authentication::Token, signed(), b"{}").await;
        assert!(unread.starts_with("token_missing: "), "{unread}");
        assert!(unread.contains("signature") && unread.contains("`KIKET_AUTHENTICATION`"), "{unread}");
        assert!(!unread.contains("canary"), "{unread}");
        // What the mode reads is what is wrong.
        for (mode, headers, body) in [
            (Authentication::Token, signed(), &token[..]),
            (Authentication::Token, Headers::default(), b"{}"),
            (Authentication::Either, Headers::default(), b"{}"),
            (Authentication::Either, signed(), b"{}"),
            (Authentication::Both, Headers::default(), b"{}"),
            (Authentication::Both, signed(), &token[..]),
        ] {
            let cause = cause_with(mode, headers, body).await;
            assert!(!cause.contains("KIKET_AUTHENTICATION"), "{mode}: {cause}");
        }
    }
}
