//! HMAC-SHA256, compared in constant time, and the texts of MACs and times.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _, digest::CtOutput};
use sha2::Sha256;

/// A key. `Debug` hides it.
#[derive(Clone)]
pub(crate) struct MacKey(Hmac<Sha256>);

/// The most digits of a time (wire contract, signature-time).
const TIME_DIGITS: usize = 15;

impl MacKey {
    /// The key `bytes`, which are not empty.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        // HMAC hashes a key that is longer than a block, so keys have any length. Callers refuse an empty one.
        Self(Hmac::new_from_slice(bytes).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length")))
    }

    /// The MAC of the concatenated `parts`.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.authenticate(parts).finalize().into_bytes().into()
    }

    /// Whether one of `claimed` is the MAC of `parts`; each is compared in constant time.
    pub(crate) fn made_any(&self, claimed: &[[u8; 32]], parts: &[&[u8]]) -> bool {
        let mac = self.authenticate(parts).finalize();
        claimed.iter().any(|claimed| mac == CtOutput::new((*claimed).into()))
    }

    fn authenticate(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut keyed = self.0.clone();
        for part in parts {
            keyed.update(part);
        }
        keyed
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(…)")
    }
}

/// ```text
/// time = "0" / %x31-39 *14DIGIT
/// ```
///
/// A number has one spelling: the signature covers the text, and with other spellings a body could be read as beginning with
/// part of the number.
pub(crate) fn read_time(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > TIME_DIGITS || (text.len() > 1 && text.starts_with(b"0")) {
        return None;
    }
    text.iter().try_fold(0u64, |number, byte| {
        byte.is_ascii_digit().then(|| number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')))
    })
}

/// ```text
/// mac = 64HEXDIG
/// ```
pub(crate) fn read_hex(hex: &[u8]) -> Option<[u8; 32]> {
    let mut mac = [0; 32];
    let decoded = base16ct::mixed::decode(hex, &mut mac).ok()?.len();
    (decoded == mac.len()).then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_one_spelling() {
        for (text, number) in
            [("0", 0), ("1700000000", 1_700_000_000), ("999999999999999", 999_999_999_999_999)]
        {
            assert_eq!(read_time(text.as_bytes()), Some(number));
        }
        for text in
            ["", "00", "01", "+1", "-1", " 1", "1 ", "1.0", "1e9", "0x1", "1_0", "1000000000000000", "١"]
        {
            assert_eq!(read_time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_mac_is_64_hex_digits() {
        let mac = [0xAB; 32];
        assert_eq!(read_hex("ab".repeat(32).as_bytes()), Some(mac));
        assert_eq!(read_hex("aB".repeat(32).as_bytes()), Some(mac));
        for text in [String::new(), "ab".repeat(31), "ab".repeat(33), "xy".repeat(32), "٣".repeat(32)] {
            assert_eq!(read_hex(text.as_bytes()), None, "{text}");
        }
    }

    /// RFC 4231, test cases 2 and 6: a short key, and one that is longer than a block.
    #[test]
    fn macs_are_those_of_the_rfc() {
        #[track_caller]
        fn check(key: &[u8], parts: &[&[u8]], hex: &str) {
            let mac = read_hex(hex.as_bytes()).unwrap();
            let key = MacKey::new(key);
            assert_eq!(key.mac(parts), mac);
            assert!(key.made_any(&[mac], parts) && key.made_any(&[[0; 32], mac], parts));
            assert!(!key.made_any(&[], parts) && !key.made_any(&[[0; 32]], parts));
        }
        check(
            b"Jefe",
            &[b"what do ya want ", b"for nothing?"],
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        );
        check(
            &[0xAA; 131],
            &[b"Test Using Larger Than Block-Size Key - Hash Key First"],
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        );
    }

    #[test]
    fn a_key_is_not_printed() {
        assert_eq!(format!("{:?}", MacKey::new(b"canary")), "MacKey(…)");
    }
}
