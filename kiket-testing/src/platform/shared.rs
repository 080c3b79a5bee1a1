//! What the fake platform's server and its owner share, and the way of a call through it.

use std::sync::Arc;

use kiket_runtime::{Clock, internals::Mutex};

use super::{
    call::{Call, Calls},
    credentials::Credentials,
    expectation::{self, Expectation},
    failure::Failure,
    orders::Orders,
    pattern::{Arguments, arguments},
    request::Request,
    response::{Outcome, Response},
    state::State,
    table::{Access, ENDPOINTS, Endpoint, RATE_LIMIT},
    wire::Ending,
};

pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) credentials: Credentials,
    pub(super) failures: Orders<Failure>,
    pub(super) expectations: Orders<Expectation>,
    /// The path of the base, in decoded segments.
    pub(super) base: Vec<String>,
    pub(super) observer: Option<Observer>,
    pub(super) state: Mutex<State>,
    pub(super) calls: Mutex<Calls>,
}

/// Is shown every call that was responded to.
pub(super) type Observer = Box<dyn Fn(&Call) + Send + Sync>;

impl Shared {
    /// Writes a call down before anything is done about it.
    pub(super) fn arrived(&self, call: &Call) -> usize {
        expectation::count(&self.expectations, call);
        self.calls.lock().arrived(call.clone())
    }

    /// Writes the response down before it is sent: a caller that has it finds it here.
    pub(super) fn responded(&self, number: usize, mut call: Call, response: &Response, ending: Ending) {
        let whole = (ending == Ending::Whole).then(|| Arc::new(response.clone()));
        self.calls.lock().responded(number, response.status, whole.clone());
        if let Some(observer) = &self.observer {
            call.responded(response.status, whole);
            observer(&call);
        }
    }

    /// Does what a call asks.
    pub(super) fn carry_out(&self, call: &Call) -> Response {
        self.try_carry_out(call).unwrap_or_else(|refusal| refusal)
    }

    fn try_carry_out(&self, call: &Call) -> Outcome {
        let (path, now) = (call.segments().iter().map(String::as_str).collect::<Vec<_>>(), self.now());
        let base: Vec<_> = self.base.iter().map(String::as_str).collect();
        let below = path.strip_prefix(base.as_slice()).ok_or_else(|| Response::not_found("path"))?;
        let (endpoint, arguments) = find(call.method(), below)?;
        let state = &mut *self.state.lock();
        self.credentials.admit(call, endpoint.access, |token| state.tokens.admit(token, now))?;
        if endpoint.access != Access::Open {
            let counted = state.rate.take(now);
            if endpoint.pattern != RATE_LIMIT {
                counted?;
            }
        }
        if let Some(response) = state.replays.again(call) {
            return Ok(response);
        }
        let request = Request { call, arguments, organization: &self.credentials.organization, now };
        let extension = request.path("extension");
        let is_other =
            state.extension_id.as_ref().is_some_and(|own| !extension.is_empty() && own != extension);
        let outcome =
            if is_other { Err(Response::not_found("extension")) } else { (endpoint.run)(state, &request) };
        let response = outcome.unwrap_or_else(|refusal| refusal);
        state.replays.store(call, &response);
        Ok(response)
    }

    pub(super) fn now(&self) -> u64 {
        self.clock.unix_seconds()
    }

    /// The headers of every response.
    pub(super) fn headers(&self, number: usize) -> Vec<(&'static str, String)> {
        let rate = self.state.lock().rate.headers(self.now());
        let request_id = ("x-request-id", format!("req-{number}"));
        rate.map(|(name, value)| (name, value.to_string())).into_iter().chain([request_id]).collect()
    }
}

/// The endpoint of a method and a path, and what the path has for its pattern.
///
/// # Errors
///
/// 404 for a path without a pattern, 405 for a method that its pattern has not.
fn find<'p>(method: &str, path: &[&'p str]) -> Result<(&'static Endpoint, Arguments<'p>), Response> {
    let mut matching = ENDPOINTS.iter().filter_map(|row| Some((row, arguments(row.pattern, path)?)));
    let (first, arguments) = matching.next().ok_or_else(|| Response::not_found("path"))?;
    let rows = ENDPOINTS.iter().filter(|row| row.pattern == first.pattern);
    let endpoint = rows.clone().find(|row| row.method == method).ok_or_else(|| {
        let refusal = Response::error(405, "method_not_allowed", "this path takes other methods");
        refusal.with_header("allow", rows.map(|row| row.method).collect::<Vec<_>>().join(", "))
    })?;
    Ok((endpoint, arguments))
}
