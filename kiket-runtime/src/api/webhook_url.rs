//! Where others send webhooks for the extension.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::client::Wrapped;

/// Where somebody who is not Kiket sends webhooks, so that they reach the extension as `external.webhook.{action}`.
///
/// Whoever knows the address may send: it is not shown by `Debug`, and belongs into no log.
///
/// ```
/// # use kiket_testing::{FakePlatform, context};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let platform = FakePlatform::builder().seed_yaml("webhook_token: abc123").start()?;
/// # let context = context("issue.created", "v1").client(platform.client()).build();
/// let webhook = context.endpoints().webhook_url("inbound_email").await?;
/// assert!(webhook.url.ends_with("/webhooks/ext/abc123/inbound_email"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct WebhookUrl {
    /// The whole address.
    #[serde(rename = "webhook_url")]
    pub url: String,
    /// The part of it that nobody can guess.
    #[serde(rename = "webhook_token", default)]
    pub token: Option<String>,
    /// What the addresses of all actions begin with, without a slash at the end.
    #[serde(rename = "webhook_base_url", default)]
    pub base_url: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Wrapped for WebhookUrl {
    const NAME: &'static str = "webhook";
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookUrl").finish_non_exhaustive()
    }
}
