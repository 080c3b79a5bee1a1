//! A response of the fake platform before it is HTTP.

use bytes::Bytes;
use serde_json::{Map, Value, json};

#[derive(Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

/// What an endpoint responds; an error when it refuses the request.
pub(super) type Outcome = Result<Response, Response>;

impl Response {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        let response = Self { body: body.to_string().into(), ..Self::empty(status) };
        response.with_header("content-type", "application/json")
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    pub(super) fn error(status: u16, code: &str, text: &str) -> Self {
        Self::json(status, &json!({ "error": text, "code": code }))
    }

    /// 404, for a thing that is not there.
    pub(super) fn not_found(what: &str) -> Self {
        Self::error(404, "not_found", &format!("{what} not found"))
    }

    /// 422, with what is wrong about each field.
    pub(super) fn invalid(errors: &[(&str, &str)]) -> Self {
        let text: Vec<_> = errors.iter().map(|(field, error)| format!("{field} {error}")).collect();
        let fields: Map<String, Value> =
            errors.iter().map(|(field, error)| ((*field).to_owned(), json!([error]))).collect();
        Self::json(422, &json!({ "error": text.join(", "), "code": "invalid", "errors": fields }))
    }

    pub(super) fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}
