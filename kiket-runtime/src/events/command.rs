//! Commands to an extension.

use kiket_macros::Model;
use serde_json::Value;

use crate::{
    model::{ACTOR, Actor, Extra},
    types::Id,
};

events! {
    /// A command, like `/deploy production` in a chat.
    ///
    /// Extensions choose the names of their commands' events: write the name in the attribute of the handler.
    ///
    /// ```
    /// use kiket_runtime::events::{Command, Invocation};
    ///
    /// let command: Command = serde_json::from_str(r#"{"command":"/deploy","text":"production","user_id":7}"#)?;
    /// assert_eq!(command, Command::new(Invocation::new("/deploy").text("production")).user(7));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub struct Command {
        /// The command.
        #[event(new, flatten)]
        pub command: Invocation,
        /// The user.
        #[event(alias = ACTOR)]
        pub user: Option<Actor>,
    }
}

/// The words of a command.
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(expecting = "a command, as an object or its name", plain = Self::take_plain)]
#[non_exhaustive]
pub struct Invocation {
    /// The name, like `/deploy`.
    #[model(new, alias = "command")]
    pub name: Option<String>,
    /// The text after the name.
    pub text: Option<String>,
    /// The arguments: a list, or an object of values by name.
    #[model(alias = ["args", "params", "parameters"])]
    pub arguments: Value,
    /// The fields that this version does not know.
    pub extra: Extra,
}

impl Invocation {
    /// Takes a number or a text in place of an object.
    #[allow(clippy::needless_pass_by_value)] // the derive passes the id by value
    fn take_plain(&mut self, plain: Id) -> bool {
        self.name = plain.as_text().map(str::to_owned);
        self.name.is_some()
    }
}
