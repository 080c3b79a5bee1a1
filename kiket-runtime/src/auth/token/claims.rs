//! The claims of a token, and whether they are valid now.

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Number, value::RawValue};

use super::{jwks::object, rules::TokenRules};
use crate::{auth::grant::Grant, error::TokenError};

/// The claims of a runtime token. Other claims are ignored.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    exp: Number,
    nbf: Option<Number>,
    iat: Option<Number>,
    aud: Option<Audience>,
    jti: String,
    sub: Option<String>,
    #[serde(default, deserialize_with = "id")]
    org_id: Option<String>,
    #[serde(default, deserialize_with = "id")]
    ext_id: Option<String>,
    #[serde(default, deserialize_with = "id")]
    proj_id: Option<String>,
    #[serde(default, deserialize_with = "id")]
    pi_id: Option<String>,
    scopes: Option<Vec<String>>,
    src: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// The longest token id in bytes: it becomes part of a key.
const LONGEST_ID: usize = 256;

impl TokenRules {
    /// What a payload allows at `now`, in Unix seconds. Its signature is not verified yet.
    pub(super) fn grant(&self, payload: &[u8], now: u64) -> Result<Grant, TokenError> {
        let claims: Claims = object(payload).ok_or(TokenError::WrongClaims)?;
        if claims.iss != self.issuer {
            return Err(TokenError::WrongIssuer);
        }
        let leeway = self.leeway.as_secs();
        let seconds = |number: &Number| numeric_date(number).ok_or(TokenError::WrongClaims);
        let expires = seconds(&claims.exp)?;
        if now >= expires.saturating_add(leeway) {
            return Err(TokenError::Expired);
        }
        let latest = now.saturating_add(leeway);
        for begin in [&claims.nbf, &claims.iat].into_iter().flatten() {
            if seconds(begin)? > latest {
                return Err(TokenError::NotYetValid);
            }
        }
        if self.audience.as_ref().is_some_and(|audience| !claims.is_for(audience)) {
            return Err(TokenError::WrongAudience);
        }
        if self.extension.is_some() && self.extension != claims.ext_id {
            return Err(TokenError::WrongExtension);
        }
        if claims.jti.trim().is_empty() || claims.jti.len() > LONGEST_ID {
            return Err(TokenError::WrongClaims);
        }
        Ok(Grant {
            verified: true,
            expires_at: Some(expires),
            issued_at: claims.iat.as_ref().and_then(numeric_date),
            scopes: claims.scopes.unwrap_or_default(),
            subject: claims.sub,
            organization: claims.org_id,
            extension: claims.ext_id,
            project: claims.proj_id,
            pi: claims.pi_id,
            source: claims.src,
            id: Some(claims.jti),
        })
    }
}

impl Claims {
    fn is_for(&self, audience: &str) -> bool {
        match &self.aud {
            None => false,
            Some(Audience::One(one)) => one == audience,
            Some(Audience::Several(several)) => several.iter().any(|one| one == audience),
        }
    }
}

/// Whole seconds since 1970; RFC 7519, section 2, allows a fraction. A number that is too large saturates.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // the cast saturates
fn numeric_date(number: &Number) -> Option<u64> {
    let whole = || number.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64);
    number.as_u64().or_else(whole)
}

/// An id, as a number of any length or as a text, exactly as it is written.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    match raw.get() {
        "null" => Ok(None),
        text if text.starts_with('"') => serde_json::from_str(text).map(Some).map_err(D::Error::custom),
        number if number.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
            Ok(Some(number.to_owned()))
        }
        _ => Err(D::Error::custom("an id is a number or a text")),
    }
}
