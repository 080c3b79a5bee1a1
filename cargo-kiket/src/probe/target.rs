//! The endpoint: addresses, signatures, requests with a deadline each, and their number.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use ::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use kiket_runtime::{Secret, signature};
use reqwest::{Body, Method, Url};

use super::args::Args;
use crate::{
    exit::Result,
    http::{Client, NoResponse, Response},
    time,
};

/// How many requests a probe sends at most.
pub(super) const MOST_REQUESTS: usize = 40;

/// The endpoint that is probed.
pub(super) struct Target<'t> {
    client: Client,
    /// Where deliveries go.
    deliveries: Url,
    /// Where the list of events is, unless the address is that of one event.
    pub(super) health: Option<Url>,
    /// Whether its addresses name events; at `…/webhook` the body does.
    pub(super) names_event: bool,
    pub(super) event: String,
    version: String,
    secret: &'t Secret,
    timeout: Duration,
    pub(super) patience: Duration,
    pub(super) body_limit: usize,
    sent: usize,
    /// How far the endpoint's clock is ahead, in seconds.
    ahead: Option<i64>,
}

/// A request as it is sent.
pub(super) struct Attack {
    method: Method,
    url: Option<Url>,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

impl Attack {
    /// A delivery without headers.
    pub(super) fn of(body: impl Into<Body>) -> Self {
        Self { method: Method::POST, url: None, headers: Vec::new(), body: body.into() }
    }

    pub(super) fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    pub(super) fn to(self, url: Url) -> Self {
        Self { url: Some(url), ..self }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn timestamp(self, value: impl std::fmt::Display) -> Self {
        self.header(signature::TIMESTAMP_HEADER, format!("{value}"))
    }

    pub(super) fn signature(self, value: impl Into<String>) -> Self {
        self.header(signature::SIGNATURE_HEADER, value)
    }
}

impl<'t> Target<'t> {
    pub(super) fn new(args: &Args, secret: &'t Secret) -> Result<Self> {
        let mut base = args.url.clone();
        base.set_query(None);
        base.set_fragment(None);
        let path = base.path().trim_end_matches('/').to_owned();
        let named = path.rsplit_once("/webhooks/").map(|(_, event)| event.to_owned());
        let at = |path: &str| {
            let mut url = base.clone();
            url.set_path(path);
            url
        };
        let is_whole = named.is_some() || path.ends_with("/webhook");
        let (deliveries, health) = if is_whole {
            (args.url.clone(), None)
        } else {
            (at(&format!("{path}/webhooks/{}", args.event)), Some(at(&format!("{path}/health"))))
        };
        Ok(Self {
            client: Client::new(&args.url)?,
            deliveries,
            names_event: named.is_some() || health.is_some(),
            health,
            event: named.unwrap_or_else(|| args.event.to_string()),
            version: args.event_version.to_string(),
            secret,
            timeout: args.timeout(),
            patience: args.patience(),
            body_limit: args.body_limit as usize,
            sent: 0,
            ahead: None,
        })
    }

    pub(super) fn host(&self) -> &str {
        self.deliveries.host_str().unwrap_or_default()
    }

    /// Where a delivery of `event` goes, beside the others.
    pub(super) fn deliveries_of(&self, event: &str) -> Option<Url> {
        let mut url = self.health.clone()?;
        let path = url.path().strip_suffix("/health")?.to_owned();
        url.set_path(&format!("{path}/webhooks/{event}"));
        Some(url)
    }

    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    pub(super) fn clock_ahead(&self) -> Option<i64> {
        self.ahead
    }

    /// Now, by the endpoint's clock as far as it is known.
    pub(super) fn now(&self) -> u64 {
        time::now().saturating_add_signed(self.ahead.unwrap_or_default())
    }

    /// Takes the clock of the endpoint from its `Date`.
    pub(super) fn set_clock(&mut self, response: &Response) {
        let date = response.header("date").and_then(|date| httpdate::parse_http_date(date).ok());
        let seconds = date
            .and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok())
            .map(|since| since.as_secs());
        self.ahead = seconds.map(|seconds| seconds.cast_signed().saturating_sub(time::now().cast_signed()));
    }

    /// The signature of `body` at `timestamp`.
    pub(super) fn sign(&self, timestamp: u64, body: impl AsRef<[u8]>) -> String {
        signature::sign(self.secret.expose(), timestamp, body.as_ref())
    }

    /// A delivery that is right.
    pub(super) fn signed(&self, body: impl Into<Bytes>) -> Attack {
        let (now, body) = (self.now(), body.into());
        let signature = self.sign(now, &body);
        Attack::of(body).timestamp(now).signature(signature)
    }

    pub(super) fn send(&mut self, attack: Attack) -> std::result::Result<Response, NoResponse> {
        self.send_within(attack, self.timeout)
    }

    /// Sends a request, unless too many were sent.
    pub(super) fn send_within(
        &mut self,
        attack: Attack,
        deadline: Duration,
    ) -> std::result::Result<Response, NoResponse> {
        if self.sent >= MOST_REQUESTS {
            return Err(NoResponse::Broken(format!("{MOST_REQUESTS} requests were sent, and no more are")));
        }
        self.sent += 1;
        let given = [
            ("content-type", "application/json".to_owned()),
            ("x-kiket-event-version", self.version.clone()),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in given.into_iter().chain(attack.headers) {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
        let url = attack.url.unwrap_or_else(|| self.deliveries.clone());
        self.client.send(attack.method, url, headers, attack.body, deadline)
    }
}

/// A body in pieces, which may stop before its end.
pub(super) struct Pieces {
    pub(super) piece: Bytes,
    /// How often the piece is still sent.
    pub(super) times: usize,
    /// The length that is announced; without one, the body is sent in chunks.
    pub(super) announced: Option<u64>,
    /// Whether nothing comes after the pieces, and no end either.
    pub(super) stops: bool,
}

impl From<Pieces> for Body {
    fn from(pieces: Pieces) -> Self {
        Self::wrap(pieces)
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        if self.times > 0 {
            self.times -= 1;
            return Poll::Ready(Some(Ok(Frame::data(self.piece.clone()))));
        }
        // The deadline of the request ends the wait.
        if self.stops { Poll::Pending } else { Poll::Ready(None) }
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
