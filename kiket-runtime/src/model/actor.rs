//! Actors, which are people or programs, and members of projects.

use kiket_macros::Model;

use super::extra::Extra;
use crate::{client::resources, types::Id};

/// A person or a program that did something.
///
/// Kiket writes an object, an id, or an e-mail address alone; a text with `@` is an address.
///
/// ```
/// use kiket_runtime::model::Actor;
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
    /// The fields that this version does not know.
    pub extra: Extra,
}

impl Actor {
    /// Takes a number or a text in place of an object.
    fn take_plain(&mut self, plain: Id) -> bool {
        match plain.as_text() {
            Some(text) if text.contains('@') => self.email = Some(text.to_owned()),
            _ => self.id = Some(plain),
        }
        true
    }
}

/// A member of a project: an actor with a role.
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(expecting = "a member, as an object")]
#[non_exhaustive]
pub struct Member {
    /// The id.
    #[model(new, alias = "user_id")]
    pub id: Option<Id>,
    /// The name to show.
    #[model(alias = "display_name")]
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The role, like `admin`.
    pub role: Option<String>,
    /// The fields that this version does not know.
    pub extra: Extra,
}

resources! { Member: "member", "members", requires id; }

impl From<Member> for Actor {
    fn from(member: Member) -> Self {
        Self { id: member.id, name: member.name, email: member.email, extra: Extra::default() }
    }
}

/// The names of the actor in payloads.
pub(crate) const ACTOR: [&str; 7] =
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
pub(crate) const ASSIGNEE: [&str; 4] = ["assignee", "assignee_id", "new_assignee", "new_assignee_id"];

/// The names of the former assignee in payloads.
pub(crate) const PREVIOUS_ASSIGNEE: [&str; 5] =
    ["previous_assignee", "previous_assignee_id", "old_assignee", "old_assignee_id", "from_assignee"];
