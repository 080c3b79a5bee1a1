//! What handlers return: a reply, and everything that becomes one.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use crate::error::{IntoHandlerError, Result};

/// The reply of a handler: a JSON body, with status 200 or another 2xx.
///
/// ```
/// use kiket_runtime::{IntoReply, Reply, StatusCode};
/// use serde_json::json;
///
/// assert_eq!(Reply::ok().to_json(), json!({ "ok": true }));
/// assert_eq!(Reply::json(json!({ "synced": 3 })).to_json(), json!({ "synced": 3 }));
/// let accepted = (StatusCode::ACCEPTED, json!({ "job": 7 })).into_reply()?;
/// assert_eq!((accepted.status(), accepted.to_json()), (StatusCode::ACCEPTED, json!({ "job": 7 })));
/// # Ok::<(), kiket_runtime::HandlerError>(())
/// ```
///
/// The reply of a guard, like a handler of `workflow.before_transition`, is a [`Decision`](crate::Decision).
#[derive(Debug)]
#[must_use = "a reply has no effect until the handler returns it"]
pub struct Reply {
    status: StatusCode,
    /// The body, or why the value cannot be JSON, which fails the handler when it returns.
    body: Result<Bytes, serde_json::Error>,
    /// Whether it is a [`Decision`](crate::Decision).
    is_decision: bool,
}

/// The body of a handler that returns no value.
const OK: &[u8] = br#"{"ok":true}"#;

impl Reply {
    /// `{"ok":true}`.
    pub fn ok() -> Self {
        Self { status: StatusCode::OK, body: Ok(Bytes::from_static(OK)), is_decision: false }
    }

    /// A value as JSON. `false`, `0`, `""`, `{}` and `null` are sent as they are.
    ///
    /// A value that cannot be JSON (a map whose keys are not strings, a failing `Serialize`) makes the handler fail when it
    /// returns.
    pub fn json(value: impl Serialize) -> Self {
        let body = serde_json::to_vec(&value).map(Bytes::from);
        Self { status: StatusCode::OK, body, is_decision: false }
    }

    /// The same reply as a decision, whose body is never dropped from a store before its status.
    pub(crate) fn deciding(self) -> Self {
        Self { is_decision: true, ..self }
    }

    pub(crate) fn is_decision(&self) -> bool {
        self.is_decision
    }

    /// The status, a 2xx.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body as a JSON value, to inspect in a test or in middleware; `null` where the value cannot be JSON.
    pub fn to_json(&self) -> Value {
        self.body.as_ref().ok().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default()
    }

    /// Status and body of the response. A 204 and a 205 have no body.
    pub(crate) fn into_parts(self) -> Result<(StatusCode, Bytes)> {
        match self.status {
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT => Ok((self.status, Bytes::new())),
            status => Ok((status, self.body?)),
        }
    }
}

/// A value as the JSON body of a reply.
///
/// ```
/// use kiket_runtime::Json;
///
/// #[derive(serde::Serialize)]
/// struct Synced { synced: usize }
///
/// async fn on_issue_created() -> Json<Synced> {
///     Json(Synced { synced: 3 })
/// }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// A type that a handler can return.
///
/// `()` and `None` reply `{"ok":true}`; [`Reply`], [`Json<T>`](Json), `serde_json::Value` and the types that Kiket
/// knows ([`Decision`](crate::Decision), [`Actions`](crate::Actions), the replies of
/// [`notification`](crate::notification)) reply with themselves; `(StatusCode, T)` chooses another 2xx; a `Result` replies
/// with its value, or fails with any error that `?` converts into [`HandlerError`](crate::HandlerError).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the reply of a webhook handler",
    label = "not a reply of a handler",
    note = "replies are `()`, `Reply`, `Json<T>`, `serde_json::Value`, an `Option` of those, `(StatusCode, …)` of those, and a `Result` of those with any error that `?` converts",
    note = "a type of your own goes into `Json(…)`, and it needs `serde::Serialize`"
)]
pub trait IntoReply {
    /// Whether the value is part of the response: `later` handlers have none that could be.
    #[doc(hidden)]
    const HAS_VALUE: bool = true;

