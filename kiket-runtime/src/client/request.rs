//! A request before it is sent: method, path, query, body.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use percent_encoding::utf8_percent_encode;
use serde::Serialize;

use super::credentials::CallerCredentials;
use crate::{
    error::{ClientError, ClientErrorKind},
    types::RESERVED,
};

/// A call before it has tokens, a base URL or a deadline. A mistake in it is the error of sending it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Below the base URL: a path, percent-encoded, and perhaps a query.
    pub(crate) target: String,
    pub(crate) body: Option<Bytes>,
    pub(crate) idempotency: Idempotency,
    /// The caller's credentials, in place of the extension's tokens.
    pub(crate) credentials: Option<Arc<CallerCredentials>>,
    /// The response may hold a secret: no error shows any of it.
    pub(crate) confidential: bool,
    /// Why it cannot be sent: the first mistake.
    mistake: Option<(ClientErrorKind, String)>,
}

/// How a call that may have taken effect can be repeated safely.
#[derive(Debug, Clone, Default)]
pub(crate) enum Idempotency {
    /// If its method is idempotent.
    #[default]
    ByMethod,
    /// With an idempotency key made from its content: the body, or the part of it that a redelivery repeats.
    Derived(Bytes),
    /// With a new idempotency key, for a call that changes nothing.
    Random,
    /// Never, whatever its method and the caller's idempotency key.
    Never,
}

/// The prefix of every call to Kiket (wire contract, prefix).
const PREFIX: &str = "/api/v1";

impl Request {
    /// A call of `/api/v1` and these segments, each encoded as one.
    ///
    /// It cannot be sent if a segment is empty, `.` or `..`: a URL cannot carry those, however they are encoded.
    pub(crate) fn new(method: Method, segments: &[&str]) -> Self {
        let mut request = Self { method, target: PREFIX.to_owned(), ..Self::default() };
        for segment in segments {
            if matches!(*segment, "" | "." | "..") {
                request = request.invalid(format!("`{segment}` cannot be a segment of a path"));
            }
            request.target.push('/');
            request.target.extend(utf8_percent_encode(segment, RESERVED));
        }
        request
    }

    pub(crate) fn get(segments: &[&str]) -> Self {
        Self::new(Method::GET, segments)
    }

    pub(crate) fn post(segments: &[&str]) -> Self {
        Self::new(Method::POST, segments)
    }

    /// A call of a path that a user wrote, with its query.
    ///
    /// It cannot be sent if the path is not absolute, or leads out of itself.
    pub(crate) fn raw(method: Method, target: &str) -> Self {
        let path = target.split('?').next().unwrap_or_default();
        let dots = path.split('/').any(leads_out);
        let odd = |c: char| !c.is_ascii_graphic() || matches!(c, '#' | '\\');
        if !path.starts_with('/') || path.starts_with("//") || dots || target.contains(odd) {
            let request = Self { method, target: target.escape_debug().to_string(), ..Self::default() };
            return request.invalid(
                "a path is written like `/api/v1/ext/rate_limit?a=b`: from the slash on, percent-encoded, without `..` or `#`",
            );
        }
        Self { method, target: target.to_owned(), ..Self::default() }
    }

