//! `Notification`: a message that the extension sends for Kiket.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::id::{self, id};
use crate::types::{or_default, setters, unknown_fields, with_extra};

with_extra! {
    "unknown_fields";
    /// A message that the extension sends for Kiket.
    ///
    /// The message is not blank; a notification for a channel has a `channel_id`, and a direct one a `recipient_id`. A payload
    /// that breaks one of these rules does not decode, and the error names the field. Ids may be texts or whole numbers.
    /// Formats, priorities and channel types that this version does not know are kept, and so are unknown fields.
    ///
    /// ```
    /// use kiket_runtime::notification::{Format, Notification, Priority, Recipient};
    /// use serde_json::json;
    ///
    /// let notification: Notification = serde_json::from_value(json!({
    ///     "message": "Hello!", "channel_type": "channel", "channel_id": 17, "format": "mrkdwn", "team_id": "t-1",
    /// }))?;
    /// assert_eq!(notification.recipient(), Recipient::Channel("17"));
    /// assert_eq!(notification.format, Format::Other("mrkdwn".into()));
    /// assert_eq!(notification.priority, Priority::Normal);
    /// assert_eq!(notification.extra["team_id"], "t-1");
    ///
    /// let incomplete = json!({ "message": "Hello!", "channel_type": "dm" });
    /// assert!(serde_json::from_value::<Notification>(incomplete).unwrap_err().to_string().contains("`recipient_id`"));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// `Debug` prints the names of unknown fields only, because Kiket sends tokens beside the message.
    #[derive(Clone, PartialEq)]
    #[must_use = "a notification has no effect until it is sent"]
    #[serde(try_from = "Fields")]
    pub struct Notification {
        message: String,
        channel_type: ChannelType,
        #[serde(skip_serializing_if = "Option::is_none")]
        channel_id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        recipient_id: Option<String>,
        /// The format of the message; markdown by default.
        pub format: Format,
        /// The priority; normal by default.
        pub priority: Priority,
        /// The metadata of the sender.
        #[serde(skip_serializing_if = "Map::is_empty")]
        pub metadata: Map<String, Value>,
        /// The id of the thread.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub thread_id: Option<String>,
        /// The attachments, as the sender writes them.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub attachments: Vec<Value>,
    }
}

