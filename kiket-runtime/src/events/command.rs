//! What somebody told an extension to do.

use serde_json::Value;

use super::{
    actor::{ACTOR, Actor},
    body::event,
    noun::noun,
};
use crate::types::Id;

event! {
    /// A command that somebody gave, like `/deploy production` in a chat.
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
    Command {
        /// What was said.
        command: own Invocation;
        /// Who said it.
        user: noun Actor = ACTOR;
    }
    flat command;
}

noun! {
    /// The words of a command.
    Invocation, "a command, as an object or its name" {
        /// What it is called, like `/deploy`.
        name: opt String = ["command"];
        /// What followed the name.
        text: opt String;
        /// The same taken apart: a list, or an object of values by name.
        arguments: any Value = ["args", "params", "parameters"];
    }

    fn take_plain(&mut self, plain: Id) -> bool {
        self.name = plain.as_text().map(str::to_owned);
        self.name.is_some()
    }
}

impl Invocation {
    /// A command without anything behind its name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }
}