    /// Converts the value into a reply.
    ///
    /// # Errors
    ///
    /// The handler failed. The error says whether Kiket should try again.
    fn into_reply(self) -> Result<Reply>;
}

impl IntoReply for Reply {
    fn into_reply(self) -> Result<Reply> {
        Ok(self)
    }
}

impl IntoReply for () {
    const HAS_VALUE: bool = false;

    fn into_reply(self) -> Result<Reply> {
        Ok(Reply::ok())
    }
}

impl<T: Serialize> IntoReply for Json<T> {
    fn into_reply(self) -> Result<Reply> {
        Ok(Reply::json(self.0))
    }
}

impl IntoReply for Value {
    fn into_reply(self) -> Result<Reply> {
        Ok(Reply::json(self))
    }
}

impl<T: IntoReply> IntoReply for Option<T> {
    fn into_reply(self) -> Result<Reply> {
        self.map_or_else(|| Ok(Reply::ok()), T::into_reply)
    }
}

/// The reply of `T` with another 2xx. Any other status fails the handler: Kiket retries (500), and the log says why.
impl<T: IntoReply> IntoReply for (StatusCode, T) {
    fn into_reply(self) -> Result<Reply> {
        let (status, reply) = self;
        if !status.is_success() {
            return Err(NotSuccessful(status).into());
        }
        Ok(Reply { status, ..reply.into_reply()? })
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the status of a reply is a 2xx, not `{0}`: to respond with another, fail with `HandlerError::reject`, `permanent` or `retry_after`"
)]
struct NotSuccessful(StatusCode);

impl<T: IntoReply, E: IntoHandlerError> IntoReply for Result<T, E> {
    const HAS_VALUE: bool = T::HAS_VALUE;

    fn into_reply(self) -> Result<Reply> {
        self.map_err(E::into_handler_error)?.into_reply()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;
    use crate::error::{ErrorKind, HandlerError};

    #[track_caller]
    fn check_with(status: u16, reply: impl IntoReply, body: &str) {
        let (sent, bytes) = reply.into_reply().unwrap().into_parts().unwrap();
        assert_eq!((sent.as_u16(), std::str::from_utf8(&bytes).unwrap()), (status, body));
    }

    #[track_caller]
    fn check(reply: impl IntoReply, body: &str) {
        check_with(200, reply, body);
    }

    #[test]
    fn no_value_is_ok() {
        check((), r#"{"ok":true}"#);
        check(None::<Value>, r#"{"ok":true}"#);
        check(Ok::<_, HandlerError>(()), r#"{"ok":true}"#);
        check(Reply::ok(), r#"{"ok":true}"#);
    }

    #[test]
    fn falsy_values_stay_what_they_are() {
        check(json!(false), "false");
        check(json!(0), "0");
        check(json!(""), r#""""#);
        check(json!({}), "{}");
        check(json!(null), "null");
        check(Json(None::<u32>), "null");
        check(Some(json!(null)), "null");
        check(json!({ "a": null, "b": 0, "c": false, "d": "" }), r#"{"a":null,"b":0,"c":false,"d":""}"#);
    }

    #[test]
    fn a_status_of_2xx_is_chosen_and_any_other_fails() {
        check_with(201, (StatusCode::CREATED, Json(1)), "1");
        check_with(202, Ok::<_, HandlerError>((StatusCode::ACCEPTED, Some(json!(2)))), "2");
        check_with(204, (StatusCode::NO_CONTENT, ()), "");
        check_with(205, (StatusCode::RESET_CONTENT, json!(1)), "");
        for status in [100, 302, 404, 500] {
            let error = (StatusCode::from_u16(status).unwrap(), ()).into_reply().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Retryable);
            assert!(error.to_string().contains("HandlerError::reject"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_json_fails() {
        let reply = Reply::json(HashMap::from([(vec![1], 1)]));
        assert_eq!(reply.to_json(), Value::Null);
        assert!(reply.into_parts().is_err());
    }

    #[test]
    fn an_error_of_the_handler_is_kept() {
        let error = Err::<(), _>(std::io::Error::other("disk")).into_reply().unwrap_err();
        assert_eq!(error.to_string(), "disk");
    }
}