/// The recipient of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recipient<'n> {
    /// The channel with this id.
    Channel(&'n str),
    /// The person with this id.
    Direct(&'n str),
    /// The group with this id. Without an id the extension must know the group, or reply that it failed.
    Group(Option<&'n str>),
    /// A channel type that this version does not know; see [`Notification::channel_id`] and
    /// [`Notification::recipient_id`].
    Other(&'n str),
}

/// The type of the channel that a message goes to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ChannelType {
    /// A public or private channel.
    #[default]
    Channel,
    /// A person.
    #[serde(rename = "dm")]
    Direct,
    /// A group of people.
    Group,
    /// A type that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// The format of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// Text without markup.
    Plain,
    /// Markdown.
    #[default]
    Markdown,
    /// HTML.
    Html,
    /// A format that this version does not know, like `mrkdwn`.
    #[serde(untagged)]
    Other(String),
}

/// The priority of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Priority {
    /// Low.
    Low,
    /// Normal.
    #[default]
    Normal,
    /// High.
    High,
    /// Urgent.
    Urgent,
    /// A priority that this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl Notification {
    /// A message for a channel.
    ///
    /// # Errors
    ///
    /// The id or the message is blank.
    pub fn to_channel(
        channel_id: impl Into<String>,
        message: impl Into<String>,
    ) -> Result<Self, NotificationError> {
        Self::to(ChannelType::Channel, Some(channel_id.into()), None, message.into())
    }

    /// A message for one person.
    ///
    /// # Errors
    ///
    /// The id or the message is blank.
    pub fn direct(
        recipient_id: impl Into<String>,
        message: impl Into<String>,
    ) -> Result<Self, NotificationError> {
        Self::to(ChannelType::Direct, None, Some(recipient_id.into()), message.into())
    }

    /// A message for a group.
    ///
    /// # Errors
    ///
    /// The id or the message is blank.
    pub fn to_group(
        group_id: impl Into<String>,
        message: impl Into<String>,
    ) -> Result<Self, NotificationError> {
        let notification = Self::to(ChannelType::Group, Some(group_id.into()), None, message.into())?;
        match notification.channel_id {
            Some(_) => Ok(notification),
            None => Err(NotificationError::CHANNEL_MISSING),
        }
    }

    fn to(
        channel_type: ChannelType,
        channel_id: Option<String>,
        recipient_id: Option<String>,
        message: String,
    ) -> Result<Self, NotificationError> {
        Fields { message, channel_type, channel_id, recipient_id, ..Fields::default() }.try_into()
    }

    setters! {
        /// Sets the format.
        format(format: Format) => |notification| notification.format = format;
        /// Sets the priority.
        priority(priority: Priority) => |notification| notification.priority = priority;
        /// Sets the thread.
        thread(thread_id: impl Into<String>) =>
            |notification| notification.thread_id = Some(thread_id.into());
        /// Adds `key` to the metadata.
        data(key: impl Into<String>, value: impl Into<Value>) =>
            |notification| notification.metadata.insert(key.into(), value.into());
        /// Adds an attachment.
        attachment(attachment: impl Into<Value>) =>
            |notification| notification.attachments.push(attachment.into());
    }

    /// The message; never blank.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The recipient.
    pub fn recipient(&self) -> Recipient<'_> {
        let [channel, person] = [self.channel_id(), self.recipient_id()];
        match &self.channel_type {
            // `try_from` refuses a notification without them.
            ChannelType::Channel => Recipient::Channel(channel.unwrap_or_default()),
            ChannelType::Direct => Recipient::Direct(person.unwrap_or_default()),
            ChannelType::Group => Recipient::Group(channel.or(person)),
            ChannelType::Other(kind) => Recipient::Other(kind),
        }
    }

    /// The `channel_id`, also where the recipient is no channel.
    pub fn channel_id(&self) -> Option<&str> {
        self.channel_id.as_deref()
    }

    /// The `recipient_id`, also where the recipient is no person.
    pub fn recipient_id(&self) -> Option<&str> {
        self.recipient_id.as_deref()
    }
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification")
            .field("message", &self.message)
            .field("recipient", &self.recipient())
            .field("format", &self.format)
            .field("priority", &self.priority)
            .field("extra", &self.extra.keys())
            .finish_non_exhaustive()
    }
}

/// A notification as it is read, before its checks.
#[derive(Default, Deserialize)]
struct Fields {
    message: String,
    channel_type: ChannelType,
    #[serde(default, deserialize_with = "id")]
    channel_id: Option<String>,
    #[serde(default, deserialize_with = "id")]
    recipient_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    format: Format,
    #[serde(default, deserialize_with = "or_default")]
    priority: Priority,
    #[serde(default, deserialize_with = "or_default")]
    metadata: Map<String, Value>,
    #[serde(default, deserialize_with = "id")]
    thread_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    attachments: Vec<Value>,
    #[serde(flatten, deserialize_with = "unknown_fields")]
    extra: Map<String, Value>,
}

impl TryFrom<Fields> for Notification {
    type Error = NotificationError;

    fn try_from(fields: Fields) -> Result<Self, NotificationError> {
        let [channel_id, recipient_id] = [fields.channel_id, fields.recipient_id].map(id::present);
        if fields.message.trim().is_empty() {
            return Err(NotificationError::MESSAGE_BLANK);
        }
        match (&fields.channel_type, &channel_id, &recipient_id) {
            (ChannelType::Channel, None, _) => Err(NotificationError::CHANNEL_MISSING),
            (ChannelType::Direct, _, None) => Err(NotificationError::RECIPIENT_MISSING),
            _ => Ok(Self {
                message: fields.message,
                channel_type: fields.channel_type,
                channel_id,
                recipient_id,
                format: fields.format,
                priority: fields.priority,
                metadata: fields.metadata,
                thread_id: fields.thread_id,
                attachments: fields.attachments,
                extra: fields.extra,
            }),
        }
    }
}

