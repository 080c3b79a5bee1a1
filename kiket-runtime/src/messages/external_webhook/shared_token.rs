//! Verifies a token that a service sends with every webhook.

use super::{
    provider::{Provider, mismatch, unfit, usable},
    webhook::ExternalWebhook,
};
use crate::{
    error::{VerificationError, VerificationErrorKind},
    types::Secret,
};

/// A token that a service sends as it is, in a header or in the query: `X-Gitlab-Token` of GitLab,
/// `X-Telegram-Bot-Api-Secret-Token` of Telegram, or one that you put into the URL or the headers of the webhook, as with
/// Mailjet. It is compared in constant time.
///
/// It proves that the sender knows the token, and nothing about the body. Prefer a service's signature where it has one.
///
/// ```
/// use kiket_runtime::external_webhook::{ExternalWebhook, SharedToken};
/// use serde_json::json;
///
/// let webhook: ExternalWebhook = serde_json::from_value(json!({
///     "external_webhook": { "body": "{}", "headers": { "X-Gitlab-Token": "t-1" }, "query_params": { "token": "t-2" } },
/// }))?;
/// assert!(webhook.verify(&SharedToken::header("X-Gitlab-Token", "t-1")).is_ok());
/// assert!(webhook.verify(&SharedToken::query("token", "t-2")).is_ok());
/// assert!(webhook.verify(&SharedToken::query("token", "t-1")).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SharedToken {
    place: Place,
    name: String,
    token: Secret,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Header,
    Query,
}

impl SharedToken {
    /// A token in the header `name`, which must not repeat.
    pub fn header(name: impl Into<String>, token: impl Into<Secret>) -> Self {
        Self { place: Place::Header, name: name.into(), token: token.into() }
    }

    /// A token in the query parameter `name`, which must not repeat.
    pub fn query(name: impl Into<String>, token: impl Into<Secret>) -> Self {
        Self { place: Place::Query, name: name.into(), token: token.into() }
    }

    fn given<'w>(&self, webhook: &'w ExternalWebhook) -> Result<&'w str, VerificationError> {
        let name = self.name.as_str();
        if let Place::Header = self.place {
            return webhook.header(name);
        }
        let unfit = |kind, why| unfit(kind, "query parameter", name, why);
        match webhook.query_params().get(name) {
            Some(serde_json::Value::String(text)) => Ok(text),
            None | Some(serde_json::Value::Null) => Err(unfit(VerificationErrorKind::Missing, "is missing")),
            Some(serde_json::Value::Array(_)) => {
                Err(unfit(VerificationErrorKind::Repeated, "is there more than once"))
            }
            Some(_) => Err(unfit(VerificationErrorKind::Malformed, "is not text")),
        }
    }
}

impl Provider for SharedToken {
    fn verify(&self, webhook: &ExternalWebhook) -> Result<(), VerificationError> {
        usable(&self.token)?;
        let same = self.token.matches(self.given(webhook)?);
        if same { Ok(()) } else { Err(mismatch("the provider's token is another one")) }
    }
}
