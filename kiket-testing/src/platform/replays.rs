//! The responses that an `Idempotency-Key` brings again.

use std::collections::{HashMap, VecDeque};

use super::{call::Call, response::Response};

#[derive(Default)]
pub(super) struct Replays {
    by_key: HashMap<String, (Call, Response)>,
    order: VecDeque<String>,
}

/// How many responses are stored.
const KEPT: usize = 10_000;

/// The key of a call that may have one.
fn key(call: &Call) -> Option<&str> {
    let key = call.header("idempotency-key").filter(|key| !key.trim().is_empty())?;
    matches!(call.method(), "POST" | "PATCH").then_some(key)
}

impl Replays {
    /// The stored response to the key of this call.
    pub(super) fn again(&self, call: &Call) -> Option<Response> {
        let (first, response) = self.by_key.get(key(call)?)?;
        if first.is_like(call) {
            return Some(response.clone().with_header("idempotent-replayed", "true"));
        }
        let text = "this Idempotency-Key belongs to another request";
        Some(Response::error(422, "idempotency_key_reused", text))
    }

    pub(super) fn store(&mut self, call: &Call, response: &Response) {
        let Some(key) = key(call) else { return };
        if self.order.len() >= KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_key.remove(&oldest);
        }
        self.order.push_back(key.to_owned());
        self.by_key.insert(key.to_owned(), (call.clone(), response.clone()));
    }
}