/// The reason why a notification is invalid.
///
/// ```
/// use kiket_runtime::notification::{Notification, NotificationErrorKind};
///
/// let error = Notification::to_channel("C1", " ").unwrap_err();
/// assert_eq!((error.kind(), error.field()), (NotificationErrorKind::Blank, "message"));
/// let error = Notification::direct("", "Hello!").unwrap_err();
/// assert_eq!((error.kind(), error.field()), (NotificationErrorKind::Missing, "recipient_id"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{field}` is {}",
    if *kind == NotificationErrorKind::Blank { "blank" } else { "missing: it says where the message goes" }
)]
pub struct NotificationError {
    kind: NotificationErrorKind,
    field: &'static str,
}

/// The kind of a [`NotificationError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotificationErrorKind {
    /// The field is blank.
    Blank,
    /// The field is missing, or an id that is blank, which counts as missing.
    Missing,
}

impl NotificationError {
    const MESSAGE_BLANK: Self = Self { kind: NotificationErrorKind::Blank, field: "message" };
    pub(super) const CHANNEL_MISSING: Self =
        Self { kind: NotificationErrorKind::Missing, field: "channel_id" };
    const RECIPIENT_MISSING: Self = Self { kind: NotificationErrorKind::Missing, field: "recipient_id" };

    /// The kind of the error.
    pub fn kind(&self) -> NotificationErrorKind {
        self.kind
    }

    /// The field that is missing, or blank.
    pub fn field(&self) -> &'static str {
        self.field
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_notification_is_written_with_its_defaults_and_read_back() {
        #[track_caller]
        fn check(notification: &Notification, json: Value) {
            assert_eq!(serde_json::to_value(notification).unwrap(), json);
            assert_eq!(&serde_json::from_value::<Notification>(json).unwrap(), notification);
        }
        let defaults = |json: Value| {
            let mut all = json!({ "message": "hi", "format": "markdown", "priority": "normal" });
            all.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
            all
        };
        check(
            &Notification::to_channel("C1", "hi").unwrap(),
            defaults(json!({ "channel_type": "channel", "channel_id": "C1" })),
        );
        check(
            &Notification::direct("U1", "hi").unwrap(),
            defaults(json!({ "channel_type": "dm", "recipient_id": "U1" })),
        );
        check(
            &Notification::to_group("G1", "hi").unwrap(),
            defaults(json!({ "channel_type": "group", "channel_id": "G1" })),
        );
        let all =
            Notification::to_channel("C1", "hi").unwrap().format(Format::Html).priority(Priority::Urgent);
        check(
            &all.thread("1.2").data("a", 1).attachment(json!({ "url": "x" })),
            json!({
                "message": "hi", "channel_type": "channel", "channel_id": "C1", "format": "html",
                "priority": "urgent", "thread_id": "1.2", "metadata": { "a": 1 }, "attachments": [{ "url": "x" }],
            }),
        );
    }

    #[test]
    fn an_error_names_the_field_that_breaks_a_rule() {
        #[track_caller]
        fn check(json: &Value, field: &str) {
            let error = serde_json::from_value::<Notification>(json.clone()).unwrap_err().to_string();
            assert!(error.contains(&format!("`{field}`")), "{json}: {error}");
        }
        check(&json!({ "channel_type": "channel", "channel_id": "C1" }), "message");
        check(&json!({ "message": "", "channel_type": "channel", "channel_id": "C1" }), "message");
        check(&json!({ "message": " \n", "channel_type": "channel", "channel_id": "C1" }), "message");
        check(&json!({ "message": "hi", "channel_id": "C1" }), "channel_type");
        for id in [Value::Null, "".into(), " ".into()] {
            check(&json!({ "message": "hi", "channel_type": "channel", "channel_id": id }), "channel_id");
            check(&json!({ "message": "hi", "channel_type": "dm", "recipient_id": id }), "recipient_id");
        }
        check(&json!({ "message": "hi", "channel_type": "channel", "recipient_id": "U1" }), "channel_id");
        check(&json!({ "message": "hi", "channel_type": "dm", "channel_id": "C1" }), "recipient_id");
    }

