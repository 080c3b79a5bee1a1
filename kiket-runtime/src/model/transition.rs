//! Transitions from one state to another.

use kiket_macros::Model;

use super::{
    actor::{ACTOR, Actor},
    extra::Extra,
    members::plain_id,
};
use crate::types::Id;

/// A transition from one state to another, and its actor.
///
/// ```
/// use kiket_runtime::model::Transition;
///
/// let transition: Transition =
///     serde_json::from_str(r#"{"from":"review","to":"done","performed_by":"alex@example.com"}"#)?;
/// assert_eq!(transition, Transition::new("review", "done").actor("alex@example.com"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(expecting = "a transition, as an object, its name or its id", plain = Self::take_plain)]
#[non_exhaustive]
pub struct Transition {
    /// The id of the transition.
    #[model(alias = "transition_id")]
    pub id: Option<Id>,
    /// The name of the transition.
    pub name: Option<String>,
    /// The key of the state before, like `review`.
    #[model(new, lenient, alias = FROM)]
    pub from: Option<String>,
    /// The key of the state after, like `done`.
    #[model(new, lenient, alias = TO)]
    pub to: Option<String>,
    /// The actor.
    #[model(alias = ACTOR)]
    pub actor: Option<Actor>,
    /// The comment.
    pub comment: Option<String>,
    /// The fields that this version does not know.
    pub extra: Extra,
}

plain_id!(Transition, name);

impl Transition {
    /// Ends in this state, unless the payload names the state after.
    pub(crate) fn lead_to(&mut self, state: Option<&String>) {
        if self.to.is_none() {
            self.to = state.cloned();
        }
    }
}

/// The names of the state before in payloads.
pub(crate) const FROM: [&str; 7] = [
    "from",
    "from_status",
    "from_state",
    "from_state_key",
    "previous_status",
    "previous_state",
    "old_status",
];

/// The names of the state after in payloads.
pub(crate) const TO: [&str; 7] =
    ["to", "to_status", "to_state", "to_state_key", "next_status", "next_state", "new_status"];
