//! Validation of channels: the payload and the reply.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    id::{id, present},
    message::{ChannelType, NotificationError},
};
use crate::types::{or_default, setters, unknown_fields, with_extra};

with_extra! {
    "unknown_fields";
    /// The payload that asks whether the extension can write to a channel.
    ///
    /// ```
    /// use kiket_runtime::{Payload, notification::{ChannelValidation, ChannelValidity}};
    ///
    /// async fn validate_channel(channel: Payload<ChannelValidation>) -> ChannelValidity {
    ///     match channel.channel_id() {
    ///         "C1" => ChannelValidity::valid().data("name", "contracts"),
    ///         id => ChannelValidity::invalid(format!("there is no channel {id}")),
    ///     }
    /// }
    /// ```
    ///
    /// A validation without a `channel_id` does not decode. `Debug` prints the names of unknown fields only.
    #[derive(Clone, PartialEq)]
    #[serde(try_from = "Fields")]
    pub struct ChannelValidation {
        channel_id: String,
        /// The type of the channel; `channel` by default.
        pub channel_type: ChannelType,
    }
}

impl ChannelValidation {
    /// A validation of the channel `channel_id`.
    ///
    /// # Errors
    ///
    /// The id is blank.
    pub fn new(channel_type: ChannelType, channel_id: impl Into<String>) -> Result<Self, NotificationError> {
        Fields { channel_id: Some(channel_id.into()), channel_type, extra: Map::new() }.try_into()
    }

    /// The id of the channel; never blank.
    pub fn channel_id(&self) -> &str {
        &self.channel_id
    }
}

impl fmt::Debug for ChannelValidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelValidation")
            .field("channel_id", &self.channel_id)
            .field("channel_type", &self.channel_type)
            .field("extra", &self.extra.keys())
            .finish()
    }
}

/// A validation as it is read, before its checks.
#[derive(Deserialize)]
struct Fields {
    #[serde(default, deserialize_with = "id")]
    channel_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    channel_type: ChannelType,
    #[serde(flatten, deserialize_with = "unknown_fields")]
    extra: Map<String, Value>,
}

impl TryFrom<Fields> for ChannelValidation {
    type Error = NotificationError;

    fn try_from(fields: Fields) -> Result<Self, NotificationError> {
        let channel_id = present(fields.channel_id).ok_or(NotificationError::CHANNEL_MISSING)?;
        Ok(Self { channel_id, channel_type: fields.channel_type, extra: fields.extra })
    }
}

with_extra! {
    "unknown_fields";
    /// The reply that says whether the extension can write to a channel.
    ///
    /// ```
    /// use kiket_runtime::notification::ChannelValidity;
    /// use serde_json::json;
    ///
    /// let valid = ChannelValidity::valid().data("members", 12);
    /// assert_eq!(json!(valid), json!({ "valid": true, "metadata": { "members": 12 } }));
    /// assert_eq!(json!(ChannelValidity::invalid("archived")), json!({ "valid": false, "error": "archived" }));
    /// ```
    #[derive(Debug, Clone, PartialEq, Eq)]
    #[must_use = "a validity has no effect until the handler returns it"]
    pub struct ChannelValidity {
        /// Whether the extension can write to the channel.
        pub valid: bool,
        /// The reason why it cannot.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub error: Option<String>,
        /// The metadata of the channel, like its name.
        #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Map::is_empty")]
        pub metadata: Map<String, Value>,
    }
}

impl ChannelValidity {
    /// The extension can write to the channel.
    pub fn valid() -> Self {
        Self { valid: true, error: None, metadata: Map::new(), extra: Map::new() }
    }

    /// The extension cannot write to the channel, for this reason.
    pub fn invalid(error: impl Into<String>) -> Self {
        Self { valid: false, error: Some(error.into()), ..Self::valid() }
    }

    setters! {
        /// Adds `key` to the metadata of the channel.
        data(key: impl Into<String>, value: impl Into<Value>) =>
            |validity| validity.metadata.insert(key.into(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_validation_is_of_a_channel_unless_said() {
        #[track_caller]
        fn check(json: Value, id: &str, channel_type: &ChannelType) {
            let read: ChannelValidation = serde_json::from_value(json).unwrap();
            assert_eq!((read.channel_id(), &read.channel_type), (id, channel_type));
        }
        check(json!({ "channel_id": "C1" }), "C1", &ChannelType::Channel);
        check(json!({ "channel_id": 7, "channel_type": null }), "7", &ChannelType::Channel);
        check(json!({ "channel_id": "U1", "channel_type": "dm" }), "U1", &ChannelType::Direct);
        check(json!({ "channel_id": "X", "channel_type": "x" }), "X", &ChannelType::Other("x".into()));
    }

    #[test]
    fn a_validation_without_a_channel_is_refused() {
        for json in
            [json!({}), json!({ "channel_id": null }), json!({ "channel_id": " ", "channel_type": "dm" })]
        {
            let error = serde_json::from_value::<ChannelValidation>(json.clone()).unwrap_err();
            assert!(error.to_string().contains("`channel_id`"), "{json}: {error}");
        }
        assert_eq!(ChannelValidation::new(ChannelType::Channel, "").unwrap_err().field(), "channel_id");
    }

    #[test]
    fn what_comes_beside_a_validation_is_kept_and_not_printed() {
        let json = json!({ "channel_id": "C1", "channel_type": "channel", "api_token": "canary" });
        let read: ChannelValidation = serde_json::from_value(json.clone()).unwrap();
        assert!(!format!("{read:?}").contains("canary"));
        assert_eq!(serde_json::to_value(read).unwrap(), json);
    }
}
