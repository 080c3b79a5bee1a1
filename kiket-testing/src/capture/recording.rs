//! A recording, which has secrets, and the capture that is made of it.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use kiket_runtime::{Clock, Secret};

use super::{
    content::{CapturedCall, CapturedResponse, Content},
    file::{Capture, FORMAT},
    redaction::{Named, by_value, escape, hide, of_content, redacted, redactions},
};
use crate::platform::Call;

/// The headers that a capture has; all others may be secret, or differ from time to time.
const HEADERS: [&str; 2] = ["content-type", "retry-after"];

/// What happened, with its secrets, to become a [`Capture`] without them.
///
/// Secrets are found by their positions: the members of `secrets`, the runtime token, and every member whose name says
/// it, like `access_token`; and the secrets that are set and read through the API. Their values, and those of
/// [`secret`](Self::secret), are then replaced everywhere: as they are, escaped as JSON, in base64, and
/// percent-encoded. Values of less than 4 bytes are replaced only in their positions.
#[allow(missing_debug_implementations)] // it has secrets
#[must_use = "a recording becomes a capture"]
pub struct Recording {
    capture: Capture,
    secrets: Named,
}

impl Recording {
    /// Begins with the delivery of `event` in `version` with this body, now.
    pub fn new(event: impl Into<String>, version: impl Into<String>, body: &[u8]) -> Self {
        let mut recording = Self::redacted(event, version, body);
        escape(&mut recording.capture.body);
        recording
    }

    /// The same with the body of a capture, which has placeholders.
    #[doc(hidden)]
    pub fn redacted(event: impl Into<String>, version: impl Into<String>, body: &[u8]) -> Self {
        let capture = Capture {
            format: FORMAT,
            event: event.into(),
            version: version.into(),
            path: None,
            recorded_at: Clock::system().now().into(),
            build: None,
            headers: BTreeMap::new(),
            body: Content::of(body),
            calls: None,
            response: None,
            redacted: Vec::new(),
        };
        Self { capture, secrets: Vec::new() }
    }

    /// Path and query, where they are not `/v/{version}/webhooks/{event}`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        let path = path.into();
        self.capture.path = (self.capture.target() != path).then_some(path);
        self
    }

    /// The time of the delivery, in Unix seconds, in place of now.
    pub fn at(mut self, unix_seconds: u64) -> Self {
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(unix_seconds));
        self.capture.recorded_at = at.map_or(self.capture.recorded_at, Into::into);
        self
    }

    /// The build that was delivered to.
    pub fn build(mut self, build: impl Into<Option<String>>) -> Self {
        self.capture.build = build.into();
        self
    }

    /// The headers of the delivery; only a few are kept.
    pub fn headers<'h>(mut self, headers: impl IntoIterator<Item = (&'h str, &'h str)>) -> Self {
        self.capture.headers = kept(headers);
        self
    }

    /// The response: status, headers, and body.
    pub fn responded<'h>(
        mut self,
        status: u16,
        headers: impl IntoIterator<Item = (&'h str, &'h str)>,
        body: &[u8],
    ) -> Self {
        let response = CapturedResponse { status, headers: kept(headers), body: Content::of(body) };
        self.capture.response = Some(response);
        self
    }

    /// The calls that it led to, as a [`FakePlatform`](crate::FakePlatform) received them. Telemetry and the keys of
    /// runtime tokens do not count.
    pub fn calls<'c>(mut self, calls: impl IntoIterator<Item = &'c Call>) -> Self {
        let counted = calls.into_iter().filter(|call| {
            let last = call.segments().last().map_or("", String::as_str);
            !["telemetry", "jwks.json"].contains(&last)
        });
        self.capture.calls = Some(counted.map(captured).collect());
        self
    }

    /// The calls that it led to, as a [`Keyring`](super::Keyring) left them.
    #[doc(hidden)]
    pub fn redacted_calls(mut self, calls: Vec<CapturedCall>) -> Self {
        self.capture.calls = Some(calls);
        self
    }

    /// A secret by its name, to be redacted wherever it is.
    pub fn secret(mut self, name: impl Into<String>, secret: Secret) -> Self {
        self.secrets.push((name.into(), secret));
        self
    }

    /// The capture, without the secrets.
    pub fn capture(self) -> Capture {
        let Self { mut capture, secrets: mut found } = self;
        let Capture { path, headers, body, calls, response, .. } = &mut capture;
        of_content(body, &mut found);
        for call in calls.iter_mut().flatten() {
            of_call(call, &mut found);
        }
        if let Some(response) = response {
            of_content(&mut response.body, &mut found);
        }
        let redactions = redactions(found);
        let text = |text: &mut String| *text = redactions.redact(text);
        let content = |content: &mut Content| {
            if let Some(json) = &mut content.body {
                by_value(json, &redactions);
            }
            content.text.iter_mut().for_each(text);
        };
        let responded = |response: &mut Option<CapturedResponse>| {
            if let Some(CapturedResponse { headers, body, .. }) = response {
                headers.values_mut().for_each(text);
                content(body);
            }
        };
        path.iter_mut().chain(headers.values_mut()).for_each(text);
        content(body);
        for CapturedCall { path, body, response, .. } in calls.iter_mut().flatten() {
            text(path);
            content(body);
            responded(response);
        }
        responded(response);
        capture.redacted = redacted(&serde_json::to_value(&capture).unwrap_or_default());
        capture
    }
}

/// The secrets of a call. Those of `…/secrets/{key}` are in `value`.
pub(super) fn of_call(call: &mut CapturedCall, found: &mut Named) {
    let path = call.path.split('?').next().unwrap_or_default().to_owned();
    let mut segments = path.split('/').skip_while(|segment| *segment != "secrets");
    let key = segments.nth(1);
    let response = call.response.as_mut().map(|response| &mut response.body);
    for content in std::iter::once(&mut call.body).chain(response) {
        let value = content.body.as_mut().and_then(|body| body.get_mut("value"));
        if let (Some(key), Some(value)) = (key, value) {
            hide(key, value, found);
        }
        of_content(content, found);
    }
}

pub(super) fn captured(call: &Call) -> CapturedCall {
    let query = if call.query().is_empty() { String::new() } else { format!("?{}", call.query()) };
    CapturedCall {
        method: call.method().to_owned(),
        path: format!("{}{query}", call.path()),
        body: Content::of(call.body()),
        response: call.response().map(|response| CapturedResponse {
            status: response.status,
            headers: kept(response.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
            body: Content::of(&response.body),
        }),
    }
}

fn kept<'h>(headers: impl IntoIterator<Item = (&'h str, &'h str)>) -> BTreeMap<String, String> {
    let headers = headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    headers.filter(|(name, _)| HEADERS.contains(&name.as_str())).collect()
}
