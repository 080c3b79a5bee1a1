//! What Kiket expects as replies, and what it passes on: shapes beside events.

mod actions;
mod decision;
pub mod external_webhook;
pub mod notification;

pub use self::{
    actions::{Action, ActionKind, Actions},
    decision::{Decision, Verdict},
};
