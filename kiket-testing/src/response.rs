//! A response of an extension under test.

use kiket_runtime::Headers;
use serde_json::Value;

/// What an extension responded, and why it refused a delivery. `Debug` shows the body as text.
///
/// ```
/// use kiket_runtime::{Extension, Reply};
/// use kiket_testing::{TestExtension, delivery};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), kiket_runtime::StartupError> {
/// let builder = Extension::builder().on("issue.created", "v1", async || Reply::ok());
/// let extension = TestExtension::new(builder)?;
/// let forged = delivery("issue.created", "v1", &json!({ "id": "evt_1" })).secret("not the extension's");
/// let response = extension.deliver(forged).await;
/// assert_eq!(response.status(), 401);
/// assert!(response.refusal().is_some_and(|cause| cause.starts_with("signature_mismatch: ")));
/// let shown = format!("{response:?}");
/// assert!(shown.contains("invalid signature") && shown.contains("signature_mismatch: "), "{shown}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TestResponse {
    status: u16,
    headers: Headers,
    body: String,
    refusal: Option<String>,
}

impl TestResponse {
    pub(crate) fn new(status: u16, headers: Headers, body: Vec<u8>, refusal: Option<String>) -> Self {
        let body = String::from_utf8(body).unwrap_or_else(|_| "(not UTF-8)".to_owned());
        Self { status, headers, body, refusal }
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        &self.body
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is not JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Why the signature or the runtime token of the delivery was refused, like `signature_mismatch: …`: the code of the
    /// log, and a sentence. Kiket does not learn it, so it is absent from a delivery over HTTP.
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }
}
