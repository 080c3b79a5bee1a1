//! The rules for runtime tokens.

use std::{fmt, time::Duration};

use super::jwks::KeySet;
use crate::{
    error::{Problem, ProblemId},
    types::{Secret, setters},
};

/// Which runtime tokens (JWTs) are accepted. The defaults are those of Kiket.
///
/// A token is an ES256 JWT of the issuer `kiket.dev`, signed by a key from `/.well-known/jwks.json` below the configured
/// base URL; an address in a delivery is ignored. It must expire, and is accepted for one delivery.
///
/// ```
/// use std::time::Duration;
/// use kiket_runtime::{Extension, auth::{Authentication, TokenRules}};
///
/// let rules = TokenRules::new().audience("com.example.marketing").leeway(Duration::from_secs(5));
/// let builder = Extension::builder().authentication(Authentication::Both).token_rules(rules);
/// # let _ = builder;
/// ```
#[derive(Debug, Clone)]
#[must_use = "rules do nothing until the builder gets them"]
pub struct TokenRules {
    pub(super) issuer: String,
    pub(super) audience: Option<String>,
    pub(super) extension: Option<String>,
    pub(super) leeway: Duration,
    /// Public keys; hidden all the same, in case private ones are given by mistake.
    keys: Option<Secret>,
}

/// The default issuer (wire contract, token-issuer).
const ISSUER: &str = "kiket.dev";
/// The largest leeway (wire contract, token-leeway).
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

    setters! {
        /// The issuer: the claim `iss` must equal it; `kiket.dev` by default.
        issuer(issuer: impl Into<String>) => |rules| rules.issuer = issuer.into();
        /// The audience: the claim `aud` must contain it. Comes before `KIKET_TOKEN_AUDIENCE`; not checked unless set.
        audience(audience: impl Into<String>) => |rules| rules.audience = Some(audience.into());
        /// The number of the extension at Kiket, which is not the id in the manifest: the claim `ext_id` must equal it. Comes
        /// before `KIKET_EXTENSION_NUMBER`; not checked unless set.
        ///
        /// The modes `token` and `either` need it or an audience: without either, a token that Kiket made for another extension
        /// would open this one.
        extension_number(id: impl fmt::Display) => |rules| rules.extension = Some(id.to_string());
        /// How far the clocks of Kiket and of this machine may differ: not at all by default, 60 s at most. Whole seconds
        /// count.
        leeway(leeway: Duration) => |rules| rules.leeway = leeway;
        /// The keys, as the text of a JWKS. None are fetched then.
        #[doc(alias = "JWKS")]
        keys(jwks: impl Into<Secret>) => |rules| rules.keys = Some(jwks.into());
    }

    /// The values of the configuration, where the rules have none.
    pub(crate) fn fill(&mut self, number: Option<&str>, audience: Option<&str>) {
        self.extension = self.extension.take().or_else(|| number.map(str::to_owned));
        self.audience = self.audience.take().or_else(|| audience.map(str::to_owned));
    }

    /// Whether the tokens of another extension are refused.
    pub(crate) fn bind(&self) -> bool {
        self.extension.is_some() || self.audience.is_some()
    }

    /// Whether keys were given, and none are fetched.
    pub(crate) fn has_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// The keys if they were given.
    ///
    /// # Errors
    ///
    /// What is wrong with the rules.
    pub(super) fn checked(&self) -> Result<Option<KeySet>, Vec<Problem>> {
        let mut problems = Vec::new();
        if self.leeway > LARGEST_LEEWAY {
            let what = format!("a leeway of {:?} for runtime tokens is more than 60 s", self.leeway);
            problems.push(
                Problem::new(ProblemId::TokenRules, what)
                    .mend("set the clock of this machine by NTP, and give less"),
            );
        }
        let keys = self.keys.as_ref().map(|keys| KeySet::read(keys.expose().as_bytes())).transpose();
        let keys = keys.unwrap_or_else(|why| {
            let what = format!("the keys for runtime tokens cannot be used: {why}");
            problems.push(
                Problem::new(ProblemId::TokenRules, what)
                    .mend("give the text that `/.well-known/jwks.json` of Kiket has"),
            );
            None
        });
        if problems.is_empty() { Ok(keys) } else { Err(problems) }
    }
}
