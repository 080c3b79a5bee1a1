//! Encryption at rest: what an inbox keeps is sealed with a key of the extension's.

use std::fmt;

use base64ct::{Base64, Encoding as _};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
    rand::{SecureRandom as _, SystemRandom},
};
use secrecy::{ExposeSecret as _, SecretBox};
use sha2::{Digest as _, Sha256};

use super::handler::HandlerName;
use crate::{
    store::{DedupeKey, StoreError},
    types::Secret,
};

/// A key that seals what is stored.
pub(crate) struct SealKey {
    /// Says which key sealed a content. It is made from the key, and does not show it.
    id: [u8; ID],
    bytes: SecretBox<[u8; KEY]>,
}

/// The row that a content belongs to: it opens in no other one.
#[derive(Clone, Copy)]
pub(crate) struct SealedFor<'r> {
    pub(crate) space: &'r str,
    pub(crate) key: &'r DedupeKey,
    pub(crate) handler: &'r HandlerName,
}

/// Seals contents with the current key, and opens those of every key that is known.
pub(crate) struct Sealer {
    current: Option<SealKey>,
    previous: Vec<SealKey>,
    random: SystemRandom,
}

/// Why a content does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    /// Its key is not among those that are configured.
    #[error(
        "it is sealed with the key {0}, which is not configured: set `KIKET_INBOX_KEY_PREVIOUS` to it until all rows of that key are done"
    )]
    UnknownKey(String),
    /// It was changed, or belongs to another row.
    #[error("it was changed since it was sealed, or belongs to another row")]
    Altered,
    /// It has a format of another version.
    #[error("it has a format that this version does not know: a newer version wrote it")]
    UnknownFormat,
}

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an inbox key is 32 bytes in base64, 44 characters: make one with `openssl rand -base64 32`")]
pub(crate) struct SealKeyError;

/// The bytes of a key: those of AES-256.
const KEY: usize = 32;
/// The bytes of the id of a key.
const ID: usize = 4;
/// The bytes of the salt, which is random for each content.
const SALT: usize = 16;

/// The first byte of a content: how it is stored.
const OPEN: u8 = 0;
const SEALED: u8 = 1;

impl SealKey {
    /// The key that `text` is, in base64.
    pub(crate) fn read(text: &Secret) -> Result<Self, SealKeyError> {
        let mut bytes = SecretBox::new(Box::new([0; KEY]));
        let buffer = secrecy::ExposeSecretMut::expose_secret_mut(&mut bytes);
        let read = Base64::decode(text.expose(), buffer).map_err(|_| SealKeyError)?;
        if read.len() != KEY {
            return Err(SealKeyError);
        }
        let hash = Sha256::new().chain_update("kiket inbox key id").chain_update(&buffer[..]).finalize();
        let id = hash.first_chunk().copied().unwrap_or_default();
        Ok(Self { id, bytes })
    }

    fn of_content(&self, salt: &[u8]) -> Option<LessSafeKey> {
        let secret = Salt::new(HKDF_SHA256, salt).extract(self.bytes.expose_secret());
        let key = secret.expand(&[b"kiket inbox content"], &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(key)))
    }
}

/// The id alone.
impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({})", name(&self.id))
    }
}

fn name(id: &[u8]) -> String {
    crate::types::hex(id)
}

impl Sealer {
    /// A sealer with a current key, and others whose contents it opens. Without a current key it stores contents as they are.
    pub(crate) fn new(current: Option<SealKey>, previous: Vec<SealKey>) -> Self {
        Self { current, previous, random: SystemRandom::new() }
    }

    #[cfg(test)]
    pub(crate) fn has_key(&self) -> bool {
        self.current.is_some()
    }

    /// Seals a content for its row.
    ///
    /// # Errors
    ///
    /// When the operating system gives no random bytes.
    pub(crate) fn seal(&self, row: SealedFor<'_>, content: &[u8]) -> Result<Vec<u8>, StoreError> {
        let Some(key) = &self.current else {
            return Ok([&[OPEN], content].concat());
        };
        let failed = || StoreError::new("the operating system gives no random bytes to seal with");
        let mut salt = [0; SALT];
        self.random.fill(&mut salt).map_err(|_| failed())?;
        let sealing = key.of_content(&salt).ok_or_else(failed)?;
        let mut sealed = Vec::with_capacity(1 + ID + SALT + content.len() + AES_256_GCM.tag_len());
        sealed.push(SEALED);
        sealed.extend(key.id);
        sealed.extend(salt);
        let mut text = content.to_vec();
        sealing
            .seal_in_place_append_tag(only_nonce(), row.associated(key.id), &mut text)
            .map_err(|_| failed())?;
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// Opens the content of a row.
    pub(crate) fn open(&self, row: SealedFor<'_>, stored: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (sealed, id, salt) = match stored.split_first() {
            Some((&OPEN, content)) => return Ok(content.to_vec()),
            Some((&SEALED, rest)) => {
                let (id, rest) = rest.split_first_chunk::<ID>().ok_or(OpenError::Altered)?;
                let (salt, sealed) = rest.split_first_chunk::<SALT>().ok_or(OpenError::Altered)?;
                (sealed, *id, salt)
            }
            _ => return Err(OpenError::UnknownFormat),
        };
        let keys = self.current.iter().chain(&self.previous).filter(|key| key.id == id);
        let mut known = false;
        for key in keys {
            known = true;
            let mut text = sealed.to_vec();
            let opening = key.of_content(salt).ok_or(OpenError::Altered)?;
            if let Ok(content) = opening.open_in_place(only_nonce(), row.associated(id), &mut text) {
                let length = content.len();
                text.truncate(length);
                return Ok(text);
            }
        }
        Err(if known { OpenError::Altered } else { OpenError::UnknownKey(name(&id)) })
    }
}