    /// Adds a pair to the query.
    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target.extend(utf8_percent_encode(name, RESERVED));
        self.target.push('=');
        self.target.extend(utf8_percent_encode(value, RESERVED));
        self
    }

    /// Adds a pair to the query if there is a value.
    pub(crate) fn maybe_query(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.query(name, &value.to_string()),
            None => self,
        }
    }

    /// Adds the fields of `params` to the query, those that have a value. They are a struct or a list of pairs.
    pub(crate) fn params(self, params: impl Serialize) -> Self {
        match serde_urlencoded::to_string(params) {
            Ok(encoded) => form_urlencoded::parse(encoded.as_bytes())
                .fold(self, |request, (name, value)| request.query(&name, &value)),
            Err(error) => self.invalid(format!("the parameters cannot be a query: {error}")),
        }
    }

    /// Adds the project to the query.
    pub(crate) fn of_project(self, project: &str) -> Self {
        let project = project.trim();
        self.named(project, "the project").query("project_id", project)
    }

    /// The same request, which cannot be sent if `name`, the name of `thing`, is blank.
    pub(crate) fn named(self, name: &str, thing: &str) -> Self {
        if name.trim().is_empty() { self.invalid(format!("{thing} is blank")) } else { self }
    }

    /// The same request, which cannot be sent because an argument is wrong.
    pub(crate) fn invalid(self, message: impl Into<String>) -> Self {
        self.refused(ClientErrorKind::InvalidRequest, message)
    }

    /// The same request, which cannot be sent.
    pub(crate) fn refused(mut self, kind: ClientErrorKind, message: impl Into<String>) -> Self {
        self.mistake.get_or_insert_with(|| (kind, message.into()));
        self
    }

    /// Fails if the request cannot be sent.
    pub(super) fn check(&self) -> Result<(), ClientError> {
        match &self.mistake {
            Some((kind, message)) => Err(ClientError::new(*kind, self.call(), message)),
            None => Ok(()),
        }
    }

    /// Sends `body` as JSON.
    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(json) => self.body = Some(json.into()),
            Err(error) => return self.invalid(format!("the body cannot be JSON: {error}")),
        }
        self
    }

    /// Makes it repeatable, with an idempotency key made from its body.
    pub(crate) fn idempotent(self) -> Self {
        let body = self.body.clone().unwrap_or_default();
        self.idempotent_by(body)
    }

    /// Makes it repeatable, with an idempotency key made from `content`, which a redelivery repeats.
    pub(crate) fn idempotent_by(mut self, content: impl Into<Bytes>) -> Self {
        self.idempotency = Idempotency::Derived(content.into());
        self
    }

    /// Keeps the response out of errors.
    pub(crate) fn confidential(mut self) -> Self {
        self.confidential = true;
        self
    }

    /// Whether it is idempotent, by its method or by its key.
    pub(crate) fn is_repeatable(&self) -> bool {
        match self.idempotency {
            Idempotency::ByMethod => self.method.is_idempotent(),
            Idempotency::Derived(_) | Idempotency::Random => true,
            Idempotency::Never => false,
        }
    }

    /// Whether it is one of the calls that take the extension API key.
    pub(crate) fn is_below_ext(&self) -> bool {
        let rest = self.target.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix("/ext"));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    }

    /// The family of the call, for metrics; they count one that they do not know as `other`.
    pub(super) fn family(&self) -> &str {
        let path = self.target.strip_prefix(PREFIX).and_then(|rest| rest.split('?').next());
        let mut segments = path.unwrap_or_default().split('/').skip(1);
        match (segments.next(), segments.next(), segments.next()) {
            (Some("ext"), Some("project"), _) => "projects",
            (Some("extensions"), Some(family @ ("metrics" | "notifications")), None)
            | (Some("ext"), Some(family), _)
            | (Some("extensions"), Some(_), Some(family)) => family,
            (Some("extensions"), Some(_), None) => "metadata",
            (Some("platform"), ..) => "ingestion",
            (Some("audit"), ..) => "audit",
            _ => "other",
        }
    }

    /// The call, as errors and logs name it: without a query, which may be long and private.
    pub(crate) fn call(&self) -> String {
        format!("{} {}", self.method, self.target.split('?').next().unwrap_or_default())
    }
}

