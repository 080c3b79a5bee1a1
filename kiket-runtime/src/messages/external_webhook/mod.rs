//! External webhooks: [`ExternalWebhook`], its body, and the signature of its provider.
//!
//! Kiket receives webhooks of other services and passes them on to the extension, body and headers as they were sent.
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
//!     tracing::info!("{}", pull_request.action);
//!     Ok(())
//! }
//! ```
//!
//! Kiket signs the delivery, and its signature is verified before the handler runs. It proves that Kiket received the
//! webhook, not who sent it: anyone who knows the URL of an extension's webhooks can send one. [`ExternalWebhook::verify`]
//! verifies the signature of the provider.

mod body;
mod github;
mod headers;
mod provider;
mod shared_token;
mod slack;
mod standard_webhooks;
mod stripe;
#[cfg(test)]
mod tests;
mod twilio;
mod webhook;

pub use self::{
    github::GitHub, provider::Provider, shared_token::SharedToken, slack::Slack,
    standard_webhooks::StandardWebhooks, stripe::Stripe, twilio::Twilio, webhook::ExternalWebhook,
};
pub use crate::error::{VerificationError, VerificationErrorKind};
