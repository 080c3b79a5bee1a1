//! Decisions: the replies of guards and of setup steps.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    handler::Reply,
    types::{or_default, setters, unknown_fields, with_extra},
};

with_extra! {
    "unknown_fields";
    /// The reply of a guard, like a handler of `workflow.before_transition`, or of a setup step.
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
    /// A decision that denies or holds a transition has a message, which Kiket shows to the user. A `status` that this version
    /// does not know does not decode, so that it is never taken for `allow`.
    #[derive(Debug, Clone, PartialEq)]
    #[must_use = "a decision has no effect until the handler returns it"]
    pub struct Decision {
        /// The verdict.
        #[serde(rename = "status")]
        pub verdict: Verdict,
        /// The message for users.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub message: Option<String>,
        /// The metadata for programs, with `output_fields`.
        #[serde(default, deserialize_with = "or_default")]
        pub metadata: Map<String, Value>,
    }
}

/// The verdict of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verdict {
    /// The transition may happen.
    Allow,
    /// The transition must not happen.
    Deny,
    /// The decision is still open.
    Pending,
}

/// The field of the metadata that Kiket writes to the issue.
const OUTPUT_FIELDS: &str = "output_fields";

impl Decision {
    /// Allows the transition.
    pub fn allow() -> Self {
        Self::new(Verdict::Allow, None)
    }

    /// Denies the transition, with the reason.
    pub fn deny(message: impl Into<String>) -> Self {
        Self::new(Verdict::Deny, Some(message.into()))
    }

    /// Leaves the decision open, with what it waits for.
    pub fn pending(message: impl Into<String>) -> Self {
        Self::new(Verdict::Pending, Some(message.into()))
    }

    fn new(verdict: Verdict, message: Option<String>) -> Self {
        Self { verdict, message, metadata: Map::new(), extra: Map::new() }
    }

    setters! {
        /// Sets the message, like the reason of an `allow`.
        message(message: impl Into<String>) => |decision| decision.message = Some(message.into());
    }

    /// Adds `key` to the metadata. `output_fields` is an object: another value for it is ignored.
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
        Self::json(decision).deciding()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_has_the_shape_of_the_wire_contract() {
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
    fn unknown_fields_are_kept_and_an_unknown_status_is_refused() {
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
