//! What the platform's server and its owner share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{
    answer::Answer,
    call::{Call, Calls},
    credentials::Credentials,
    orders::Failures,
    state::State,
};
use crate::types::Clock;

pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) credentials: Credentials,
    pub(super) failures: Failures,
    /// The path of the base, in decoded segments.
    pub(super) base: Vec<String>,
    pub(super) observer: Option<Observer>,
    pub(super) state: Mutex<State>,
    pub(super) calls: Mutex<Calls>,
}

/// Is shown every call that was answered.
pub(super) type Observer = Box<dyn Fn(&Call) + Send + Sync>;

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a call down before anything is done about it.
    pub(super) fn arrived(&self, call: &Call) -> usize {
        self.calls().arrived(call.clone())
    }

    /// Writes down what a call was answered, before the answer is sent: who got it finds it here.
    pub(super) fn answered(&self, number: usize, call: Call, status: u16) {
        self.calls().answered(number, status);
        if let Some(observer) = &self.observer {
            observer(&call.answered(status));
        }
    }

    /// Does what a call asks.
    pub(super) fn carry_out(&self, call: &Call) -> Answer {
        let path: Vec<_> = call.segments().iter().map(String::as_str).collect();
        let base: Vec<_> = self.base.iter().map(String::as_str).collect();
        match path.strip_prefix(base.as_slice()) {
            Some(path) => self.state().answer(call, path, &self.credentials, self.clock.unix_seconds()),
            None => Answer::not_found("path"),
        }
    }

    /// The headers of every answer.
    pub(super) fn headers(&self, number: usize) -> Vec<(&'static str, String)> {
        let rate = self.state().rate.headers(self.clock.unix_seconds());
        let request_id = ("x-request-id", format!("req-{number}"));
        rate.map(|(name, value)| (name, value.to_string())).into_iter().chain([request_id]).collect()
    }
}
