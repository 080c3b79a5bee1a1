//! What a guard, or a step of a setup, decides.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    error::Result,
    handler::{IntoReply, Reply},
    types::or_default,
};

/// The answer of a guard, like a handler of `workflow.before_transition`, or of a step of a setup.
///
/// ```
/// use kiket_runtime::{Decision, Json, Payload};
/// use serde_json::json;
///
/// async fn before_transition(payload: Payload) -> Decision {
///     match payload["issue"]["approvals"].as_u64() {
///         Some(2..) => Decision::allow().output_field("approved", true),
///         approvals => Decision::deny("two approvals are needed").data("approvals", approvals),
///     }
/// }
///
/// assert_eq!(json!(Decision::allow().output_field("approved", true)), json!({
///     "status": "allow",
///     "metadata": { "output_fields": { "approved": true } },
/// }));
/// ```
///
/// Who refuses or holds a transition says why, for people read it. A `status` that this version does not know does
/// not decode, for nobody must take it for an allowance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[must_use = "a decision decides nothing until the handler returns it"]
#[non_exhaustive]
pub struct Decision {
    /// What it comes to.
    #[serde(rename = "status")]
    pub verdict: Verdict,
    /// What it says to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What it says to programs, `output_fields` among it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Map<String, Value>,
    /// The fields that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What a decision comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verdict {
    /// It may happen.
    Allow,
    /// It must not happen.
    Deny,
    /// Nothing is decided yet.
    Pending,
}

/// The field of the metadata that Kiket writes to the issue.
const OUTPUT_FIELDS: &str = "output_fields";

impl Decision {
    /// Lets it happen.
    pub fn allow() -> Self {
        Self::new(Verdict::Allow, None)
    }

    /// Forbids it, and says why.
    pub fn deny(message: impl Into<String>) -> Self {
        Self::new(Verdict::Deny, Some(message.into()))
    }

    /// Has not decided yet, and says what it waits for.
    pub fn pending(message: impl Into<String>) -> Self {
        Self::new(Verdict::Pending, Some(message.into()))
    }

    fn new(verdict: Verdict, message: Option<String>) -> Self {
        Self { verdict, message, metadata: Map::new(), extra: Map::new() }
    }

    /// Says this, like an allowance's reason.
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Adds `key` to the metadata. `output_fields` is an object: what else is given for it is left out.
    pub fn data(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        match (key.into(), value.into()) {
            (key, Value::Object(fields)) if key == OUTPUT_FIELDS => self.output_fields(fields),
            (key, _) if key == OUTPUT_FIELDS => self,
            (key, value) => {
                self.metadata.insert(key, value);
                self
            }
        }
    }

    /// Adds `key` to the output fields, which Kiket writes to the issue.
    pub fn output_field(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        let fields = self.metadata.entry(OUTPUT_FIELDS).or_insert(Value::Null);
        if !fields.is_object() {
            *fields = json!({});
        }
        if let Value::Object(fields) = fields {
            fields.insert(key.into(), value.into());
        }
        self
    }

    /// Adds several output fields at once.
    pub fn output_fields<K: Into<String>, V: Into<Value>>(
        self,
        fields: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        fields.into_iter().fold(self, |decision, (key, value)| decision.output_field(key, value))
    }
}

impl From<Decision> for Reply {
    fn from(decision: Decision) -> Self {
        Self::json(decision)
    }
}

#[diagnostic::do_not_recommend] // the list of answers shows the general ones
impl IntoReply for Decision {
    fn into_reply(self) -> Result<Reply> {
        Ok(self.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_has_the_shape_of_the_contract() {
        #[track_caller]
        fn check(decision: &Decision, json: Value) {
            assert_eq!(serde_json::to_value(decision).unwrap(), json);
            assert_eq!(&serde_json::from_value::<Decision>(json).unwrap(), decision);
        }
        check(&Decision::allow(), json!({ "status": "allow", "metadata": {} }));
        check(
            &Decision::allow().message("fine"),
            json!({ "status": "allow", "message": "fine", "metadata": {} }),
        );
        check(
            &Decision::pending("legal"),
            json!({ "status": "pending", "message": "legal", "metadata": {} }),
        );
        check(
            &Decision::deny("no").data("approval_id", "abc").output_fields([("a", 1), ("b", 2)]),
            json!({
                "status": "deny", "message": "no",
                "metadata": { "approval_id": "abc", "output_fields": { "a": 1, "b": 2 } },
            }),
        );
    }

    #[test]
    fn output_fields_are_an_object_whatever_is_given() {
        let fields = |decision: Decision| decision.metadata.get("output_fields").cloned();
        let decision = Decision::allow().output_field("a", 1);
        assert_eq!(fields(decision.clone().data("output_fields", 5)), Some(json!({ "a": 1 })));
        assert_eq!(
            fields(decision.data("output_fields", json!({ "b": 2 }))),
            Some(json!({ "a": 1, "b": 2 }))
        );
        assert_eq!(fields(Decision::allow().data("output_fields", 5)), None);
        let read: Decision =
            serde_json::from_value(json!({ "status": "allow", "metadata": { "output_fields": 5 } })).unwrap();
        assert_eq!(fields(read.output_field("a", 1)), Some(json!({ "a": 1 })));
    }

    #[test]
    fn what_is_unknown_is_kept_and_a_status_that_is_unknown_refused() {
        let json = json!({ "status": "deny", "message": null, "metadata": null, "ticket": 7 });
        let decision: Decision = serde_json::from_value(json).unwrap();
        assert_eq!((decision.verdict, decision.message), (Verdict::Deny, None));
        assert_eq!((decision.metadata.len(), decision.extra.get("ticket")), (0, Some(&json!(7))));
        for json in
            [json!({}), json!({ "status": null }), json!({ "status": "ALLOW" }), json!({ "status": "maybe" })]
        {
            assert!(serde_json::from_value::<Decision>(json.clone()).is_err(), "{json}");
        }
    }
}
