//! Replies of a fixed shape (actions, decisions), notifications, and external webhooks.

mod actions;
mod decision;
pub mod external_webhook;
pub mod notification;

pub use self::{
    actions::{Action, ActionKind, Actions},
    decision::{Decision, Verdict},
};
