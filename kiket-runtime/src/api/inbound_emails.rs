//! The e-mails that an extension hands to Kiket.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::types::Id;
use crate::{
    client::{Client, Request, Wrapped},
    error::ClientError,
};

/// The e-mails that an extension got from elsewhere, and hands to Kiket.
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
    client: Client,
}

/// An e-mail as it is handed to Kiket.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[must_use = "an e-mail is handed over by `create`"]
pub struct InboundEmail {
    from_email: String,
    to_email: String,
    cc_emails: Vec<String>,
    references: Vec<String>,
    headers: Map<String, Value>,
    attachments: Vec<EmailAttachment>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl InboundEmail {
    /// An e-mail between two addresses, without names and angle brackets.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self {
            from_email: from.into(),
            to_email: to.into(),
            cc_emails: Vec::new(),
            references: Vec::new(),
            headers: Map::new(),
            attachments: Vec::new(),
            rest: Map::new(),
        }
    }

    /// The name of whoever wrote it.
    pub fn from_name(self, name: impl Into<String>) -> Self {
        self.field("from_name", name.into())
    }

    /// One more address that it went to.
    pub fn cc(mut self, address: impl Into<String>) -> Self {
        self.cc_emails.push(address.into());
        self
    }

    /// Its `Message-ID`.
    pub fn message_id(self, id: impl Into<String>) -> Self {
        self.field("message_id", id.into())
    }

    /// The `Message-ID` that it answers.
    pub fn in_reply_to(self, id: impl Into<String>) -> Self {
        self.field("in_reply_to", id.into())
    }

    /// One more `Message-ID` of the conversation before it.
    pub fn reference(mut self, id: impl Into<String>) -> Self {
        self.references.push(id.into());
        self
    }

    /// Its subject.
    pub fn subject(self, subject: impl Into<String>) -> Self {
        self.field("subject", subject.into())
    }

    /// Its text.
    pub fn text_body(self, text: impl Into<String>) -> Self {
        self.field("text_body", text.into())
    }

    /// Its text as HTML.
    pub fn html_body(self, html: impl Into<String>) -> Self {
        self.field("html_body", html.into())
    }

    /// One of its headers.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into().into());
        self
    }

    /// One more attachment: what is known of it, not what is in it.
    pub fn attachment(mut self, attachment: EmailAttachment) -> Self {
        self.attachments.push(attachment);
        self
    }

    /// What it was parsed from, as text.
    pub fn raw_payload(self, text: impl Into<String>) -> Self {
        self.field("raw_payload", text.into())
    }

    /// A field that has no method of its own.
    pub fn field(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.rest.insert(name.into(), value.into());
        self
    }
}

/// What is known of a file that came with an e-mail.
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
    /// A file with a name.
    pub fn new(filename: impl Into<String>) -> Self {
        Self { filename: filename.into(), content_type: None, size: None, content_id: None }
    }

    /// Its media type, like `image/png`.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Its size in bytes.
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = Some(bytes);
        self
    }

    /// Its `Content-ID`, by which the HTML of the e-mail shows it.
    pub fn content_id(mut self, id: impl Into<String>) -> Self {
        self.content_id = Some(id.into());
        self
    }
}

/// What became of an e-mail that was handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReceivedEmail {
    /// Its id.
    pub id: Id,
    /// How far Kiket is with it, like `pending`.
    pub status: String,
    /// What this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Wrapped for ReceivedEmail {
    const NAME: &'static str = "inbound_email";
}

impl InboundEmails {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Hands an e-mail to Kiket.
    ///
    /// # Errors
    ///
    /// When the call fails; Kiket refuses with 422 an e-mail without an address.
    pub async fn create(&self, email: &InboundEmail) -> Result<ReceivedEmail, ClientError> {
        let request = Request::new(Method::POST, &["ext", "inbound_emails"])?;
        let request = request.json(&json!({ "inbound_email": email }))?.idempotent();
        self.client.one(request).await
    }
}
