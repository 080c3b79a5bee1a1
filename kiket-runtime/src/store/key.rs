//! The key of a delivery in a store.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::types::hex;

/// The key of a delivery in a store: short, printable ASCII, for any ids.
///
/// ```text
/// com.example.marketing/id:42
/// com.example.marketing/#5f2c…      64 hex digits, where an id is long or odd
/// ```
///
/// ```
/// use kiket_runtime::dedupe::DedupeKey;
///
/// assert_eq!(DedupeKey::new("com.example.m", "id:42").as_str(), "com.example.m/id:42");
/// assert_eq!(DedupeKey::new("com.example.m", &"x".repeat(10_000)).as_str().len(), 79);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DedupeKey(String);

impl DedupeKey {
    /// The longest key in bytes, with a namespace.
    pub const LONGEST: usize = 3 * LONGEST_PART + 2;

    /// The key of `delivery`, which is [`Delivery::key`](crate::Delivery::key), among those of `extension`: several
    /// extensions may share a store.
    pub fn new(extension: &str, delivery: &str) -> Self {
        KeySpace::new(None, Some(extension)).key(|text| text.push_str(delivery))
    }

    /// A key that a store kept: [`as_str`](Self::as_str) of another one.
    pub fn restored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The key as a text of `A-Z`, `a-z`, `0-9`, `.`, `_`, `:`, `-`, `#` and one `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The keys of one extension in one namespace, in stores that others may share.
#[derive(Debug, Clone)]
pub(crate) struct KeySpace {
    /// What all of its keys begin with, and no other key does.
    prefix: String,
}

impl KeySpace {
    /// The keys of `extension`: `extension/…`, or `namespace/extension/…`.
    pub(crate) fn new(namespace: Option<&str>, extension: Option<&str>) -> Self {
        let mut prefix = String::new();
        for part in namespace.into_iter().chain([extension.unwrap_or_default()]) {
            write_part(&mut prefix, part);
            prefix.push('/');
        }
        Self { prefix }
    }

    /// The key of the delivery that `write` writes.
    pub(crate) fn key(&self, write: impl FnOnce(&mut String)) -> DedupeKey {
        let mut text = String::with_capacity(self.prefix.len() + LONGEST_PART);
        text.push_str(&self.prefix);
        write(&mut text);
        shorten(&mut text, self.prefix.len());
        DedupeKey(text)
    }

    /// What all keys begin with, as the name of the space: the extension, after its namespace.
    #[cfg(feature = "inbox")]
    pub(crate) fn name(&self) -> &str {
        self.prefix.trim_end_matches('/')
    }

    /// What distinguishes a delivery outside of the store, for idempotency keys.
    pub(crate) fn distinguish(&self, write: impl FnOnce(&mut String)) -> String {
        let mut text = self.prefix.clone();
        write(&mut text);
        text
    }
}

impl fmt::Display for DedupeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The longest id that stays as it is.
const LONGEST_PART: usize = 128;

fn write_part(text: &mut String, part: &str) {
    let from = text.len();
    text.push_str(part);
    shorten(text, from);
}

/// Puts a hash in the place of the part that begins at `from`, if it is long or odd.
fn shorten(text: &mut String, from: usize) {
    let part = text.as_bytes().get(from..).unwrap_or_default();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
    if part.len() <= LONGEST_PART && part.iter().all(plain) {
        return;
    }
    let hashed = hex(&Sha256::digest(part));
    text.truncate(from);
    // No plain part starts with `#`, so none equals a hashed one.
    text.push('#');
    text.push_str(&hashed);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_is_short_and_plain_and_tells_apart(
            a in (".{0,200}", ".{0,200}"),
            b in ("[a-z/#{}]{0,3}", "[a-z/#{}]{0,3}"),
            c in ("[a-z/#{}]{0,3}", "[a-z/#{}]{0,3}"),
        ) {
            let key = DedupeKey::new(&a.0, &a.1);
            prop_assert!(key.as_str().len() <= DedupeKey::LONGEST);
            let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'{' && byte != b'}';
            prop_assert!(key.as_str().bytes().all(plain));
            prop_assert_eq!(DedupeKey::new(&b.0, &b.1) == DedupeKey::new(&c.0, &c.1), b == c);
        }
    }

    #[test]
    fn a_namespace_has_keys_of_its_own() {
        let key = |namespace, extension, delivery| {
            KeySpace::new(namespace, extension).key(|text| text.push_str(delivery))
        };
        assert_eq!(key(None, Some("e"), "id:1"), DedupeKey::new("e", "id:1"));
        assert_eq!(key(Some("staging"), Some("e"), "id:1").as_str(), "staging/e/id:1");
        assert_ne!(key(Some("staging"), Some("e"), "id:1"), key(None, Some("staging/e"), "id:1"));
        assert_ne!(key(Some("a"), None, "id:1"), key(None, Some("a"), "id:1"));
        let long = "x".repeat(200);
        let longest = key(Some(&long), Some(&long), &"x".repeat(DedupeKey::LONGEST));
        assert!(longest.as_str().len() <= DedupeKey::LONGEST);
    }

    #[test]
    fn a_hash_that_is_written_as_an_id_is_not_the_hashed_id() {
        let long = "x".repeat(129);
        let hashed = DedupeKey::new("e", &long);
        let written = hashed.as_str().strip_prefix("e/").unwrap();
        assert_ne!(DedupeKey::new("e", written), hashed);
        assert_ne!(DedupeKey::new("e", written.trim_start_matches('#')), hashed);
    }
}
