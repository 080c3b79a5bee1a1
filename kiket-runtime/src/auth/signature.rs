//! Signs and verifies webhooks: HMAC-SHA256 of timestamp and body.
//!
//! ```
//! use kiket_runtime::signature;
//!
//! let signature = signature::sign("sh_123", 1_700_000_000, b"{}");
//! let verified = signature::verify("sh_123", "1700000000", &signature, b"{}", 1_700_000_300)?;
//! assert_eq!(verified.timestamp(), 1_700_000_000);
//! # Ok::<(), signature::SignatureError>(())
//! ```

use crate::{
    auth::hmac::{MacKey, read_hex, read_time},
    types::{Headers, Secret, hex},
};
pub use crate::{error::SignatureError, types::SecretError};

/// The header with the time of the signature: Unix seconds, ASCII digits only.
pub const TIMESTAMP_HEADER: &str = "x-kiket-timestamp";
/// The header with the signature: 64 hex digits, optionally behind `sha256=`.
pub const SIGNATURE_HEADER: &str = "x-kiket-signature";
/// How far the timestamp may be from now, in either direction, in seconds (wire contract, signature-window).
pub const TOLERANCE_SECONDS: u64 = 300;

/// The signature of `body` at `timestamp` (Unix seconds): lower-case hex, as `X-Kiket-Signature` has it.
///
/// ```
/// let signature = kiket_runtime::signature::sign("kiket_test_secret", 1_700_000_000, b"");
/// assert_eq!(signature, "641769d76382d207a4d39d76c27c8b22a50d83d0b808d9c894110f92499f06ca");
/// ```
pub fn sign(secret: &str, timestamp: u64, body: &[u8]) -> String {
    let mac = MacKey::new(secret.as_bytes()).mac(&[timestamp.to_string().as_bytes(), b".", body]);
    hex(&mac)
}

/// Verifies one signature: `timestamp` and `signature` are the values of their headers, `now` is in Unix seconds.
///
/// # Errors
///
/// The reason why the signature is refused. Do not send it to the client.
pub fn verify(
    secret: &str,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    now: u64,
) -> Result<Verified, SignatureError> {
    let verifier = Verifier::new([&Secret::from(secret)]).map_err(|_| SignatureError::NoSecret)?;
    verifier.check(timestamp.as_bytes(), signature.as_bytes(), body, now)
}

/// Verifies signatures with the live secrets of an extension.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: Vec<MacKey>,
}

/// A verified signature: an owner of the secret signed the body, within the time window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    timestamp: u64,
    secret: usize,
}

impl Verified {
    /// The time of the signature, in Unix seconds.
    pub fn timestamp(self) -> u64 {
        self.timestamp
    }

    /// The position of the secret that signed it; 0 is the current one.
    pub fn secret(self) -> usize {
        self.secret
    }
}

impl Verifier {
    /// A verifier for `secrets`, the current one first. The key is the text of the secret, neither trimmed nor decoded.
    ///
    /// # Errors
    ///
    /// When there is no secret, or one is blank or has white space at an end.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s Secret>) -> Result<Self, SecretError> {
        let keys = secrets
            .into_iter()
            .map(|secret| SecretError::check(secret).map(|text| MacKey::new(text.as_bytes())))
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(SecretError::Missing) } else { Ok(Self { keys }) }
    }

    /// Verifies the signature of `body` in `headers`; `now` is in Unix seconds.
    ///
    /// # Errors
    ///
    /// The reason why the signature is refused. Do not send it to the client.
    pub fn verify(&self, headers: &Headers, body: &[u8], now: u64) -> Result<Verified, SignatureError> {
        let timestamp = headers.only(TIMESTAMP_HEADER).map_err(|_| SignatureError::TimestampRepeated)?;
        let timestamp = timestamp.ok_or(SignatureError::TimestampMissing)?;
        let signature = headers.only(SIGNATURE_HEADER).map_err(|_| SignatureError::SignatureRepeated)?;
        let signature = signature.ok_or(SignatureError::SignatureMissing)?;
        self.check(timestamp, signature, body, now)
    }

    fn check(
        &self,
        timestamp: &[u8],
        signature: &[u8],
        body: &[u8],
        now: u64,
    ) -> Result<Verified, SignatureError> {
        let seconds = read_time(timestamp).ok_or(SignatureError::TimestampMalformed)?;
        let mac = read_signature(signature).ok_or(SignatureError::SignatureMalformed)?;
        if seconds.abs_diff(now) > TOLERANCE_SECONDS {
            return Err(SignatureError::TimestampOutsideWindow);
        }
        self.keys
            .iter()
            .position(|key| key.made_any(&[mac], &[timestamp, b".", body]))
            .map(|secret| Verified { timestamp: seconds, secret })
            .ok_or(SignatureError::SignatureMismatch)
    }
}

