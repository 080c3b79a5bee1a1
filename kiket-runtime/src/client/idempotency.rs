//! The idempotency keys of calls: who makes the same call twice for one delivery has made it once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use sha2::{Digest as _, Sha256};

use super::request::Request;

/// The idempotency keys of a delivery: made from what is called, so that a repetition of the delivery repeats them.
#[derive(Debug)]
pub(crate) struct Keys {
    delivery_key: String,
    /// How often the same call was made before.
    made: Mutex<HashMap<[u8; 32], u64>>,
}

impl Keys {
    pub(crate) fn new(delivery_key: String) -> Self {
        Self { delivery_key, made: Mutex::default() }
    }

    /// The key of the next call of this kind: the same in every attempt at the delivery that makes the same calls.
    pub(crate) fn next(&self, request: &Request, what: &[u8]) -> String {
        let parts = [
            self.delivery_key.as_bytes(),
            request.method.as_str().as_bytes(),
            request.target.as_bytes(),
            what,
        ];
        // Lengths between the parts, so that no two calls are one text.
        let call: [u8; 32] = parts
            .iter()
            .fold(Sha256::new(), |hash, part| {
                hash.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
            })
            .finalize()
            .into();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let times = made.entry(call).or_default();
        let key = Sha256::new().chain_update(call).chain_update(times.to_be_bytes()).finalize();
        *times = times.wrapping_add(1);
        hex(key.get(..16).unwrap_or(&key))
    }
}

/// A key that nobody had before, for a call that belongs to no delivery. It tells calls apart, and is no secret.
pub(crate) fn random() -> String {
    hex(&fastrand::u128(..).to_be_bytes())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = vec![0; bytes.len().saturating_mul(2)];
    base16ct::lower::encode_str(bytes, &mut text).unwrap_or_default().to_owned()
}
