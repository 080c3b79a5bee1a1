//! Events for Kiket's analytics.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    client::{Client, Request},
    error::ClientError,
};

/// Events for Kiket's analytics.
///
/// ```
/// # use kiket_testing::{FakePlatform, context};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let platform = FakePlatform::start();
/// # let context = context("issue.created", "v1").client(platform.client()).build();
/// use serde_json::json;
///
/// context.endpoints().analytics().track("report.sent", json!({ "pages": 3 })).await?;
/// context.endpoints().analytics().track("report.opened", ()).await?;
/// assert_eq!(platform.analytics_events()[0], json!({ "name": "report.sent", "properties": { "pages": 3 } }));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Analytics {
    pub(super) client: Client,
}

impl Analytics {
    /// Records an event. `properties` is a JSON object, or `()`.
    ///
    /// # Errors
    ///
    /// When `name` is blank, `properties` is neither, or the call fails.
    pub async fn track(&self, name: &str, properties: impl Serialize) -> Result<(), ClientError> {
        #[derive(Serialize)]
        struct Event<'e> {
            name: &'e str,
            properties: Map<String, Value>,
        }

        let request = Request::post(&["ext", "analytics", "events"]).named(name, "the name of the event");
        let request = match serde_json::to_value(properties).and_then(serde_json::from_value::<Option<_>>) {
            Ok(properties) => request.json(&Event { name, properties: properties.unwrap_or_default() }),
            Err(error) => request.invalid(format!("`properties` is a JSON object, or `()`: {error}")),
        };
        self.client.execute(request.idempotent()).await
    }
}