/// ```text
/// signature = [ "sha256=" ] 64HEXDIG
/// ```
fn read_signature(text: &[u8]) -> Option<[u8; 32]> {
    read_hex(text.strip_prefix(b"sha256=").unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_700_000_000;

    #[test]
    fn the_secret_that_matched_is_known_by_position() {
        let (current, previous) = (Secret::from("current"), Secret::from("previous"));
        let verifier = Verifier::new([&current, &previous]).unwrap();
        for (position, secret) in ["current", "previous"].into_iter().enumerate() {
            let signature = sign(secret, NOW, b"{}");
            let found = verifier.check(NOW.to_string().as_bytes(), signature.as_bytes(), b"{}", NOW).unwrap();
            assert_eq!((found.secret(), found.timestamp()), (position, NOW));
        }
    }

    #[test]
    fn unusable_secrets_make_no_verifier() {
        #[track_caller]
        fn check(secrets: &[&str], expected: SecretError) {
            let secrets: Vec<_> = secrets.iter().map(|text| Secret::from(*text)).collect();
            assert_eq!(Verifier::new(&secrets).unwrap_err(), expected);
        }
        check(&[], SecretError::Missing);
        check(&[""], SecretError::Blank);
        check(&[" \n"], SecretError::Blank);
        check(&["good", ""], SecretError::Blank);
        check(&["secret\n"], SecretError::Padded);
        check(&[" secret"], SecretError::Padded);
    }

    proptest! {
        #[test]
        fn no_input_panics(
            timestamp in prop::collection::vec(any::<u8>(), 0..40),
            signature in prop::collection::vec(any::<u8>(), 0..100),
            body in prop::collection::vec(any::<u8>(), 0..200),
            now in any::<u64>(),
        ) {
            let verifier = Verifier::new([&Secret::from("secret")]).unwrap();
            prop_assert!(verifier.check(&timestamp, &signature, &body, now).is_err());
        }

        #[test]
        fn what_was_signed_verifies_and_any_changed_bit_is_refused(
            secret in "[!-~]{1,80}",
            timestamp in 0u64..=999_999_999_999_999,
            body in prop::collection::vec(any::<u8>(), 1..300),
            skew in 0..=TOLERANCE_SECONDS,
            bit in any::<prop::sample::Index>(),
        ) {
            let verifier = Verifier::new([&Secret::new(secret.as_str())]).unwrap();
            let text = timestamp.to_string();
            let signature = sign(&secret, timestamp, &body);
            let now = timestamp.saturating_add(skew);
            let check = |timestamp: &[u8], mac: &[u8], body: &[u8]| verifier.check(timestamp, mac, body, now).is_ok();
            prop_assert!(check(text.as_bytes(), signature.as_bytes(), &body));

            let flipped = |bytes: &[u8]| {
                let mut bytes = bytes.to_vec();
                let bit = bit.index(bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
                bytes
            };
            prop_assert!(!check(text.as_bytes(), signature.as_bytes(), &flipped(&body)));
            prop_assert!(!check(&flipped(text.as_bytes()), signature.as_bytes(), &body));
            // The MAC's own bits: flipping the case of a hex digit changes the text and not the MAC.
            let mut mac = [0; 32];
            base16ct::lower::decode(&signature, &mut mac).unwrap();
            let mut hex = [0; 64];
            base16ct::lower::encode_str(&flipped(&mac), &mut hex).unwrap();
            prop_assert!(!check(text.as_bytes(), &hex, &body));
        }
    }
}
