//! Where others send webhooks for the extension. Nothing listens there: `Platform::deliver` brings what would arrive.

use serde_json::json;

use super::{answer::Answer, call::Call};
use crate::types::Secret;

pub(super) struct WebhookUrls {
    pub(super) token: Secret,
}

impl Default for WebhookUrls {
    fn default() -> Self {
        Self { token: Secret::from("kiket_test_webhook_token") }
    }
}

impl WebhookUrls {
    pub(super) fn url(&self, action: &str) -> String {
        format!("{}/{action}", self.base())
    }

    pub(super) fn get(&self, call: &Call) -> Result<Answer, Answer> {
        let action = call.query_value("action_name").unwrap_or_default();
        if action.trim().is_empty() {
            return Err(Answer::invalid(&[("action_name", "can't be blank")]));
        }
        let (url, token) = (self.url(action), self.token.expose());
        let answer = json!({ "webhook_url": url, "webhook_token": token, "webhook_base_url": self.base() });
        Ok(Answer::json(200, &answer))
    }

    fn base(&self) -> String {
        format!("https://kiket.test/webhooks/ext/{}", self.token.expose())
    }
}
