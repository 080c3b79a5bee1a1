//! Commands to an extension.

use kiket_macros::{Event, Model};
use serde_json::{Map, Value};

use crate::{
    model::{ACTOR, Actor, Project},
    types::{Id, Timestamp},
};

/// A command, like `/deploy production` in a chat.
///
/// Extensions name the events of their commands, so that this type has none: the attribute names it.
///
/// ```
/// use kiket_runtime::events::{Command, Invocation};
///
/// let command: Command = serde_json::from_str(r#"{"command":"/deploy","text":"production","user_id":7}"#)?;
/// assert_eq!(command, Command::new(Invocation::new("/deploy").text("production")).user(7));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Event)]
#[event(model)]
#[non_exhaustive]
pub struct Command {
    /// What was said.
    #[event(new, flatten)]
    pub command: Invocation,
    /// The user.
    #[event(alias = ACTOR)]
    pub user: Option<Actor>,
    /// The id of the delivery, as the body has it.
    pub id: Option<Id>,
    /// The time of the event: `timestamp`, else `occurred_at`, `createdAt`, `received_at`.
    pub occurred_at: Option<Timestamp>,
    /// The organisation in which it happened.
    pub organization_id: Option<Id>,
    /// The workspace in which it happened.
    pub workspace_id: Option<Id>,
    /// The project in which it happened.
    #[event(alias = "project_id", flatten(key = "project_key"))]
    pub project: Project,
    /// What Kiket says about the circumstances.
    pub context: Map<String, Value>,
    /// The fields that this version does not know.
    pub extra: Map<String, Value>,
}

/// The words of a command.
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(expecting = "a command, as an object or its name", plain = Self::take_plain)]
#[non_exhaustive]
pub struct Invocation {
    /// What it is called, like `/deploy`.
    #[model(new, alias = "command")]
    pub name: Option<String>,
    /// What followed the name.
    pub text: Option<String>,
    /// The same taken apart: a list, or an object of values by name.
    #[model(alias = ["args", "params", "parameters"])]
    pub arguments: Value,
    /// The fields that this version does not know.
    pub extra: Map<String, Value>,
}

impl Invocation {
    /// Takes a number or a text that stands for the whole.
    #[allow(clippy::needless_pass_by_value)] // others keep the id
    fn take_plain(&mut self, plain: Id) -> bool {
        self.name = plain.as_text().map(str::to_owned);
        self.name.is_some()
    }
}
