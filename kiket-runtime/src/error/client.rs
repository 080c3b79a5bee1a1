//! The error of a call to Kiket.

use std::{
    fmt::{self, Write as _},
    mem, slice,
    time::Duration,
};

use http::StatusCode;
use serde_json::Value;

use crate::types::{LONGEST_ID, LONGEST_TEXT, setters, shortened};

/// The error of a call to Kiket: an error response, or the reason why there is no response.
///
/// `?` in a handler converts it into a [`HandlerError`](crate::HandlerError), so that the delivery is retried: by Kiket's
/// schedule, or, in a `later` handler, not before a `Retry-After` of the response. It never contains a token.
///
/// ```
/// use kiket_runtime::error::{ClientError, ClientErrorKind};
///
/// fn is_gone(error: &ClientError) -> bool {
///     error.status().is_some_and(|status| status == 404)
/// }
/// ```
#[derive(Debug)]
pub struct ClientError(Box<Failure>);

/// The kind of a [`ClientError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientErrorKind {
    /// A token, an id or a URL is missing or invalid; nothing was sent.
    NotConfigured,
    /// An argument cannot be sent; nothing was sent.
    InvalidRequest,
    /// The runtime token of a delivery that was worked on later has expired, or is not stored; nothing was sent.
    /// [`Context::as_workspace`](crate::Context::as_workspace) calls with the tokens of the extension instead.
    TokenExpired,
    /// The rate limit, or a `Retry-After`, would hold the call back past its deadline; nothing was sent.
    RateLimited,
    /// No connection: the host is unknown, the connection was refused, or TLS failed.
    Connect,
    /// The deadline passed: that of the call, or that of the delivery.
    Timeout,
    /// The connection broke before the response was complete, in every attempt. Whether the call took effect is unknown.
    Interrupted,
    /// The response has a status other than 2xx.
    Status(StatusCode),
    /// The response is larger than 8 MiB.
    TooLarge,
    /// The response could not be deserialized: it is not JSON, or JSON of another shape.
    Unreadable,
    /// The pages of a list have no end: one names an earlier one as the next, or too many in a row are empty.
    EndlessPages,
}

/// Kiket's description of what is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldError {
    /// The field; empty if the response names none.
    pub field: String,
    /// The description.
    pub message: String,
}

#[derive(Debug)]
struct Failure {
    kind: ClientErrorKind,
    /// The call, like `GET /api/v1/ext/rate_limit`.
    call: String,
    /// The message of the response, else our own.
    message: String,
    code: Option<String>,
    fields: Vec<FieldError>,
    request_id: Option<String>,
    excerpt: Option<String>,
    retry_after: Option<Duration>,
}

/// The most invalid fields of an error: more than a request has.
const MOST_FIELDS: usize = 64;

impl ClientError {
    pub(crate) fn new(kind: ClientErrorKind, call: impl Into<String>, message: impl Into<String>) -> Self {
        Self(Box::new(Failure {
            kind,
            call: call.into(),
            message: message.into(),
            code: None,
            fields: Vec::new(),
            request_id: None,
            excerpt: None,
            retry_after: None,
        }))
    }

