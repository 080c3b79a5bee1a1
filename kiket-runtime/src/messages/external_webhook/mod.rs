//! Webhooks of others, which Kiket passes on: the [`ExternalWebhook`], its body as its sender wrote it, and its
//! sender's own signature.
//!
//! ```
//! use kiket_runtime::{Payload, Result, Settings, external_webhook::{ExternalWebhook, GitHub}};
//!
//! #[derive(serde::Deserialize)]
//! struct PullRequest { action: String }
//!
//! async fn on_github(webhook: Payload<ExternalWebhook>, settings: Settings) -> Result<()> {
//!     webhook.verify(&GitHub::new(settings.get::<String>("GITHUB_SECRET")?))?;
//!     let pull_request: PullRequest = webhook.json()?;
//!     println!("{}", pull_request.action);
//!     Ok(())
//! }
//! ```
//!
//! Kiket signs what it passes on, and that signature was checked before any handler runs. It says that Kiket got
//! the request, not who sent it: the address of an extension's webhooks is no secret for ever. That is what
//! [`ExternalWebhook::verify`] is for.

mod body;
mod github;
mod headers;
mod provider;
mod slack;
mod standard_webhooks;
mod stripe;
#[cfg(test)]
mod tests;
mod webhook;

pub use self::{
    github::GitHub, provider::Provider, slack::Slack, standard_webhooks::StandardWebhooks, stripe::Stripe,
    webhook::ExternalWebhook,
};
pub use crate::error::{VerificationError, VerificationErrorKind};
