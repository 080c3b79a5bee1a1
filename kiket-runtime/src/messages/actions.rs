//! Actions: what a reply asks Kiket to carry out.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::types::{setters, unknown_fields, unknown_members};

/// A reply that asks Kiket to carry out actions on the issue of the delivery, in order.
///
/// ```
/// use kiket_runtime::{Action, Actions};
/// use serde_json::json;
///
/// async fn on_issue_created() -> Actions {
///     Actions::new().and(Action::add_comment("the mail is on its way")).and(Action::transition("waiting"))
/// }
///
/// assert_eq!(json!(Actions::from([Action::set_field("priority", "high")])), json!({
///     "actions": [{ "kind": "set_field", "field": "priority", "value": "high" }],
/// }));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[must_use = "actions have no effect until the handler returns them"]
pub struct Actions {
    actions: Vec<Action>,
    #[serde(flatten, deserialize_with = "unknown_fields")]
    extra: Map<String, Value>,
}

impl Actions {
    /// No actions.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Adds an action at the end.
        and(action: Action) => |actions| actions.actions.push(action);
    }

    /// The actions, in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, Action> {
        self.actions.iter()
    }

    /// The fields beside `actions` that this version does not know.
    pub fn extra(&self) -> &Map<String, Value> {
        &self.extra
    }
}

impl<'a> IntoIterator for &'a Actions {
    type Item = &'a Action;
    type IntoIter = std::slice::Iter<'a, Action>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        Self { actions: actions.into_iter().collect(), extra: Map::new() }
    }
}

impl<const N: usize> From<[Action; N]> for Actions {
    fn from(actions: [Action; N]) -> Self {
        Self::from_iter(actions)
    }
}

/// An action: a kind, and the fields of that kind.
///
/// Each constructor takes the required fields of its kind. [`with`](Self::with) adds others, and
/// [`of_kind`](Self::of_kind) makes an action of a kind that this version does not know. An action that is read from JSON
/// keeps all its fields but `authentication` and `secrets`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[must_use = "an action has no effect until it is part of `Actions`"]
pub struct Action {
    kind: ActionKind,
    #[serde(flatten, deserialize_with = "unknown_members")]
    fields: Map<String, Value>,
}

/// The kind of an action.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ActionKind {
    /// Comments on the issue.
    AddComment,
    /// Sets a field of the issue.
    SetField,
    /// Moves the issue to another state.
    Transition,
    /// Assigns the issue.
    Assign,
    /// Sends a message to a channel.
    Notify,
    /// A kind that this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl Action {
    /// Comments on the issue.
    pub fn add_comment(body: impl Into<String>) -> Self {
        Self::new(ActionKind::AddComment).with("body", body.into())
    }

    /// Sets `field` of the issue.
    pub fn set_field(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(ActionKind::SetField).with("field", field.into()).with("value", value)
    }

    /// Moves the issue to the state `to`.
    pub fn transition(to: impl Into<String>) -> Self {
        Self::new(ActionKind::Transition).with("to", to.into())
    }

    /// Assigns the issue to `to`.
    pub fn assign(to: impl Into<String>) -> Self {
        Self::new(ActionKind::Assign).with("to", to.into())
    }

    /// Sends `message` to `channel`, like `slack:#contracts`.
    pub fn notify(channel: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ActionKind::Notify).with("channel", channel.into()).with("message", message.into())
    }

    /// An action of any kind; [`with`](Self::with) adds its fields.
    ///
    /// ```
    /// use kiket_runtime::{Action, ActionKind};
    ///
    /// let action = Action::of_kind("escalate").with("to", "oncall");
    /// assert_eq!(action.kind(), &ActionKind::Other("escalate".into()));
    /// assert_eq!(Action::of_kind("assign").kind(), &ActionKind::Assign);
    /// ```
    pub fn of_kind(kind: impl Into<String>) -> Self {
        let kind = kind.into();
        Self::new(serde_json::from_value(kind.clone().into()).unwrap_or(ActionKind::Other(kind)))
    }

    fn new(kind: ActionKind) -> Self {
        Self { kind, fields: Map::new() }
    }

    /// Sets a field. The field `kind` cannot be set.
    pub fn with(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        let field = field.into();
        if field != "kind" {
            self.fields.insert(field, value.into());
        }
        self
    }

    /// The kind of the action.
    pub fn kind(&self) -> &ActionKind {
        &self.kind
    }

    /// The fields besides the kind.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_is_written_with_what_it_needs_and_read_back() {
        #[track_caller]
        fn check(action: Action, json: &Value) {
            let actions = Actions::from([action]);
            let json = json!({ "actions": [json] });
            assert_eq!(serde_json::to_value(&actions).unwrap(), json);
            assert_eq!(serde_json::from_value::<Actions>(json).unwrap(), actions);
        }
        check(Action::add_comment("hi"), &json!({ "kind": "add_comment", "body": "hi" }));
        check(
            Action::set_field("priority", 3),
            &json!({ "kind": "set_field", "field": "priority", "value": 3 }),
        );
        check(
            Action::set_field("due", Value::Null),
            &json!({ "kind": "set_field", "field": "due", "value": null }),
        );
        check(Action::transition("done"), &json!({ "kind": "transition", "to": "done" }));
        check(Action::assign("ada"), &json!({ "kind": "assign", "to": "ada" }));
        check(
            Action::notify("slack:#legal", "look"),
            &json!({ "kind": "notify", "channel": "slack:#legal", "message": "look" }),
        );
        check(
            Action::of_kind("escalate").with("to", "oncall").with("level", 2),
            &json!({ "kind": "escalate", "to": "oncall", "level": 2 }),
        );
        check(
            Action::of_kind("add_comment").with("body", "hi").with("internal", true),
            &json!({ "kind": "add_comment", "body": "hi", "internal": true }),
        );
    }

    #[test]
    fn the_kind_cannot_be_written_twice() {
        let action = Action::assign("ada").with("kind", "notify");
        assert_eq!(serde_json::to_string(&action).unwrap(), r#"{"kind":"assign","to":"ada"}"#);
    }

    #[test]
    fn order_and_unknown_fields_are_kept() {
        let json = json!({ "actions": [{ "kind": "b" }, { "kind": "a", "x": {} }], "dry_run": true });
        let actions: Actions = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&actions).unwrap(), json);
        assert_eq!(actions.extra().get("dry_run"), Some(&json!(true)));
        assert_eq!(
            actions.iter().map(Action::kind).collect::<Vec<_>>(),
            [&ActionKind::Other("b".into()), &ActionKind::Other("a".into())]
        );
    }

    #[test]
    fn what_is_no_list_of_actions_is_refused() {
        for json in [
            json!({}),
            json!({ "actions": null }),
            json!({ "actions": {} }),
            json!({ "actions": [{}] }),
            json!({ "actions": [{ "kind": 5 }] }),
            json!({ "actions": ["add_comment"] }),
        ] {
            assert!(serde_json::from_value::<Actions>(json.clone()).is_err(), "{json}");
        }
    }
}
