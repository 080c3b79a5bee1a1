//! Why a call to Kiket failed.

use std::{fmt, time::Duration};

use http::StatusCode;
use serde_json::Value;

/// Why a call to Kiket failed: what Kiket answered, or why there is no answer.
///
/// `?` converts it into a [`kiket::Error`](crate::Error), so that the delivery is tried again; after a `Retry-After` of
/// Kiket, not before that. It never contains a token.
///
/// ```
/// use kiket_runtime::{ClientError, ClientErrorKind};
///
/// fn is_gone(error: &ClientError) -> bool {
///     error.status().is_some_and(|status| status == 404)
/// }
/// ```
pub struct ClientError(Box<Failure>);

/// What stood in the way of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientErrorKind {
    /// A token, an id or an address is missing or unusable; nothing was sent.
    NotConfigured,
    /// An argument cannot be sent; nothing was sent.
    InvalidRequest,
    /// The call would have had to wait longer than it may, for its turn or after a `Retry-After`.
    RateLimited,
    /// No connection: the name is unknown, nobody listens, or TLS failed.
    Connect,
    /// The time was over: that of the call, or that of the delivery.
    Timeout,
    /// The connection broke before the answer was complete. Whether the call took effect is unknown.
    Interrupted,
    /// Kiket answered with a status other than 2xx.
    Status(StatusCode),
    /// The answer is larger than an answer may be.
    TooLarge,
    /// The answer is not what was asked for: not JSON, or JSON of another shape.
    Unreadable,
}

/// What is wrong with one field of a request, as Kiket says it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldError {
    /// The field; empty where Kiket names none.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

