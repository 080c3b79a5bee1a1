//! Kiket's public keys, read from a JWKS.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::TokenError;

/// The keys that may sign tokens.
///
/// ```text
/// {"keys": [{"kty":"EC", "crv":"P-256", "x":…, "y":…, "kid"?:…, "use"?:"sig", "alg"?:"ES256", "key_ops"?:["verify"]}]}
/// ```
///
/// Keys of other kinds are ignored: a document may have some for other uses.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Key>);

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    /// The point, uncompressed; SEC 1, section 2.3.3.
    point: [u8; 65],
}

/// The most keys of a document; one with more is refused.
const MOST: usize = 100;
/// The most bytes of the document.
pub(super) const LARGEST: usize = 256 * 1024;

#[derive(Deserialize)]
struct Document<'j> {
    #[serde(borrow)]
    keys: Vec<&'j RawValue>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    kid: Option<String>,
    r#use: Option<String>,
    alg: Option<String>,
    key_ops: Option<Vec<String>>,
}

impl KeySet {
    /// # Errors
    ///
    /// Why `json` has no usable key.
    pub(super) fn read(json: &[u8]) -> Result<Self, String> {
        if json.len() > LARGEST {
            return Err(format!("it has more than {LARGEST} bytes"));
        }
        let document: Document<'_> =
            object(json).ok_or("it is no JSON object with a list of `keys`, like `{\"keys\": […]}`")?;
        if document.keys.len() > MOST {
            return Err(format!("it has more than {MOST} keys"));
        }
        let keys = document.keys.iter().filter_map(|key| object::<Jwk>(key.get().as_bytes())?.usable());
        let keys: Vec<_> = keys.collect();
        if keys.is_empty() {
            return Err("it has no key for ES256, which is on the curve P-256".to_owned());
        }
        Ok(Self(keys))
    }

    /// The keys that may have signed a token with the key id `id`; without an id, the only key of the set.
    pub(super) fn candidates<'k>(
        &'k self,
        id: Option<&'k str>,
    ) -> Result<impl Iterator<Item = &'k Key>, TokenError> {
        let candidates = self.0.iter().filter(move |key| id.is_none() || key.id.as_deref() == id);
        match (candidates.clone().count(), id) {
            (0, _) | (2.., None) => Err(TokenError::UnknownKey),
            _ => Ok(candidates),
        }
    }

    pub(super) fn has(&self, id: Option<&str>) -> bool {
        self.candidates(id).is_ok()
    }
}

impl Jwk {
    fn usable(self) -> Option<Key> {
        let is = |value: &Option<String>, only: &str| value.as_deref().is_none_or(|value| value == only);
        let for_this = self.kty == "EC"
            && self.crv.as_deref() == Some("P-256")
            && is(&self.r#use, "sig")
            && is(&self.alg, "ES256")
            && self.key_ops.is_none_or(|uses| uses.iter().any(|r#use| r#use == "verify"));
        let mut point = [0x04; 65];
        let (x, y) = point.get_mut(1..)?.split_at_mut(32);
        coordinate(&self.x?, x)?;
        coordinate(&self.y?, y)?;
        for_this.then_some(Key { id: self.kid, point })
    }
}

/// Decodes a coordinate, which must fill `bytes`.
fn coordinate(text: &str, bytes: &mut [u8]) -> Option<()> {
    let length = bytes.len();
    (Base64UrlUnpadded::decode(text, bytes).ok()?.len() == length).then_some(())
}

impl Key {
    /// Whether this key signed `message`. A point that is not on the curve signed nothing.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.point).verify(message, signature).is_ok()
    }
}

/// A JSON object as a `T`. A list is refused, because serde would fill the fields by their order; so is text that is not
/// UTF-8, also in an ignored field.
pub(super) fn object<'j, T: Deserialize<'j>>(json: &'j [u8]) -> Option<T> {
    let json = std::str::from_utf8(json).ok()?;
    json.trim_ascii_start().starts_with('{').then(|| serde_json::from_str(json).ok()).flatten()
}
