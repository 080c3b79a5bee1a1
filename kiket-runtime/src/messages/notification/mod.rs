//! Notifications: messages that Kiket asks an extension to send, and their replies.
//!
//! A [`Notification`] has an [`Outcome`] as its reply, and a [`ChannelValidation`] a [`ChannelValidity`].
//!
//! ```
//! use std::time::Duration;
//! use kiket_runtime::{Payload, notification::{Notification, Outcome, Recipient}};
//!
//! async fn send_message(notification: Payload<Notification>) -> Outcome {
//!     match notification.recipient() {
//!         Recipient::Channel(id) => Outcome::sent(format!("{id}-1")),
//!         Recipient::Direct(_) => Outcome::failed("the limit is reached").retry_after(Duration::from_secs(60)),
//!         other => Outcome::failed(format!("this extension cannot write to {other:?}")),
//!     }
//! }
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! # let outcome = send_message(Payload(Notification::to_channel("C1", "hello")?)).await;
//! # assert_eq!(outcome.message_id.as_deref(), Some("C1-1"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod channel;
mod id;
mod message;
mod outcome;

pub use self::{
    channel::{ChannelValidation, ChannelValidity},
    message::{
        ChannelType, Format, Notification, NotificationError, NotificationErrorKind, Priority, Recipient,
    },
    outcome::Outcome,
};
