//! The answers that an `Idempotency-Key` brings again.

use std::collections::{HashMap, VecDeque};

use super::{answer::Answer, call::Call};

#[derive(Default)]
pub(super) struct Replies {
    by_key: HashMap<String, (Call, Answer)>,
    order: VecDeque<String>,
}

/// How many answers are kept.
const KEPT: usize = 10_000;

/// The key of a call that may have one.
fn key(call: &Call) -> Option<&str> {
    let key = call.header("idempotency-key").filter(|key| !key.trim().is_empty())?;
    matches!(call.method(), "POST" | "PATCH").then_some(key)
}

impl Replies {
    /// The answer that was given to the key of this call.
    pub(super) fn again(&self, call: &Call) -> Option<Answer> {
        let (first, answer) = self.by_key.get(key(call)?)?;
        if first.asks_like(call) {
            return Some(answer.clone().with_header("idempotent-replayed", "true"));
        }
        let text = "this Idempotency-Key belongs to another request";
        Some(Answer::error(422, "idempotency_key_reused", text))
    }

    pub(super) fn keep(&mut self, call: &Call, answer: &Answer) {
        let Some(key) = key(call) else { return };
        if self.order.len() >= KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_key.remove(&oldest);
        }
        self.order.push_back(key.to_owned());
        self.by_key.insert(key.to_owned(), (call.clone(), answer.clone()));
    }
}
