//! Replies of a fixed shape (actions, decisions), notifications, and external webhooks.

mod actions;
mod decision;
pub mod external_webhook;
pub mod notification;

use self::notification::{ChannelValidity, Outcome};
pub use self::{
    actions::{Action, ActionKind, Actions},
    decision::{Decision, Verdict},
};
use crate::{
    error::Result,
    handler::{IntoReply, Reply},
};

/// Makes values the replies of their JSON.
macro_rules! replies {
    ($($reply:ty => $make:expr),*) => {
        $(
            #[diagnostic::do_not_recommend] // the list of replies shows the general ones
            impl IntoReply for $reply {
                fn into_reply(self) -> Result<Reply> {
                    Ok($make(self))
                }
            }
        )*
    };
}

replies!(Actions => Reply::json, Decision => Reply::from, ChannelValidity => Reply::json, Outcome => Reply::json);
