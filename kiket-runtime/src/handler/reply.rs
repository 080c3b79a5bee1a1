//! The answers of a handler: what can be told to Kiket.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    error::{IntoHandlerError, Result},
    messages::Decision,
};

/// What a handler answers: a JSON body with status 200.
///
/// ```
/// use kiket_runtime::Reply;
/// use serde_json::json;
///
/// assert_eq!(Reply::ok().to_json(), json!({ "ok": true }));
/// assert_eq!(Reply::json(json!({ "synced": 3 })).to_json(), json!({ "synced": 3 }));
/// ```
///
/// A guard, like a handler of `workflow.before_transition`, decides; a handler that only decides answers with a
/// [`Decision`].
///
/// ```
/// # use kiket_runtime::Reply;
/// # use serde_json::json;
/// let reply = Reply::deny("two approvals are missing").data("approvals", 1).output_field("blocked_by", "legal");
/// assert_eq!(reply.to_json(), json!({
///     "status": "deny",
///     "message": "two approvals are missing",
///     "metadata": { "approvals": 1, "output_fields": { "blocked_by": "legal" } },
/// }));
/// ```
#[derive(Debug)]
#[must_use = "a reply answers nothing until the handler returns it"]
pub struct Reply(Content);

#[derive(Debug)]
enum Content {
    /// The handler had nothing to say.
    Ok,
    Json(Bytes),
    Decision(Decision),
    /// The value cannot be JSON; told when it is sent.
    Unserializable(serde_json::Error),
}

/// The answer of a handler that returns no value; contract 1.4 row 12.
const OK: &[u8] = br#"{"ok":true}"#;

impl Reply {
    /// `{"ok":true}`.
    pub fn ok() -> Self {
        Self(Content::Ok)
    }

    /// A value as JSON. `false`, `0`, `""`, `{}` and `null` stay what they are.
    ///
    /// A value that cannot be JSON (a map with keys that are no texts, a failing `Serialize`) makes the handler
    /// fail when it returns.
    pub fn json(value: impl Serialize) -> Self {
        Self(
            serde_json::to_vec(&value)
                .map_or_else(Content::Unserializable, |json| Content::Json(json.into())),
        )
    }

    /// A guard lets the transition happen: `{"status":"allow"}`.
    pub fn allow() -> Self {
        Decision::allow().into()
    }

    /// A guard forbids the transition, and says why.
    pub fn deny(message: impl Into<String>) -> Self {
        Decision::deny(message).into()
    }

    /// A guard has not decided yet, and says what it waits for.
    pub fn pending(message: impl Into<String>) -> Self {
        Decision::pending(message).into()
    }

    /// Adds a text to a decision that has none, like an allowance's reason.
    pub fn message(self, message: impl Into<String>) -> Self {
        self.amend("message", |decision| decision.message(message))
    }

    /// Adds `key` to the `metadata` of a decision.
    pub fn data(self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.amend("data", |decision| decision.data(key, value))
    }

    /// Adds `key` to the `output_fields` of a decision, which Kiket writes to the issue.
    pub fn output_field(self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.amend("output_field", |decision| decision.output_field(key, value))
    }

    /// Adds several `output_fields` at once.
    pub fn output_fields<K: Into<String>, V: Into<Value>>(
        self,
        fields: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        fields.into_iter().fold(self, |reply, (key, value)| reply.output_field(key, value))
    }

    fn amend(self, what: &str, amend: impl FnOnce(Decision) -> Decision) -> Self {
        match self.0 {
            Content::Decision(decision) => amend(decision).into(),
            _ => Self(Content::Unserializable(serde::ser::Error::custom(format_args!(
                "`{what}` belongs to `Reply::allow()`, `deny(…)` or `pending(…)`"
            )))),
        }
    }

    /// The answer as a JSON value, to look at in a test; `null` where the value cannot be JSON.
    pub fn to_json(&self) -> Value {
        match &self.0 {
            Content::Ok => json!({ "ok": true }),
            Content::Json(json) => serde_json::from_slice(json).unwrap_or_default(),
            Content::Decision(decision) => serde_json::to_value(decision).unwrap_or_default(),
            Content::Unserializable(_) => Value::Null,
        }
    }

    /// The bytes of the body.
    pub(crate) fn into_bytes(self) -> Result<Bytes> {
        match self.0 {
            Content::Ok => Ok(Bytes::from_static(OK)),
            Content::Json(json) => Ok(json),
            Content::Decision(decision) => Ok(serde_json::to_vec(&decision)?.into()),
            Content::Unserializable(error) => Err(error.into()),
        }
    }
}

impl From<Decision> for Reply {
    fn from(decision: Decision) -> Self {
        Self(Content::Decision(decision))
    }
}

/// A value as the JSON body of an answer.
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

/// What a handler can return.
///
/// `()` and `None` answer `{"ok":true}`; [`Reply`], [`Json<T>`](Json), `serde_json::Value` and the shapes that Kiket
/// knows ([`Decision`], [`Actions`](crate::Actions), the answers of [`notification`](crate::notification)) answer
/// themselves; a `Result` answers its value, or fails with any error that `?` converts into [`HandlerError`](crate::HandlerError).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the answer of a webhook handler",
    label = "not an answer of a handler",
    note = "answers are `()`, `Reply`, `Json<T>`, `serde_json::Value`, an `Option` of those, and a `Result` of those with any error that `?` converts",
    note = "a type of your own goes into `Json(…)`, and it needs `serde::Serialize`"
)]
pub trait IntoReply {
    /// Makes the answer.
    ///
    /// # Errors
    ///
    /// The handler has failed, and the error says whether Kiket should try again.
    fn into_reply(self) -> Result<Reply>;
}

impl IntoReply for Reply {
    fn into_reply(self) -> Result<Reply> {
        Ok(self)
    }
}

impl IntoReply for () {
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

impl<T: IntoReply, E: IntoHandlerError> IntoReply for Result<T, E> {
    fn into_reply(self) -> Result<Reply> {
        self.map_err(E::into_handler_error)?.into_reply()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::error::HandlerError;

    #[track_caller]
    fn check(answer: impl IntoReply, body: &str) {
        let bytes = answer.into_reply().unwrap().into_bytes().unwrap();
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), body);
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
    fn decisions_have_the_shape_of_the_siblings() {
        check(Reply::allow(), r#"{"status":"allow","metadata":{}}"#);
        check(Reply::allow().message("fine"), r#"{"status":"allow","message":"fine","metadata":{}}"#);
        check(Reply::pending("wait"), r#"{"status":"pending","message":"wait","metadata":{}}"#);
        check(
            Reply::deny("no").output_fields([("a", 1), ("b", 2)]).data("approval_id", "abc"),
            r#"{"status":"deny","message":"no","metadata":{"approval_id":"abc","output_fields":{"a":1,"b":2}}}"#,
        );
    }

    #[test]
    fn what_cannot_be_json_fails() {
        let reply = Reply::json(HashMap::from([(vec![1], 1)]));
        assert!(reply.into_bytes().is_err());
        let error = Reply::json(1).data("a", 1).into_bytes().unwrap_err();
        assert_eq!(error.to_string(), "`data` belongs to `Reply::allow()`, `deny(…)` or `pending(…)`");
    }

    #[test]
    fn an_error_of_the_handler_is_kept() {
        let error = Err::<(), _>(std::io::Error::other("disk")).into_reply().unwrap_err();
        assert_eq!(error.to_string(), "disk");
    }
}
