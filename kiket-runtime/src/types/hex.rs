//! Lower-case hex, and digests in it.

use sha2::{Digest as _, Sha256};

/// The bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = vec![0; bytes.len().saturating_mul(2)];
    base16ct::lower::encode_str(bytes, &mut text).unwrap_or_default().to_owned()
}

/// The SHA-256 of parts, each after its length, so that no two lists of parts have one digest.
pub(crate) fn sha256_of_parts<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> Sha256 {
    parts.into_iter().fold(Sha256::new(), |hash, part| {
        let part = part.as_ref();
        hash.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_two_digits_each() {
        assert_eq!(hex(&[0, 0x0a, 0xff]), "000aff");
        assert_eq!(hex(&[]), "");
    }

    #[test]
    fn a_digest_depends_on_the_ends_of_its_parts() {
        let hash = |parts: &[&str]| sha256_of_parts(parts).finalize();
        assert_eq!(hash(&["a", "b"]), hash(&["a", "b"]));
        assert_ne!(hash(&["ab", ""]), hash(&["a", "b"]));
        assert_ne!(hash(&["a"]), hash(&["a", ""]));
    }
}
