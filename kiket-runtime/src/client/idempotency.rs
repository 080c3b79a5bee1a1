//! Idempotency keys of calls, which a redelivery repeats.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use super::request::Request;
use crate::types::{Mutex, hex, sha256_of_parts};

/// The idempotency keys of a delivery's calls. They are derived from the requests, so that a redelivery repeats them.
#[derive(Debug)]
pub(crate) struct IdempotencyKeys {
    delivery_key: String,
    /// The number of earlier calls, by call.
    made: Mutex<HashMap<[u8; 32], u64>>,
}

impl IdempotencyKeys {
    pub(crate) fn new(delivery_key: String) -> Self {
        Self { delivery_key, made: Mutex::default() }
    }

    /// The key of the next call like `request`: the same in every attempt at the delivery that makes the same calls.
    pub(super) fn next(&self, request: &Request, content: &[u8]) -> String {
        let parts = [
            self.delivery_key.as_bytes(),
            request.method.as_str().as_bytes(),
            request.target.as_bytes(),
            content,
        ];
        let call: [u8; 32] = sha256_of_parts(parts).finalize().into();
        let mut made = self.made.lock();
        let times = made.entry(call).or_default();
        let key = Sha256::new().chain_update(call).chain_update(times.to_be_bytes()).finalize();
        *times = times.wrapping_add(1);
        hex(key.get(..16).unwrap_or(&key))
    }
}

/// A random key, for a call that belongs to no delivery. It is no secret.
pub(super) fn random() -> String {
    hex(&fastrand::u128(..).to_be_bytes())
}
