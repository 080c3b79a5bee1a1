//! E-mails that an extension forwards to Kiket.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{bodies::bodies, setters::setters};
use crate::{
    client::{Client, Request},
    error::ClientError,
    types::Id,
};

/// E-mails that the extension received elsewhere and forwards to Kiket.
///
/// ```
/// # use kiket_testing::{FakePlatform, context};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let platform = FakePlatform::start();
/// # let context = context("issue.created", "v1").client(platform.client()).build();
/// use kiket_runtime::api::{EmailAttachment, InboundEmail};
///
/// let email = InboundEmail::new("ada@example.com", "support@acme.inbound.kiket.dev")
///     .from_name("Ada")
///     .message_id("<1@example.com>")
///     .subject("No login")
///     .text_body("Since this morning.")
///     .header("X-Spam-Score", "0.1")
///     .attachment(EmailAttachment::new("screen.png").content_type("image/png").size(52_113));
/// let received = context.endpoints().inbound_emails().create(&email).await?;
/// assert_eq!(received.status, "pending");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct InboundEmails {
    pub(super) client: Client,
}

/// An e-mail to forward to Kiket. Setting a field again replaces it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
#[must_use = "an e-mail is sent by `create`"]
pub struct InboundEmail(Map<String, Value>);

impl InboundEmail {
    /// An e-mail between two addresses, without names and angle brackets.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self(Map::new())
            .field("from_email", from.into())
            .field("to_email", to.into())
            .field("cc_emails", json!([]))
            .field("references", json!([]))
            .field("headers", json!({}))
            .field("attachments", json!([]))
    }

    /// Adds a carbon copy address.
    pub fn cc(self, address: impl Into<String>) -> Self {
        self.push("cc_emails", address.into().into())
    }

    /// Adds the `Message-ID` of an earlier e-mail of the conversation.
    pub fn reference(self, id: impl Into<String>) -> Self {
        self.push("references", id.into().into())
    }

    /// Adds an attachment: its description, not its content.
    pub fn attachment(self, attachment: EmailAttachment) -> Self {
        self.push("attachments", attachment.into())
    }

    /// Sets one of the headers.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        match self.0.get_mut("headers") {
            Some(Value::Object(headers)) => drop(headers.insert(name, value.into())),
            _ => return self.field("headers", json!({ name: value })),
        }
        self
    }

    /// Sets a field that has no setter.
    pub fn field(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    fn set(mut self, name: &str, value: Option<String>) -> Self {
        self.0.remove(name);
        self.0.extend(value.map(|value| (name.to_owned(), value.into())));
        self
    }

    fn push(mut self, name: &str, value: Value) -> Self {
        match self.0.get_mut(name) {
            Some(Value::Array(list)) => list.push(value),
            _ => drop(self.0.insert(name.to_owned(), json!([value]))),
        }
        self
    }
}

setters! {
    InboundEmail:
    /// The name of the sender.
    from_name(into String) => "from_name";
    /// The `Message-ID`.
    message_id(into String) => "message_id";
    /// The `Message-ID` of the e-mail that this one replies to.
    in_reply_to(into String) => "in_reply_to";
    /// The subject.
    subject(into String) => "subject";
    /// The body as plain text.
    text_body(into String) => "text_body";
    /// The body as HTML.
    html_body(into String) => "html_body";
    /// The source from which the e-mail was parsed.
    raw_payload(into String) => "raw_payload";
}

/// The description of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use = "an attachment is given to an e-mail"]
pub struct EmailAttachment {
    filename: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_id: Option<String>,
}

impl EmailAttachment {
    /// An attachment with a file name.
    pub fn new(filename: impl Into<String>) -> Self {
        Self { filename: filename.into(), content_type: None, size: None, content_id: None }
    }
}

setters! {
    EmailAttachment:
    /// The media type, like `image/png`.
    content_type(into String) => content_type;
    /// The size in bytes.
    size(u64) => size;
    /// The `Content-ID`, by which the HTML body refers to the attachment.
    content_id(into String) => content_id;
}

impl From<EmailAttachment> for Value {
    fn from(attachment: EmailAttachment) -> Self {
        serde_json::to_value(attachment).unwrap_or_default()
    }
}

bodies! {
    /// An e-mail, as Kiket received it.
    #[derive(Eq)]
    pub struct ReceivedEmail = "inbound_email", "inbound_emails" {
        /// The id of the e-mail.
        pub id: Id,
        /// The status of its processing, like `pending`.
        pub status: String,
    }
}

impl InboundEmails {
    /// Forwards an e-mail to Kiket.
    ///
    /// # Errors
    ///
    /// When the call fails; with 422 where an address is missing.
    pub async fn create(&self, email: &InboundEmail) -> Result<ReceivedEmail, ClientError> {
        let request = Request::post(&["ext", "inbound_emails"]);
        self.client.one(request.json(&json!({ "inbound_email": email })).idempotent()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_set_again_is_replaced() {
        let email = InboundEmail::new("a", "b")
            .header("X", "0")
            .field("headers", json!({ "X": [1] }))
            .header("Y", "2")
            .field("cc_emails", "odd")
            .cc("c")
            .subject("old")
            .subject(Some("new"))
            .from_name("Ada")
            .from_name(None::<String>);
        let expected = json!({
            "from_email": "a", "to_email": "b", "headers": { "X": [1], "Y": "2" }, "cc_emails": ["c"],
            "references": [], "attachments": [], "subject": "new",
        });
        assert_eq!(serde_json::to_value(&email).unwrap(), expected);
        // A value folds what is written twice.
        let written =
            serde_json::to_string(&InboundEmail::new("a", "b").field("headers", json!({ "X": [1] })));
        assert_eq!(written.unwrap().matches("\"headers\":").count(), 1);
    }
}