    /// An error response. `excerpt` is the start of the body, if it may be shown.
    pub(crate) fn of_response(call: &str, status: StatusCode, body: &[u8], excerpt: Option<String>) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let fields = field_errors(&body["errors"]);
        let message = message(&body).unwrap_or_else(|| {
            let reason = status.canonical_reason().unwrap_or("no reason given");
            if !fields.is_empty() {
                "the request is invalid".to_owned()
            } else if status.is_redirection() {
                format!("{reason}; redirects are not followed")
            } else {
                reason.to_owned()
            }
        });
        let code = [&body["code"], &body["error"]["code"], &body["type"]].into_iter().find_map(text);
        let (kind, call, request_id) =
            (ClientErrorKind::Status(status), call.to_owned(), text(&body["request_id"]));
        Self(Box::new(Failure { kind, call, message, code, fields, request_id, excerpt, retry_after: None }))
    }

    setters! {
        (crate) with_request_id(id: Option<String>) =>
            |error| error.0.request_id = id.or(error.0.request_id.take());
        (crate) with_retry_after(delay: Option<Duration>) => |error| error.0.retry_after = delay;
        /// Adds to the message what else is to be said.
        (crate) with_note(note: Option<&str>) =>
            |error| error.0.message.extend(note.into_iter().flat_map(|note| ["; ", note]));
        (crate) with_excerpt(excerpt: Option<String>) => |error| error.0.excerpt = excerpt;
    }

    /// Redacts `secret` in all texts.
    pub(crate) fn without(mut self, secret: &str) -> Self {
        if secret.is_empty() {
            return self;
        }
        let Failure { message, excerpt, code, fields, call, request_id, .. } = &mut *self.0;
        let texts = [Some(message), excerpt.as_mut(), code.as_mut(), Some(call), request_id.as_mut()];
        let fields = fields.iter_mut().flat_map(|field| [&mut field.field, &mut field.message]);
        for text in texts.into_iter().flatten().chain(fields) {
            if text.contains(secret) {
                *text = text.replace(secret, "…");
            }
        }
        self
    }

    /// Cuts the texts of the response, and its fields. Secrets are redacted before: a cut could leave half of one.
    pub(crate) fn cut(mut self) -> Self {
        let Failure { message, code, fields, request_id, .. } = &mut *self.0;
        fields.truncate(MOST_FIELDS);
        let fields = fields.iter_mut().flat_map(|field| [&mut field.field, &mut field.message]);
        let short = code.iter_mut().chain(request_id).chain(fields).map(|text| (text, LONGEST_ID));
        for (text, most) in short.chain([(message, LONGEST_TEXT)]) {
            *text = shortened(mem::take(text), most).into_owned();
        }
        self
    }

    /// The kind of the error.
    pub fn kind(&self) -> ClientErrorKind {
        self.0.kind
    }

    /// The status of the response.
    pub fn status(&self) -> Option<StatusCode> {
        match self.0.kind {
            ClientErrorKind::Status(status) => Some(status),
            _ => None,
        }
    }

    /// The code in the response, like `rate_limited`.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The message: that of the response, if it has one, of which it is the first 4 KiB.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The invalid fields of the request: 64 at most.
    pub fn fields(&self) -> &[FieldError] {
        &self.0.fields
    }

    /// The id of the request, by which Kiket's support finds the call.
    #[doc(alias = "request id")]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The start of the response's body, at most 512 characters; `None` if it could contain a secret.
    pub fn excerpt(&self) -> Option<&str> {
        self.0.excerpt.as_deref()
    }

    /// The delay that Kiket asks for before the next call: the `Retry-After` of the response, at most a
    /// day.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The call, like `GET /api/v1/ext/rate_limit`.
    pub fn call(&self) -> &str {
        &self.0.call
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { kind, call, message, fields, request_id, .. } = &*self.0;
        let mut text = message.clone();
        for FieldError { field, message } in fields {
            match field.as_str() {
                "" => write!(text, "; {message}")?,
                field => write!(text, "; `{field}` {message}")?,
            }
        }
        let text = shortened(text, LONGEST_TEXT);
        match kind {
            ClientErrorKind::Status(status) => {
                write!(f, "`{call}` failed with status {}: {text}", status.as_u16())?;
            }
            _ => write!(f, "`{call}` failed: {text}")?,
        }
        match request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ClientError {}

/// The message of an error response, whose body has one of these shapes:
///
/// ```text
/// {"error": "text", "code": "text", "request_id": "text"}      also {"error": {"message": …, "code": …}}
/// {"errors": {"field": ["text", …]}}                           also "text", and ["text", …], and
/// {"errors": [{"field": "text", "message": "text"}]}
/// {"title": "text", "detail": "text", "type": "text"}          RFC 7807
/// ```
fn message(body: &Value) -> Option<String> {
    let problem = match (text(&body["title"]), text(&body["detail"])) {
        (Some(title), Some(detail)) => Some(format!("{title}: {detail}")),
        (title, detail) => title.or(detail),
    };
    let error = text(&body["error"]).or_else(|| text(&body["error"]["message"]));
    error.or(problem).or_else(|| text(&body["message"]))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn field_errors(errors: &Value) -> Vec<FieldError> {
    fn list(value: &Value) -> &[Value] {
        value.as_array().map_or(slice::from_ref(value), Vec::as_slice)
    }
    let of = |field: &str, value| {
        let field = field.to_owned();
        let texts = list(value).iter().filter_map(Value::as_str);
        texts.map(move |text| FieldError { field: field.clone(), message: text.to_owned() })
    };
    match errors {
        Value::Object(fields) => fields.iter().flat_map(|(field, value)| of(field, value)).collect(),
        errors => list(errors)
            .iter()
            .flat_map(|item| match item.as_object() {
                Some(fields) => {
                    let message = fields.get("message").unwrap_or(&item["detail"]);
                    of(item["field"].as_str().unwrap_or_default(), message)
                }
                None => of("", item),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn invalid(body: &Value) -> ClientError {
        ClientError::of_response(
            "GET /x",
            StatusCode::UNPROCESSABLE_ENTITY,
            body.to_string().as_bytes(),
            None,
        )
    }

    #[test]
    fn every_shape_of_an_error_body_is_read() {
        #[track_caller]
        fn check(body: &Value, message: &str, code: Option<&str>, fields: &[(&str, &str)]) {
            let error = invalid(body);
            assert_eq!((error.message(), error.code()), (message, code), "{body}");
            let found: Vec<_> =
                error.fields().iter().map(|f| (f.field.as_str(), f.message.as_str())).collect();
            assert_eq!(found, fields, "{body}");
        }
        check(&json!({ "error": "no", "code": "nope" }), "no", Some("nope"), &[]);
        check(&json!({ "error": { "message": "no", "code": "nope" } }), "no", Some("nope"), &[]);
        check(
            &json!({ "title": "Bad", "detail": "field", "type": "about:blank" }),
            "Bad: field",
            Some("about:blank"),
            &[],
        );
        check(
            &json!({ "errors": { "email": ["is taken", "is odd"], "name": "is blank" } }),
            "the request is invalid",
            None,
            &[("email", "is taken"), ("email", "is odd"), ("name", "is blank")],
        );
        check(
            &json!({ "errors": [{ "field": "email", "message": "is taken" }, "odd"] }),
            "the request is invalid",
            None,
            &[("email", "is taken"), ("", "odd")],
        );
        check(&json!({ "message": "m" }), "m", None, &[]);
        check(&json!([1]), "Unprocessable Entity", None, &[]);
    }

    #[test]
    fn it_prints_call_status_fields_and_request() {
        let error =
            invalid(&json!({ "error": "invalid", "errors": { "email": ["is taken"] }, "request_id": "r-1" }));
        assert_eq!(
            error.to_string(),
            "`GET /x` failed with status 422: invalid; `email` is taken (request r-1)"
        );
    }

    #[test]
    fn a_token_in_a_response_is_redacted() {
        let body = json!({ "error": "bad canary", "errors": { "canary": "canary" }, "code": "canary" });
        let excerpt = Some(body.to_string());
        let error = ClientError::of_response(
            "GET /x",
            StatusCode::UNAUTHORIZED,
            body.to_string().as_bytes(),
            excerpt,
        )
        .without("canary");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}
