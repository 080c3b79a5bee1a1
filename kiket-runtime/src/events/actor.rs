//! Who did something.

use super::{members::Members as _, noun::noun};
use crate::types::Id;

noun! {
    /// Who did something: a person or a program.
    ///
    /// Kiket writes an object, an id, or an e-mail address alone; a text with `@` is an address.
    ///
    /// ```
    /// use kiket_runtime::events::Actor;
    ///
    /// let actor: Actor = serde_json::from_str(r#""alex@example.com""#)?;
    /// assert_eq!(actor.email.as_deref(), Some("alex@example.com"));
    /// assert_eq!(actor, Actor::from("alex@example.com"));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    Actor, "a person, as an object, an id or an e-mail address" {
        /// The id.
        id: opt Id = ["user_id"];
        /// The name to show.
        name: opt String = ["display_name"];
        /// The e-mail address.
        email: opt String;
    }

    fn take_plain(&mut self, plain: Id) -> bool {
        match plain.as_text() {
            Some(text) if text.contains('@') => self.email = Some(text.to_owned()),
            _ => self.id = Some(plain),
        }
        true
    }
}

/// What else senders call whoever did it.
pub(super) const ACTOR: [&str; 7] =
    ["actor", "actor_id", "performed_by", "performed_by_id", "triggered_by", "user", "user_id"];

impl<T: Into<Id>> From<T> for Actor {
    /// An e-mail address, or else an id.
    fn from(plain: T) -> Self {
        let mut actor = Self::default();
        actor.take_plain(plain.into());
        actor
    }
}

/// What senders call whoever has to do it from now on.
pub(super) const ASSIGNEE: [&str; 4] = ["assignee", "assignee_id", "new_assignee", "new_assignee_id"];

/// What senders call whoever had to do it.
pub(super) const PREVIOUS_ASSIGNEE: [&str; 5] =
    ["previous_assignee", "previous_assignee_id", "old_assignee", "old_assignee_id", "from_assignee"];
