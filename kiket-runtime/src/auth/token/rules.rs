//! Which tokens are taken, as the builder was told.

use std::{fmt, str::FromStr, time::Duration};

use super::jwks::KeySet;
use crate::{error::Problem, types::Secret};

/// What proves that a delivery is Kiket's: see [`Builder::authentication`](crate::Builder::authentication).
///
/// ```
/// use kiket_runtime::Authentication;
///
/// assert_eq!("both".parse(), Ok(Authentication::Both));
/// assert_eq!(Authentication::default().to_string(), "hmac");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Authentication {
    /// The signature of its body, made with the webhook secret.
    #[default]
    Hmac,
    /// The runtime token in its body. **Nothing signs the body then**: whoever gets hold of a token that was not used
    /// yet can send it with a body of his own. Whoever gets hold of a whole delivery can send it again until its token
    /// expires, which changes nothing unless the extension remembers no deliveries.
    Token,
    /// Both must hold.
    Both,
    /// Either must hold: for the time in which an installation changes from one to the other.
    Either,
}

impl Authentication {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Hmac, "hmac"), (Self::Token, "token"), (Self::Both, "both"), (Self::Either, "either")];

    /// Whether runtime tokens are looked at.
    pub fn takes_tokens(self) -> bool {
        self != Self::Hmac
    }

    /// Whether the webhook secret is used.
    pub fn takes_signatures(self) -> bool {
        self != Self::Token
    }
}

impl fmt::Display for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(mode, _)| mode == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Authentication {
    type Err = UnknownAuthentication;

    fn from_str(text: &str) -> Result<Self, UnknownAuthentication> {
        let found = Self::ALL.iter().find(|(_, name)| name.eq_ignore_ascii_case(text.trim()));
        found.map(|(mode, _)| *mode).ok_or(UnknownAuthentication)
    }
}

/// A text that is none of the ways to authenticate deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("deliveries are authenticated by `hmac`, `token`, `both` or `either`")]
pub struct UnknownAuthentication;

/// Which runtime tokens are taken; what is not said here is as Kiket does it.
///
/// A token is an ES256 JWT of the issuer `kiket.dev`, signed by a key from `/.well-known/jwks.json` below the configured
/// base URL, whatever a delivery says of other addresses. It must expire, and is taken for one delivery.
///
/// ```
/// use std::time::Duration;
/// use kiket_runtime::{Authentication, Extension, TokenRules};
///
/// let rules = TokenRules::new().audience("com.example.marketing").leeway(Duration::from_secs(5));
/// let builder = Extension::builder().authentication(Authentication::Both).token_rules(rules);
/// # let _ = builder;
/// ```
#[derive(Debug, Clone)]
#[must_use = "rules do nothing until the builder has them"]
pub struct TokenRules {
    issuer: String,
    audience: Option<String>,
    extension: Option<String>,
    leeway: Duration,
    /// Public ones; but who gives private ones by mistake does not want them printed.
    keys: Option<Secret>,
}

/// Who makes tokens, unless the rules say otherwise; contract 5.1.
const ISSUER: &str = "kiket.dev";
/// The most that clocks may differ; contract 5.1.
const LARGEST_LEEWAY: Duration = Duration::from_secs(60);

impl Default for TokenRules {
    fn default() -> Self {
        let issuer = ISSUER.to_owned();
        Self { issuer, audience: None, extension: None, leeway: Duration::ZERO, keys: None }
    }
}

impl TokenRules {
    /// The rules of Kiket's own tokens.
    pub fn new() -> Self {
        Self::default()
    }

    /// Who makes them: the claim `iss`, exactly; `kiket.dev` unless set.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// Whom they are made for: the claim `aud` must have it. Not looked at unless set.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// The extension's own number at Kiket: the claim `ext_id` must be it. Not looked at unless set, for it is not the
    /// id of the manifest.
    pub fn extension_number(mut self, id: impl fmt::Display) -> Self {
        self.extension = Some(id.to_string());
        self
    }

    /// How far the clocks of Kiket and of this machine may differ: none unless set, 60 s at most. Whole seconds count.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// The keys themselves, as the text of a JWKS: none are fetched then.
    pub fn keys(mut self, jwks: impl Into<Secret>) -> Self {
        self.keys = Some(jwks.into());
        self
    }

    /// The checks, and the keys if they were given.
    pub(super) fn checked(&self) -> Result<(Checks, Option<KeySet>), Vec<Problem>> {
        let mut problems = Vec::new();
        if self.leeway > LARGEST_LEEWAY {
            let what = format!("a leeway of {:?} for runtime tokens is more than 60 s", self.leeway);
            problems.push(Problem::new(what).mend("set the clock of this machine by NTP, and give less"));
        }
        let keys = self.keys.as_ref().map(|keys| KeySet::read(keys.expose().as_bytes())).transpose();
        let keys = keys.unwrap_or_else(|why| {
            let what = format!("the keys for runtime tokens cannot be used: {why}");
            problems
                .push(Problem::new(what).mend("give the text that `/.well-known/jwks.json` of Kiket has"));
            None
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        let Self { issuer, audience, extension, leeway, .. } = self.clone();
        Ok((Checks { issuer, audience, extension, leeway_seconds: leeway.as_secs() }, keys))
    }
}

/// What the claims of a token are compared with.
#[derive(Debug, Clone)]
pub(super) struct Checks {
    pub(super) issuer: String,
    pub(super) audience: Option<String>,
    pub(super) extension: Option<String>,
    pub(super) leeway_seconds: u64,
}
