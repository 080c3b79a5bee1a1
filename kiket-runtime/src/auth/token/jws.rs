//! A signed token (JWS): its parts, and whether a key signed it.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde::Deserialize;

use super::jwks::{Key, object};
use crate::error::TokenError;

/// A token in the compact form. ES256 is the only algorithm.
///
/// ```text
/// token   = header "." payload "." signature      each base64url, without padding
/// header  = {"alg":"ES256", "kid"?: text, …}      other parameters are ignored
/// ```
pub(super) struct Jws<'t> {
    /// The bytes that are signed: header, dot, payload, as written.
    signed: &'t str,
    /// Which key signed the token, as its header says.
    pub(super) key_id: Option<String>,
    /// It is unverified until [`is_signed_by`](Self::is_signed_by) returns true.
    pub(super) payload: Vec<u8>,
    signature: [u8; SIGNATURE],
}

/// The longest token in bytes; real ones have 600.
const LONGEST: usize = 16 * 1024;
/// `r` and `s`, 32 bytes each; RFC 7518, section 3.4.
const SIGNATURE: usize = 64;

/// The header parameters that are read. Keys and URLs of keys are not: an attacker can write them.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood; RFC 7515, section 4.1.11. kiket understands none.
    crit: Option<serde::de::IgnoredAny>,
}

impl<'t> Jws<'t> {
    pub(super) fn read(token: &'t str) -> Result<Self, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let decoded = |text| Base64UrlUnpadded::decode_vec(text).map_err(|_| TokenError::Malformed);
        let header: Header = object(&decoded(header)?).ok_or(TokenError::Malformed)?;
        if header.alg != "ES256" {
            return Err(TokenError::WrongAlgorithm);
        }
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let signature = decoded(signature)?.try_into().map_err(|_| TokenError::Malformed)?;
        Ok(Self { signed, key_id: header.kid, payload: decoded(payload)?, signature })
    }

    /// Whether one of `keys` signed it.
    pub(super) fn is_signed_by<'k>(&self, mut keys: impl Iterator<Item = &'k Key>) -> bool {
        keys.any(|key| key.signed(self.signed.as_bytes(), &self.signature))
    }
}