/// Whether a segment is `.` or `..`, also where dots are encoded.
fn leads_out(segment: &str) -> bool {
    let dotted = segment.starts_with(['.', '%']) && segment.len() <= "%2e%2e".len();
    dotted && matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::FAMILIES;

    #[test]
    fn every_segment_stays_one_segment() {
        for (segment, encoded) in [
            ("API_KEY", "API_KEY"),
            ("a/b", "a%2Fb"),
            ("a?b#c", "a%3Fb%23c"),
            ("a b%", "a%20b%25"),
            ("a..b", "a..b"),
            ("...", "..."),
            ("grün", "gr%C3%BCn"),
            ("%2e%2e", "%252e%252e"),
            ("a\\b", "a%5Cb"),
        ] {
            let request = Request::get(&["x", segment]);
            assert!(request.check().is_ok());
            assert_eq!(request.target, format!("/api/v1/x/{encoded}"));
        }
        for segment in ["", ".", ".."] {
            let error = Request::get(&["x", segment, "y"]).check().unwrap_err();
            assert_eq!(error.kind(), ClientErrorKind::InvalidRequest, "{segment}");
        }
    }

    #[test]
    fn queries_are_encoded() {
        let request = Request::get(&["x"]).query("filters", r#"{"a":"b&c"}"#);
        let request = request.maybe_query("limit", Some(5)).maybe_query("none", None::<u32>);
        assert_eq!(request.target, "/api/v1/x?filters=%7B%22a%22%3A%22b%26c%22%7D&limit=5");
        let request = request.params([("a b", Some("c+d")), ("e", None)]);
        assert_eq!(request.target, "/api/v1/x?filters=%7B%22a%22%3A%22b%26c%22%7D&limit=5&a%20b=c%2Bd");
        assert_eq!(request.call(), "GET /api/v1/x");
    }

    #[test]
    fn raw_paths_are_absolute_and_stay_below_the_host() {
        for path in ["/api/v1/ext/x", "/x?a=b&c=%2F", "/", "/a..b"] {
            let request = Request::raw(Method::GET, path);
            assert!(request.check().is_ok());
            assert_eq!(request.target, path);
        }
        for path in [
            "",
            "x",
            "//evil.example/x",
            "https://evil.example",
            "/a/../b",
            "/a/%2e%2E/b",
            "/a b",
            "/a#b",
            "/\\evil",
            "/ä",
            "/a\r\nb",
        ] {
            assert!(Request::raw(Method::GET, path).check().is_err(), "{path:?}");
        }
    }

    #[test]
    fn the_extension_key_is_for_calls_below_ext_only() {
        for (path, below) in [
            ("/api/v1/ext/rate_limit", true),
            ("/api/v1/ext", true),
            ("/api/v1/extensions/x", false),
            ("/api/v2/ext/x", false),
        ] {
            assert_eq!(Request::raw(Method::GET, path).is_below_ext(), below, "{path}");
        }
    }

    #[test]
    fn every_call_of_the_fake_platform_has_a_family() {
        let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../kiket-testing/src/platform/table.rs");
        let table = std::fs::read_to_string(table).unwrap();
        let paths: Vec<_> = table.split('"').filter(|text| text.starts_with(PREFIX)).collect();
        assert!(paths.len() > 30, "{paths:?}");
        // Telemetry is sent by another client.
        for path in paths.into_iter().filter(|path| !path.ends_with("/telemetry")) {
            let request = Request { target: path.to_owned(), ..Request::default() };
            let family = request.family();
            assert!(FAMILIES.contains(&family) && family != "other", "{path}: {family}");
        }
        for (path, family) in
            [("/api/v1/webhooks", "other"), ("/x", "other"), ("/api/v1/ext/sla/events?a=/b", "sla")]
        {
            assert_eq!(Request::raw(Method::GET, path).family(), family, "{path}");
        }
    }

    #[test]
    fn idempotent_calls_are_repeatable() {
        let post = || Request::post(&["x"]);
        assert!(!post().is_repeatable());
        assert!(post().idempotent().is_repeatable());
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let request = Request::new(method, &["x"]);
            assert!(request.is_repeatable());
            assert!(!Request { idempotency: Idempotency::Never, ..request }.is_repeatable());
        }
        assert!(Request { idempotency: Idempotency::Random, ..post() }.is_repeatable());
    }
}
