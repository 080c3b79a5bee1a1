//! One call that the fake platform received, and the list of them.

use std::{
    collections::VecDeque,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use kiket_runtime::Headers;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::response::Response;

/// A call that a [`FakePlatform`](super::FakePlatform) received, as it was sent. Its clones are the same call.
///
/// ```
/// use kiket_testing::FakePlatform;
///
/// let platform = FakePlatform::start();
/// # let ask = |path: &str| {
/// #     use std::io::{Read, Write};
/// #     let mut stream = std::net::TcpStream::connect(platform.address()).unwrap();
/// #     write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
/// #     stream.read_to_string(&mut String::new()).unwrap();
/// # };
/// # ask("/api/v1/extensions/com.example.x/secrets/a%2Fb?page=2");
/// // … the code under test asked for a secret, and forgot its token …
/// let calls = platform.calls();
/// assert_eq!(calls[0].method(), "GET");
/// assert_eq!(calls[0].path(), "/api/v1/extensions/com.example.x/secrets/a%2Fb");
/// assert_eq!(calls[0].segments().last().map(String::as_str), Some("a/b"));
/// assert_eq!(calls[0].query_value("page"), Some("2"));
/// assert_eq!(calls[0].header("authorization"), None);
/// assert_eq!(calls[0].status(), Some(401));
/// assert!(calls[0].took().is_some());
/// ```
///
/// Tokens and secrets are in there: `Debug` prints method, path and status only.
#[derive(Clone)]
pub struct Call {
    request: Arc<Request>,
    status: Option<u16>,
    took: Option<Duration>,
    /// What was sent whole.
    response: Option<Arc<Response>>,
}

/// Picks calls.
pub(super) type Predicate = Arc<dyn Fn(&Call) -> bool + Send + Sync>;

struct Request {
    at: u64,
    begun: Instant,
    method: String,
    path: String,
    query: String,
    segments: Vec<String>,
    pairs: Vec<(String, String)>,
    headers: Headers,
    body: Bytes,
}

impl Call {
    pub(super) fn new(
        at: u64,
        method: &str,
        (path, query): (&str, &str),
        headers: Headers,
        body: Bytes,
    ) -> Self {
        let request = Request {
            at,
            begun: Instant::now(),
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            segments: path.strip_prefix('/').unwrap_or(path).split('/').map(decoded).collect(),
            pairs: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers,
            body,
        };
        Self { request: Arc::new(request), status: None, took: None, response: None }
    }

    /// When it arrived by the platform's clock, in Unix seconds.
    pub fn at(&self) -> u64 {
        self.request.at
    }

    /// The method, like `POST`.
    pub fn method(&self) -> &str {
        &self.request.method
    }

    /// The path as it was sent, with its percent-encoding.
    pub fn path(&self) -> &str {
        &self.request.path
    }

    /// The query as it was sent, without the `?`; empty when there was none.
    pub fn query(&self) -> &str {
        &self.request.query
    }

    /// The segments of the path, decoded one by one.
    pub fn segments(&self) -> &[String] {
        &self.request.segments
    }

    /// The names and values of the query, decoded, in their order.
    pub fn query_pairs(&self) -> &[(String, String)] {
        &self.request.pairs
    }

    /// The first value of `name` in the query, decoded.
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query_pairs().iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        &self.request.headers
    }

    /// The first header `name`, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.request.body
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is not JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(self.body()).unwrap_or_else(|error| panic!("the body of {self:?}: {error}"))
    }

    /// The status of the response; `None` while the call is under way, and when it was left without a response.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// How long it took until the response was sent, by the clock of the machine; `None` where it has no
    /// [`status`](Self::status).
    pub fn took(&self) -> Option<Duration> {
        self.took
    }

    /// The body of the response; `None` where it has no [`status`](Self::status), and where it was not sent whole.
    pub fn response_body(&self) -> Option<&[u8]> {
        self.response().map(|response| &*response.body)
    }

    pub(crate) fn response(&self) -> Option<&Response> {
        self.response.as_deref()
    }

    /// Whether both have the same method, path, query and body. A redelivery makes its calls with another `timestamp` and
    /// the same keys (wire contract, call-idempotency-keys), so that a `timestamp` does not count.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let same = |part: fn(&Self) -> &str| part(self) == part(other);
        let lasting = |call: &Self| {
            let mut body = serde_json::from_slice::<Value>(call.body()).ok()?;
            body.as_object_mut()?.remove("timestamp");
            Some(body)
        };
        let same_body =
            || self.body() == other.body() || lasting(self).is_some_and(|body| lasting(other) == Some(body));
        same(Self::method) && same(Self::path) && same(Self::query) && same_body()
    }

    pub(super) fn responded(&mut self, status: u16, whole: Option<Arc<Response>>) {
        self.took.get_or_insert_with(|| self.request.begun.elapsed());
        (self.status, self.response) = (Some(status), whole);
    }
}

fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method(), self.path())?;
        match self.status {
            Some(status) => write!(f, " → {status}"),
            None => f.write_str(" → no response"),
        }
    }
}

/// The calls in the order of their arrival.
#[derive(Default)]
pub(super) struct Calls {
    kept: VecDeque<Call>,
    /// How many were let go to keep the rest.
    gone: usize,
}

/// How many calls are kept: a platform may run for days.
const KEPT: usize = 100_000;

impl Calls {
    /// Adds a call. The number names it in [`responded`](Self::responded).
    pub(super) fn arrived(&mut self, call: Call) -> usize {
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
            self.gone = self.gone.saturating_add(1);
        }
        self.kept.push_back(call);
        self.gone.saturating_add(self.kept.len())
    }

    pub(super) fn responded(&mut self, number: usize, status: u16, whole: Option<Arc<Response>>) {
        let place = number.checked_sub(self.gone.saturating_add(1));
        if let Some(call) = place.and_then(|place| self.kept.get_mut(place)) {
            call.responded(status, whole);
        }
    }

    pub(super) fn all(&self) -> Vec<Call> {
        self.kept.iter().cloned().collect()
    }

    /// Forgets what arrived so far. Calls under way stay unrecorded.
    pub(super) fn forget(&mut self) {
        self.gone = self.gone.saturating_add(self.kept.len());
        self.kept.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(path: &str, query: &str) -> Call {
        Call::new(0, "GET", (path, query), Headers::default(), Bytes::new())
    }

    #[test]
    fn segments_and_pairs_are_decoded_one_by_one() {
        let call = call("/a%2Fb/%2e%2E//%C3%A4%", "x=1+2%2B&y&=z&x=3&q=%3D%26");
        assert_eq!(call.segments(), ["a/b", "..", "", "ä%"]);
        let pairs: Vec<_> = call.query_pairs().iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("x", "1 2+"), ("y", ""), ("", "z"), ("x", "3"), ("q", "=&")]);
        assert_eq!(call.query_value("x"), Some("1 2+"));
    }

    #[test]
    fn the_oldest_calls_make_room_and_responses_find_their_call() {
        let mut calls = Calls::default();
        let first = calls.arrived(call("/first", ""));
        let second = calls.arrived(call("/second", ""));
        for _ in 0..KEPT - 1 {
            calls.arrived(call("/more", ""));
        }
        calls.responded(first, 200, None);
        calls.responded(second, 201, None);
        let all = calls.all();
        assert_eq!((all.len(), format!("{:?}", all[0]).as_str()), (KEPT, "GET /second → 201"));
        assert_eq!(all[1].status(), None);
        calls.forget();
        calls.responded(second, 500, None);
        let third = calls.arrived(call("/third", ""));
        calls.responded(third, 404, None);
        assert_eq!(calls.all()[0].status(), Some(404));
    }
}
