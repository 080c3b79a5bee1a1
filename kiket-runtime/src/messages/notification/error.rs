//! Why a notification does not decode.

/// Why something is no notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {why}")]
pub struct NotificationError {
    field: &'static str,
    why: &'static str,
}

impl NotificationError {
    pub(super) const MESSAGE_BLANK: Self = Self { field: "message", why: "is blank" };
    pub(super) const CHANNEL_MISSING: Self =
        Self { field: "channel_id", why: "is missing: it says where the message goes" };
    pub(super) const RECIPIENT_MISSING: Self =
        Self { field: "recipient_id", why: "is missing: it says who gets the message" };

    /// The field that is missing, or blank.
    pub fn field(&self) -> &'static str {
        self.field
    }
}
