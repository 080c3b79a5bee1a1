//! The failures that a test orders, and which call meets which.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use kiket_runtime::setters;
use serde_json::json;

use super::{
    call::{Call, Predicate},
    orders::Orders,
    response::Response,
    wire::Ending,
};

/// Something that goes wrong, for [`FakePlatform::fail`](super::FakePlatform::fail).
///
/// It happens at every call until [`clear_failures`](super::FakePlatform::clear_failures), unless it is limited to a
/// number of calls ([`times`](Self::times)) or to some calls ([`when`](Self::when)). It stands before the fake platform,
/// like a proxy. [`delay`](Self::delay), [`cut`](Self::cut) and [`stall`](Self::stall) carry the call out; a call that meets another
/// failure is not authenticated, not counted in the rate window, and has no effect, unless [`with_effect`](Self::with_effect) lets it
/// be carried out first.
///
/// ```
/// use std::time::Duration;
/// use kiket_testing::{Failure, FakePlatform};
///
/// let platform = FakePlatform::start();
/// platform.fail(Failure::status(503).retry_after(1).times(2));
/// platform.fail(Failure::cut().when(|call| call.method() == "POST"));
/// platform.fail(Failure::delay(Duration::from_secs(20)).when(|call| call.path().ends_with("/rate_limit")));
/// platform.clear_failures();
/// ```
#[doc(alias = "fault")]
#[derive(Clone)]
#[must_use = "a failure happens once `FakePlatform::fail` has it"]
pub struct Failure {
    /// Whether the response is that of the call, carried out.
    real: bool,
    ending: Ending,
    status: Option<u16>,
    body: Option<Bytes>,
    headers: Vec<(String, String)>,
    pub(super) after: Duration,
    pub(super) times: u64,
    when: Option<Predicate>,
    with_effect: bool,
}

impl Failure {
    fn new(real: bool, ending: Ending) -> Self {
        let (status, body, headers, after) = (None, None, Vec::new(), Duration::ZERO);
        Self { real, ending, status, body, headers, after, times: u64::MAX, when: None, with_effect: false }
    }

    /// A response with this status, and `{"error":…}` with its usual words.
    ///
    /// # Panics
    ///
    /// Unless the status is one of 200 to 599.
    #[track_caller]
    pub fn status(status: u16) -> Self {
        Self::new(false, Ending::Whole).with_status(status)
    }

    /// The right response, this late. The call is carried out after the delay, unless the caller has hung up by then.
    pub fn delay(delay: Duration) -> Self {
        Self::new(true, Ending::Whole).after(delay)
    }

    /// No response at all, on a connection that stays open.
    pub fn hang() -> Self {
        Self::new(false, Ending::Never)
    }

    /// The connection is closed before a byte of the response.
    pub fn close() -> Self {
        Self::new(false, Ending::ClosedBefore)
    }

    /// The call is carried out, and the connection closed in the middle of the response's body.
    pub fn cut() -> Self {
        Self::new(true, Ending::Cut)
    }

    /// The call is carried out, and half of the response's body arrives; the rest never comes.
    pub fn stall() -> Self {
        Self::new(true, Ending::Stalled)
    }

    /// 200 with a body that says it is JSON and is not.
    pub fn bad_json() -> Self {
        Self::body(r#"{"data":[{"id":1,"#)
    }

    /// 200 with this body.
    pub fn body(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200).with_body(body)
    }

    /// 200 with a body that never ends, as fast as it is read.
    pub fn endless() -> Self {
        Self::new(false, Ending::Endless)
    }

    /// 200 with good JSON of this size in bytes (at least 11).
    pub fn oversize(bytes: usize) -> Self {
        const AROUND: usize = r#"{"data":""}"#.len();
        Self::body(format!(r#"{{"data":"{}"}}"#, "x".repeat(bytes.saturating_sub(AROUND))))
    }

    /// 307 to `url`. A client that follows it takes body and headers along.
    pub fn redirect(url: impl Into<String>) -> Self {
        Self::status(307).header("location", url)
    }

    /// Changes the status of the response.
    ///
    /// # Panics
    ///
    /// Unless the status is one of 200 to 599.
    #[track_caller]
    pub fn with_status(mut self, status: u16) -> Self {
        assert!((200..600).contains(&status), "a failure has a status from 200 to 599, not {status}");
        self.status = Some(status);
        self
    }

    /// Adds a header to the response, like a `Retry-After` with a date.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a `Retry-After` in seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header("retry-after", seconds.to_string())
    }

    setters! {
        /// Changes the body of the response.
        with_body(body: impl Into<Vec<u8>>) => |failure| failure.body = Some(body.into().into());
        /// Waits before anything else happens, in real time.
        after(delay: Duration) => |failure| failure.after = delay;
        /// Happens this often.
        times(times: u32) => |failure| failure.times = times.into();
        /// Happens only at the calls that `predicate` picks.
        when(predicate: impl Fn(&Call) -> bool + Send + Sync + 'static) =>
            |failure| failure.when = Some(Arc::new(predicate));
    }

    /// Carries the call out before it fails: it has its effect, and the caller does not learn of it.
    pub fn with_effect(mut self) -> Self {
        self.with_effect = true;
        self
    }

    /// What is sent instead of what `carry_out` responds.
    pub(super) fn respond(&self, carry_out: impl FnOnce() -> Response) -> (Response, Ending) {
        let real = (self.with_effect || self.real).then(carry_out).filter(|_| self.real);
        let mut response = match real {
            // Only a body can be cut.
            Some(real) if self.ending != Ending::Whole && real.body.len() < 2 => {
                Response::json(200, &json!({ "ok": true }))
            }
            Some(real) => real,
            None => self.error(),
        };
        response.status = self.status.unwrap_or(response.status);
        response.body = self.body.clone().unwrap_or(response.body);
        response.headers.extend(self.headers.iter().cloned());
        (response, self.ending)
    }

    fn error(&self) -> Response {
        let status = self.status.unwrap_or(200);
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        match status {
            204 | 205 | 300..=399 => Response::empty(status),
            _ => Response::json(status, &json!({ "error": reason.unwrap_or("failed on purpose") })),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Failure");
        debug.field("ending", &self.ending).field("status", &self.status).finish_non_exhaustive()
    }
}

/// The failure that `call` meets: the first one that is left and picks it.
pub(super) fn meet(failures: &Orders<Failure>, call: &Call) -> Option<Failure> {
    let met = failures.all().into_iter().find(|failure| {
        let (Failure { when, .. }, left) = &**failure;
        when.as_ref().is_none_or(|picks| picks(call))
            && left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
    });
    met.map(|failure| failure.0.clone())
}