struct Failure {
    kind: ClientErrorKind,
    /// Which call, like `GET /api/v1/ext/rate_limit`.
    call: String,
    /// What happened, in one sentence; Kiket's own words where it has any.
    message: String,
    code: Option<String>,
    fields: Vec<FieldError>,
    request_id: Option<String>,
    excerpt: Option<String>,
    retry_after: Option<Duration>,
}

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

    /// What Kiket answered. `excerpt` is the start of the body, where it may be shown.
    pub(crate) fn answered(call: &str, status: StatusCode, body: &[u8], excerpt: Option<String>) -> Self {
        let told = serde_json::from_slice::<Value>(body).map(|body| Told::read(&body)).unwrap_or_default();
        let message = told.message.unwrap_or_else(|| {
            let reason = status.canonical_reason().unwrap_or("no reason given");
            if status.is_redirection() {
                format!("{reason}; redirects are not followed")
            } else {
                reason.to_owned()
            }
        });
        let mut error = Self::new(ClientErrorKind::Status(status), call, message);
        error.0.code = told.code;
        error.0.fields = told.fields;
        error.0.request_id = told.request_id;
        error.0.excerpt = excerpt;
        error
    }

    pub(crate) fn with_request_id(mut self, id: Option<String>) -> Self {
        self.0.request_id = id.or(self.0.request_id.take());
        self
    }

    pub(crate) fn with_retry_after(mut self, delay: Option<Duration>) -> Self {
        self.0.retry_after = delay;
        self
    }

    pub(crate) fn with_excerpt(mut self, excerpt: Option<String>) -> Self {
        self.0.excerpt = excerpt;
        self
    }

    /// Takes a text that must not be shown out of everything that is.
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

    /// What stood in the way.
    pub fn kind(&self) -> ClientErrorKind {
        self.0.kind
    }

    /// The status that Kiket answered with.
    pub fn status(&self) -> Option<StatusCode> {
        match self.0.kind {
            ClientErrorKind::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Kiket's code of the failure, like `rate_limited`.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// What happened: Kiket's own words where it has any.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What is wrong with the fields of the request.
    pub fn fields(&self) -> &[FieldError] {
        &self.0.fields
    }

    /// The id under which Kiket's support finds the call.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The start of the answer's body, at most 512 characters; absent where it could show a secret.
    pub fn excerpt(&self) -> Option<&str> {
        self.0.excerpt.as_deref()
    }

    /// When Kiket wants to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Which call it was, like `GET /api/v1/ext/rate_limit`.
    pub fn call(&self) -> &str {
        &self.0.call
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { kind, call, message, fields, request_id, .. } = &*self.0;
        match kind {
            ClientErrorKind::Status(status) => {
                write!(f, "`{call}` was answered with {}: {message}", status.as_u16())?;
            }
            _ => write!(f, "`{call}` failed: {message}")?,
        }
        for FieldError { field, message } in fields {
            match field.as_str() {
                "" => write!(f, "; {message}")?,
                field => write!(f, "; `{field}` {message}")?,
            }
        }
        match request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientError")
            .field("kind", &self.0.kind)
            .field("call", &self.0.call)
            .field("message", &self.0.message)
            .field("code", &self.0.code)
            .field("fields", &self.0.fields)
            .field("request_id", &self.0.request_id)
            .field("excerpt", &self.0.excerpt)
            .field("retry_after", &self.0.retry_after)
            .finish()
    }
}

impl std::error::Error for ClientError {}

/// What the body of a failure tells, in any of its spellings:
///
/// ```text
/// {"error": "text", "code": "text", "request_id": "text"}      also {"error": {"message": …, "code": …}}
/// {"errors": {"field": ["text", …]}}                           also "text", and ["text", …], and
/// {"errors": [{"field": "text", "message": "text"}]}
/// {"title": "text", "detail": "text", "type": "text"}          RFC 7807
/// ```
#[derive(Default)]
struct Told {
    message: Option<String>,
    code: Option<String>,
    fields: Vec<FieldError>,
    request_id: Option<String>,
}

impl Told {
    fn read(body: &Value) -> Self {
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let error = &body["error"];
        let fields = field_errors(&body["errors"]);
        let problem = match (text(&body["title"]), text(&body["detail"])) {
            (Some(title), Some(detail)) => Some(format!("{title}: {detail}")),
            (title, detail) => title.or(detail),
        };
        let message =
            text(error).or_else(|| text(&error["message"])).or(problem).or_else(|| text(&body["message"]));
        Self {
            message: message.or_else(|| (!fields.is_empty()).then(|| "the request is invalid".to_owned())),
            code: [&body["code"], &error["code"], &body["type"]].into_iter().find_map(text),
            fields,
            request_id: text(&body["request_id"]),
        }
    }
}

fn field_errors(errors: &Value) -> Vec<FieldError> {
    let texts = |value: &Value| match value {
        Value::Array(values) => values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect(),
        value => value.as_str().map(str::to_owned).into_iter().collect::<Vec<_>>(),
    };
    let of = |field: &str, value: &Value| {
        let field = field.to_owned();
        texts(value).into_iter().map(move |message| FieldError { field: field.clone(), message })
    };
    match errors {
        Value::Object(fields) => fields.iter().flat_map(|(field, value)| of(field, value)).collect(),
        Value::Array(list) => list
            .iter()
            .flat_map(|item| match item {
                Value::Object(item) => {
                    let get = |name: &str| item.get(name).unwrap_or(&Value::Null);
                    let field = get("field").as_str().unwrap_or_default();
                    of(field, if item.contains_key("message") { get("message") } else { get("detail") })
                }
                item => of("", item),
            })
            .collect(),
        value => of("", value).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answered(body: &Value) -> ClientError {
        ClientError::answered("GET /x", StatusCode::UNPROCESSABLE_ENTITY, body.to_string().as_bytes(), None)
    }

    #[test]
    fn every_spelling_of_a_failure_is_read() {
        #[track_caller]
        fn check(body: &Value, message: &str, code: Option<&str>, fields: &[(&str, &str)]) {
            let error = answered(body);
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
    fn it_says_call_status_fields_and_request() {
        let error = answered(
            &json!({ "error": "invalid", "errors": { "email": ["is taken"] }, "request_id": "r-1" }),
        );
        assert_eq!(
            error.to_string(),
            "`GET /x` was answered with 422: invalid; `email` is taken (request r-1)"
        );
    }

    #[test]
    fn a_token_that_comes_back_is_not_shown() {
        let body = json!({ "error": "bad canary", "errors": { "canary": "canary" }, "code": "canary" });
        let excerpt = Some(body.to_string());
        let error =
            ClientError::answered("GET /x", StatusCode::UNAUTHORIZED, body.to_string().as_bytes(), excerpt)
                .without("canary");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}
