//! The person or program that did something.

use kiket_macros::Model;
use serde_json::{Map, Value};

use crate::types::Id;

/// A person or a program that did something.
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
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(expecting = "a person, as an object, an id or an e-mail address", plain = Self::take_plain)]
#[non_exhaustive]
pub struct Actor {
    /// The id.
    #[model(alias = "user_id")]
    pub id: Option<Id>,
    /// The name to show.
    #[model(alias = "display_name")]
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// Members without a meaning here.
    pub extra: Map<String, Value>,
}

impl Actor {
    /// What a number or a text alone is.
    fn take_plain(&mut self, plain: Id) -> bool {
        match plain.as_text() {
            Some(text) if text.contains('@') => self.email = Some(text.to_owned()),
            _ => self.id = Some(plain),
        }
        true
    }
}

/// The names of the actor in payloads.
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

/// The names of the new assignee in payloads.
pub(super) const ASSIGNEE: [&str; 4] = ["assignee", "assignee_id", "new_assignee", "new_assignee_id"];

/// The names of the former assignee in payloads.
pub(super) const PREVIOUS_ASSIGNEE: [&str; 5] =
    ["previous_assignee", "previous_assignee_id", "old_assignee", "old_assignee_id", "from_assignee"];