    #[test]
    fn nothing_invalid_can_be_built() {
        for (built, field) in [
            (Notification::to_channel("", "hi"), "channel_id"),
            (Notification::direct(" ", "hi"), "recipient_id"),
            (Notification::to_group("", "hi"), "channel_id"),
            (Notification::to_channel("C1", ""), "message"),
            (Notification::direct("U1", "\t"), "message"),
            (Notification::to_group("G1", ""), "message"),
        ] {
            assert_eq!(built.unwrap_err().field(), field);
        }
    }

    #[test]
    fn what_is_unknown_is_kept() {
        let json = json!({
            "message": "hi", "channel_type": "broadcast", "format": "mrkdwn", "priority": "p1", "team_id": "t-1",
        });
        let read: Notification = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(read.recipient(), Recipient::Other("broadcast"));
        assert_eq!(serde_json::to_value(read).unwrap(), json);
    }

    #[test]
    fn ids_are_texts_or_numbers_and_null_is_absent() {
        let read: Notification = serde_json::from_value(json!({
            "message": "hi", "channel_type": "group", "channel_id": null, "recipient_id": -7, "thread_id": 12,
            "format": null, "priority": null, "metadata": null, "attachments": null,
        }))
        .unwrap();
        assert_eq!(read.recipient(), Recipient::Group(Some("-7")));
        assert_eq!(read.thread_id.as_deref(), Some("12"));
        assert_eq!((&read.format, &read.priority), (&Format::Markdown, &Priority::Normal));
        let unaddressed: Notification =
            serde_json::from_value(json!({ "message": "hi", "channel_type": "group" })).unwrap();
        assert_eq!(unaddressed.recipient(), Recipient::Group(None));
        for id in [json!(true), json!([]), json!({}), json!(1.5), json!(1e20)] {
            let json = json!({ "message": "hi", "channel_type": "channel", "channel_id": id });
            assert!(serde_json::from_value::<Notification>(json).is_err(), "{id}");
        }
    }

    #[test]
    fn unknown_fields_of_a_notification_are_not_printed() {
        let read: Notification = serde_json::from_value(json!({
            "message": "hi", "channel_type": "dm", "recipient_id": "U1", "tenant": 7,
            "secrets": { "KEY": "canary" }, "authentication": { "runtime_token": "canary" },
        }))
        .unwrap();
        let printed = format!("{read:?} {}", serde_json::to_string(&read).unwrap());
        assert!(printed.contains("tenant") && !printed.contains("canary"), "{printed}");
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            12 => "[a-z]{1,3}".prop_map(Value::from),
            2 => "[ \\t]{0,2}".prop_map(Value::from),
            2 => any::<i64>().prop_map(Value::from),
            1 => any::<f64>().prop_map(Value::from),
            1 => any::<bool>().prop_map(Value::from),
            2 => Just(Value::Null),
            1 => Just(json!([1])),
            1 => Just(json!({ "a": 1 })),
        ]
    }

    proptest! {
        #[test]
        fn what_decodes_has_a_message_and_a_recipient(
            kind in prop_oneof![Just("channel"), Just("dm"), Just("group"), Just("fax")],
            fields in prop::collection::btree_map(
                "message|channel_id|recipient_id|thread_id|format|priority|x", value(), 1..8,
            ),
        ) {
            let mut json = json!(fields);
            json["channel_type"] = kind.into();
            let Ok(read) = serde_json::from_value::<Notification>(json.clone()) else { return Ok(()) };
            prop_assert!(!read.message().trim().is_empty(), "{json}");
            match read.recipient() {
                Recipient::Channel(id) | Recipient::Direct(id) | Recipient::Group(Some(id)) => {
                    prop_assert!(!id.trim().is_empty(), "{json}");
                }
                Recipient::Group(None) | Recipient::Other(_) => {}
            }
            let written = serde_json::to_value(&read).unwrap();
            prop_assert_eq!(serde_json::from_value::<Notification>(written).unwrap(), read);
        }
    }
}
