//! The trouble that a test orders.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use serde_json::json;

use super::{answer::Answer, call::Call, wire::Ending};

/// Something that goes wrong, for [`Platform::fail`](super::Platform::fail).
///
/// It happens at every call until [`clear_failures`](super::Platform::clear_failures), unless it is told how often
/// ([`times`](Self::times)) or at which calls ([`when`](Self::when)). It stands before the platform, like a proxy: a
/// call that meets it is not authenticated, not counted in the rate window, and has no effect, unless
/// [`with_effect`](Self::with_effect) lets it be carried out first.
///
/// ```
/// use std::time::Duration;
/// use kiket_runtime::testing::{Failure, Platform};
///
/// let platform = Platform::start();
/// platform.fail(Failure::status(503).retry_after(1).times(2));
/// platform.fail(Failure::cut().when(|call| call.method() == "POST"));
/// platform.fail(Failure::delay(Duration::from_secs(20)).when(|call| call.path().ends_with("/rate_limit")));
/// platform.clear_failures();
/// ```
#[derive(Clone)]
#[must_use = "a failure happens when `Platform::fail` is given it"]
pub struct Failure {
    kind: Kind,
    status: Option<u16>,
    body: Option<Bytes>,
    headers: Vec<(String, String)>,
    after: Duration,
    times: Option<u32>,
    when: Option<Predicate>,
    with_effect: bool,
}

type Predicate = Arc<dyn Fn(&Call) -> bool + Send + Sync>;

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Nothing but the delay.
    Slow,
    /// An answer that the failure itself makes.
    Answer,
    Oversize(usize),
    Hang,
    Close,
    Cut,
    Stall,
    Endless,
}

impl Failure {
    fn new(kind: Kind) -> Self {
        let (status, body, headers) = (None, None, Vec::new());
        Self {
            kind,
            status,
            body,
            headers,
            after: Duration::ZERO,
            times: None,
            when: None,
            with_effect: false,
        }
    }

    /// An answer with this status, and `{"error":…}` with its usual words.
    ///
    /// # Panics
    ///
    /// Unless the status is one of 200 to 599.
    #[track_caller]
    pub fn status(status: u16) -> Self {
        Self::new(Kind::Answer).with_status(status)
    }

    /// The right answer, this late. The call is carried out after the delay, unless the caller has hung up by then.
    pub fn delay(delay: Duration) -> Self {
        Self::new(Kind::Slow).after(delay)
    }

    /// No answer at all, on a connection that stays open.
    pub fn hang() -> Self {
        Self::new(Kind::Hang)
    }

    /// The connection is closed before a byte is answered.
    pub fn close() -> Self {
        Self::new(Kind::Close)
    }

    /// The call is carried out, and the connection closed in the middle of the answer's body.
    pub fn cut() -> Self {
        Self::new(Kind::Cut)
    }

    /// The call is carried out, and half of the answer's body arrives; the rest never comes.
    pub fn stall() -> Self {
        Self::new(Kind::Stall)
    }

    /// 200 with a body that says it is JSON and is not.
    pub fn bad_json() -> Self {
        Self::body(r#"{"data":[{"id":1,"#)
    }

    /// 200 with this body.
    pub fn body(body: impl Into<Vec<u8>>) -> Self {
        Self::new(Kind::Answer).with_status(200).with_body(body)
    }

    /// 200 with a body that never ends, as fast as it is read.
    pub fn endless() -> Self {
        Self::new(Kind::Endless)
    }

    /// 200 with good JSON of this size in bytes (at least 11).
    pub fn oversize(bytes: usize) -> Self {
        Self::new(Kind::Oversize(bytes))
    }

    /// 307 to `url`: who followed it would bring body and headers along.
    pub fn redirect(url: impl Into<String>) -> Self {
        Self::status(307).header("location", url)
    }

    /// Changes the status of the answer.
    ///
    /// # Panics
    ///
    /// Unless the status is one of 200 to 599.
    #[track_caller]
    pub fn with_status(mut self, status: u16) -> Self {
        assert!((200..600).contains(&status), "a failure answers with 200 to 599, not with {status}");
        self.status = Some(status);
        self
    }

    /// Changes the body of the answer.
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into().into());
        self
    }

    /// Adds a header to the answer, like a `Retry-After` with a date.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a `Retry-After` in seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header("retry-after", seconds.to_string())
    }

    /// Waits before anything else happens, in real time.
    pub fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }

    /// Happens this often.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Happens only at the calls that `predicate` picks.
    pub fn when(mut self, predicate: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        self.when = Some(Arc::new(predicate));
        self
    }

    /// Carries the call out before it fails: what was asked for is done, and the caller does not learn it.
    pub fn with_effect(mut self) -> Self {
        self.with_effect = true;
        self
    }

    /// Whether it is meant for `call`.
    pub(super) fn picks(&self, call: &Call) -> bool {
        self.when.as_ref().is_none_or(|picks| picks(call))
    }

    /// Counts one; whether it still happens.
    pub(super) fn take(&mut self) -> bool {
        match &mut self.times {
            None => true,
            Some(times) => times.checked_sub(1).map(|left| *times = left).is_some(),
        }
    }

    pub(super) fn waits(&self) -> Duration {
        self.after
    }

    /// What is sent instead of what `carry_out` answers.
    pub(super) fn answer(&self, carry_out: impl FnOnce() -> Answer) -> (Answer, Ending) {
        let needs_answer = matches!(self.kind, Kind::Slow | Kind::Cut | Kind::Stall);
        let real = (self.with_effect || needs_answer).then(carry_out);
        let own = || Answer { status: 200, headers: Vec::new(), body: Bytes::new() };
        let mut answer = match self.kind {
            Kind::Answer => self.error(),
            Kind::Oversize(bytes) => Answer { body: padded(bytes), ..own() },
            Kind::Slow => real.unwrap_or_else(own),
            // Only a body can be cut.
            Kind::Cut | Kind::Stall => match real {
                Some(real) if real.body.len() > 1 => real,
                _ => Answer::json(200, &json!({ "ok": true })),
            },
            Kind::Hang | Kind::Close | Kind::Endless => own(),
        };
        answer.status = self.status.unwrap_or(answer.status);
        if let Some(body) = &self.body {
            answer.body = body.clone();
        }
        answer.headers.extend(self.headers.iter().cloned());
        let ending = match self.kind {
            Kind::Slow | Kind::Answer | Kind::Oversize(_) => Ending::Whole,
            Kind::Hang => Ending::Never,
            Kind::Close => Ending::ClosedBefore,
            Kind::Cut => Ending::Cut,
            Kind::Stall => Ending::Stalled,
            Kind::Endless => Ending::Endless,
        };
        (answer, ending)
    }

    fn error(&self) -> Answer {
        let status = self.status.unwrap_or(500);
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        match status {
            204 | 205 | 300..=399 => Answer::empty(status),
            _ => Answer::json(status, &json!({ "error": reason.unwrap_or("failed as ordered") })),
        }
    }
}

/// ```text
/// {"data":"xxx…"}
/// ```
fn padded(bytes: usize) -> Bytes {
    const HEAD: &str = r#"{"data":""#;
    const TAIL: &str = r#""}"#;
    let filling = bytes.saturating_sub(HEAD.len() + TAIL.len());
    [HEAD, &"x".repeat(filling), TAIL].concat().into()
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("kind", &self.kind)
            .field("status", &self.status)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}
