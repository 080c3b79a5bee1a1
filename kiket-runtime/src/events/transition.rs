//! The way from one state to another.

use super::{
    actor::{ACTOR, Actor},
    noun::noun,
};
use crate::types::Id;

noun! {
    /// The way from one state to another, and who went it.
    ///
    /// ```
    /// use kiket_runtime::events::Transition;
    ///
    /// let transition: Transition =
    ///     serde_json::from_str(r#"{"from":"review","to":"done","performed_by":"alex@example.com"}"#)?;
    /// assert_eq!(transition, Transition::new("review", "done").actor("alex@example.com"));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    Transition, "a transition, as an object, its name or its id" {
        /// The id of the transition.
        id: opt Id = ["transition_id"];
        /// The name of the transition.
        name: opt String;
        /// The key of the state before, like `review`.
        from: word String = FROM;
        /// The key of the state after, like `done`.
        to: word String = TO;
        /// Who went it.
        actor: noun Actor = ACTOR;
        /// What was said about it.
        comment: opt String;
    }

    fn take_plain(&mut self, plain: Id) -> bool {
        match plain.as_text() {
            Some(name) => self.name = Some(name.to_owned()),
            None => self.id = Some(plain),
        }
        true
    }
}

/// What senders call the state before.
pub(super) const FROM: [&str; 6] =
    ["from", "from_status", "from_state", "from_state_key", "previous_status", "old_status"];

/// What senders call the state after.
pub(super) const TO: [&str; 5] = ["to", "to_status", "to_state", "to_state_key", "new_status"];

impl Transition {
    /// A transition between two states.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: Some(from.into()), to: Some(to.into()), ..Self::default() }
    }
}