/// Each content has a key of its own, which seals nothing else.
fn only_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

impl SealedFor<'_> {
    /// What a content is bound to. Each part has its length before it, so that no two rows have the same bytes.
    fn associated(&self, key: [u8; ID]) -> Aad<Vec<u8>> {
        let parts = [self.space, self.key.as_str(), &self.handler.event, &self.handler.version];
        let mut bytes = key.to_vec();
        for part in parts {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        Aad::from(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SealKey {
        SealKey::read(&Secret::new(Base64::encode_string(&[byte; KEY]))).unwrap()
    }

    fn sealer(current: u8, previous: &[u8]) -> Sealer {
        Sealer::new(Some(key(current)), previous.iter().copied().map(key).collect())
    }

    /// The parts of a row, to make others from.
    fn row(part: [&str; 4]) -> (String, DedupeKey, HandlerName) {
        (part[0].to_owned(), DedupeKey::new("e", part[1]), HandlerName::new(part[2], part[3]))
    }

    fn named((space, key, handler): &(String, DedupeKey, HandlerName)) -> SealedFor<'_> {
        SealedFor { space, key, handler }
    }

    const ROW: [&str; 4] = ["space", "id:1", "issue.created", "v1"];

    #[test]
    fn a_content_opens_with_its_key_alone() {
        let row = row(ROW);
        for content in [&b""[..], b"{}", &[7; 16_000]] {
            let sealed = sealer(1, &[]).seal(named(&row), content).unwrap();
            assert_eq!(sealer(1, &[]).open(named(&row), &sealed).unwrap(), content);
            // After a rotation, too, and with the keys the other way round.
            assert_eq!(sealer(2, &[3, 1]).open(named(&row), &sealed).unwrap(), content);
            let unknown = sealer(2, &[]).open(named(&row), &sealed).unwrap_err();
            assert!(matches!(&unknown, OpenError::UnknownKey(id) if id.len() == 8), "{unknown}");
        }
    }

    #[test]
    fn what_is_sealed_shows_nothing_and_never_twice_the_same() {
        let row = row(ROW);
        let content = b"canary canary canary";
        let [one, other] = [(); 2].map(|()| sealer(1, &[]).seal(named(&row), content).unwrap());
        assert_ne!(one, other);
        assert!(!one.windows(6).any(|window| window == b"canary"));
    }

    #[test]
    fn a_content_opens_in_no_other_row() {
        let sealer = sealer(1, &[]);
        let own = row(ROW);
        let stored = sealer.seal(named(&own), b"{}").unwrap();
        let others = [
            ["spac", "eid:1", "issue.created", "v1"],
            ["space", "id:2", "issue.created", "v1"],
            ["space", "id:1", "issue.updated", "v1"],
            ["space", "id:1", "issue.created", "v2"],
            ["space", "id:1", "issue.createdv", "1"],
        ];
        for other in others {
            let other = row(other);
            assert_eq!(sealer.open(named(&other), &stored), Err(OpenError::Altered), "{other:?}");
        }
    }

    #[test]
    fn a_changed_content_does_not_open() {
        let row = row(ROW);
        let sealer = sealer(1, &[2]);
        let stored = sealer.seal(named(&row), b"{\"a\":1}").unwrap();
        for at in 0..stored.len() {
            let mut changed = stored.clone();
            changed[at] ^= 4;
            assert!(sealer.open(named(&row), &changed).is_err(), "byte {at}");
            assert!(sealer.open(named(&row), &stored[..at]).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn without_a_key_contents_stay_as_they_are() {
        let row = row(ROW);
        let plain = Sealer::new(None, Vec::new());
        let stored = plain.seal(named(&row), b"{}").unwrap();
        assert_eq!(stored, b"\0{}");
        assert_eq!(sealer(1, &[]).open(named(&row), &stored).unwrap(), b"{}", "whatever the mode");
        let sealed = sealer(1, &[]).seal(named(&row), b"{}").unwrap();
        let kept = Sealer::new(None, vec![key(1)]);
        assert_eq!(kept.open(named(&row), &sealed).unwrap(), b"{}", "whatever the mode");
    }

    #[test]
    fn a_key_is_32_bytes_in_base64() {
        for text in ["", "canary", &"A".repeat(44), &format!("{} ", Base64::encode_string(&[1; 32]))] {
            let error = SealKey::read(&Secret::new(text)).unwrap_err();
            assert!(error.to_string().contains("openssl rand -base64 32"));
        }
        for length in [31, 33] {
            assert!(SealKey::read(&Secret::new(Base64::encode_string(&vec![1; length]))).is_err());
        }
        assert!(!format!("{:?}", key(1)).contains("AQEB"));
    }
}
