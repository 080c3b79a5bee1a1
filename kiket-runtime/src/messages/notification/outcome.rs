//! `Outcome`: the reply to a notification.

use std::time::{Duration, SystemTime};

use serde_json::Map;

use super::id::id;
use crate::types::{Timestamp, retry_seconds, unknown_fields, with_extra};

with_extra! {
    "unknown_fields";
    /// The reply to a notification: it was sent, or why not.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use kiket_runtime::notification::Outcome;
    /// use serde_json::json;
    ///
    /// let sent = Outcome::sent("1234.5678").delivered_at(UNIX_EPOCH + Duration::from_secs(1_762_689_600));
    /// assert_eq!(json!(sent), json!({
    ///     "success": true, "message_id": "1234.5678", "delivered_at": "2025-11-09T12:00:00Z",
    /// }));
    /// let failed = Outcome::failed("too many messages").retry_after(Duration::from_secs(30));
    /// assert_eq!(json!(failed), json!({ "success": false, "error": "too many messages", "retry_after": 30 }));
    /// ```
    ///
    /// It is a reply with status 200, which ends the delivery; an error of the handler makes Kiket send it again.
    #[derive(Debug, Clone, PartialEq, Eq)]
    #[must_use = "an outcome has no effect until the handler returns it"]
    pub struct Outcome {
        /// Whether the message was sent.
        pub success: bool,
        /// The id of the message in the channel.
        #[serde(default, deserialize_with = "id", skip_serializing_if = "Option::is_none")]
        pub message_id: Option<String>,
        /// The time of delivery.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub delivered_at: Option<Timestamp>,
        /// The reason why it was not sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub error: Option<String>,
        /// The delay before it may be sent again, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub retry_after: Option<u64>,
    }
}

impl Outcome {
    /// The message was sent, and has this id in the channel.
    pub fn sent(message_id: impl Into<String>) -> Self {
        Self { message_id: Some(message_id.into()), ..Self::new(true) }
    }

    /// The message was not sent, for this reason.
    pub fn failed(error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), ..Self::new(false) }
    }

    fn new(success: bool) -> Self {
        Self {
            success,
            message_id: None,
            delivered_at: None,
            error: None,
            retry_after: None,
            extra: Map::new(),
        }
    }

    /// Sets the time of delivery, of a message that was sent; a failure is not changed.
    pub fn delivered_at(mut self, time: SystemTime) -> Self {
        if self.success {
            self.delivered_at = Some(time.into());
        }
        self
    }

    /// Sets the delay before the message may be sent again, rounded up to seconds, a day at most; that of a message
    /// that was sent is not changed.
    pub fn retry_after(mut self, delay: Duration) -> Self {
        if !self.success {
            self.retry_after = Some(retry_seconds(delay));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(outcome: &Outcome, json: Value) {
        assert_eq!(serde_json::to_value(outcome).unwrap(), json);
        assert_eq!(&serde_json::from_value::<Outcome>(json).unwrap(), outcome);
    }

    #[test]
    fn an_outcome_has_the_fields_that_it_can_have() {
        check(&Outcome::sent("m-1"), json!({ "success": true, "message_id": "m-1" }));
        check(&Outcome::failed("no"), json!({ "success": false, "error": "no" }));
        check(
            &Outcome::sent("m-1").retry_after(Duration::from_secs(1)),
            json!({ "success": true, "message_id": "m-1" }),
        );
        check(&Outcome::failed("no").delivered_at(UNIX_EPOCH), json!({ "success": false, "error": "no" }));
    }

    #[test]
    fn a_delay_is_rounded_up() {
        for (millis, seconds) in [(0, 0), (1, 1), (1000, 1), (1001, 2)] {
            let outcome = Outcome::failed("no").retry_after(Duration::from_millis(millis));
            assert_eq!(outcome.retry_after, Some(seconds));
        }
        let outcome = Outcome::failed("no").retry_after(Duration::MAX);
        assert_eq!(outcome.retry_after, Some(86_400));
    }

    #[test]
    fn what_is_unknown_is_kept_and_ids_may_be_numbers() {
        let outcome: Outcome =
            serde_json::from_value(json!({ "success": true, "message_id": 7, "to": "+1" })).unwrap();
        assert_eq!((outcome.message_id.as_deref(), &outcome.extra["to"]), (Some("7"), &json!("+1")));
        assert!(serde_json::from_value::<Outcome>(json!({ "message_id": 7 })).is_err());
    }
}
