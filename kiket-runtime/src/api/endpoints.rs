//! The index of the API families, and the calls that concern the extension itself.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    analytics::Analytics, audit::Audit, custom_data::CustomData, inbound_emails::InboundEmails,
    ingestion::Ingestion, intake_forms::IntakeForms, issues::Issues, projects::Projects, secrets::Secrets,
    sla::SlaEvents,
};
use crate::{
    client::{Client, RateWindow, Request, resources},
    error::ClientError,
    types::{Secret, rfc3339, unknown_members},
};

/// The typed calls to Kiket, by family.
///
/// ```no_run
/// # async fn example(context: kiket_runtime::Context) -> kiket_runtime::Result<()> {
/// use kiket_runtime::Level;
/// use serde_json::json;
///
/// let endpoints = context.endpoints();
/// endpoints.log_event("issue.created", json!({ "summary": "Spring campaign" })).await?;
/// let remaining = endpoints.rate_limit().await?.remaining;
/// if remaining < 5 {
///     endpoints.notify("Rate limit warning", format!("{remaining} calls remain"), Level::Warning).await?;
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Its functions fail when the call fails, and those that name the extension also when it has no id.
#[derive(Debug, Clone)]
pub struct Endpoints(Client);

/// The level of a notification.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Level {
    /// For information.
    #[default]
    Info,
    /// A success.
    Success,
    /// A possible problem.
    Warning,
    /// A failure.
    Error,
}

/// The URL to which another system sends webhooks, which reach the extension as `external.webhook.{action}`.
///
/// Anyone who knows the URL may send: `Debug` does not show it, and it belongs in no log.
///
/// ```
/// # use kiket_testing::{FakePlatform, context};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let platform = FakePlatform::builder().seed_yaml("webhook_token: abc123").start()?;
/// # let context = context("issue.created", "v1").client(platform.client()).build();
/// let webhook = context.endpoints().webhook_url("inbound_email").await?;
/// assert!(webhook.url.ends_with("/webhooks/ext/abc123/inbound_email"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct WebhookUrl {
    /// The URL.
    #[serde(rename = "webhook_url")]
    pub url: String,
    /// The secret part of the URL.
    #[serde(rename = "webhook_token")]
    pub token: Option<String>,
    /// The base of the URLs of all actions, without a slash at the end.
    #[serde(rename = "webhook_base_url")]
    pub base_url: Option<String>,
    /// The fields that this version does not know.
    #[serde(flatten, deserialize_with = "unknown_members")]
    pub extra: Map<String, Value>,
}

resources! { WebhookUrl: "webhook", "webhooks"; }

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookUrl").finish_non_exhaustive()
    }
}

/// The version of events that belong to no delivery.
const FIRST_VERSION: &str = "v1";

/// The families that need no more than the client, and perhaps the id of a project.
macro_rules! families {
    ($($(#[$doc:meta])* $name:ident($($project:ident)?) => $family:ident;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(&self $(, $project: impl fmt::Display)?) -> $family {
                $family { client: self.0.clone() $(, $project: $project.to_string())? }
            }
        )*
    };
}

impl Endpoints {
    /// The typed calls of a client.
    ///
    /// [`Context::endpoints`](crate::Context::endpoints) has those of a delivery. These are for a client that was
    /// changed: `Endpoints::new(context.client().with_version("v2"))`.
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    /// Logs an event in the extension's history at Kiket, with the time and the version of the delivery. Outside of a
    /// delivery the version is `v1`, or that of [`with_version`](Client::with_version).
    ///
    /// A redelivery that logs the same again carries the same idempotency key.
    ///
    /// # Errors
    ///
    /// Also when `data` cannot be JSON.
    pub async fn log_event(&self, event: &str, data: impl Serialize) -> Result<(), ClientError> {
        #[derive(Serialize)]
        struct Logged<'e, D> {
            event: &'e str,
            version: &'e str,
            data: D,
            #[serde(skip_serializing_if = "Option::is_none")]
            timestamp: Option<String>,
        }

        let id = self.0.extension_id("POST /api/v1/extensions/{id}/events")?;
        let request = Request::post(&["extensions", id, "events"]);
        let version = self.0.version().unwrap_or(FIRST_VERSION);
        let mut logged = Logged { event, version, data, timestamp: None };
        // The time differs in a redelivery: the idempotency key is made of the rest.
        let lasting = request.clone().json(&logged).body.unwrap_or_default();
        logged.timestamp = Some(rfc3339(self.0.unix_seconds()));
        self.0.execute(request.json(&logged).idempotent_by(lasting)).await
    }

    /// Kiket's metadata of the extension.
    pub async fn metadata(&self) -> Result<Value, ClientError> {
        let id = self.0.extension_id("GET /api/v1/extensions/{id}")?;
        self.0.send(Request::get(&["extensions", id])).await
    }

    /// Notifies the people of the workspace.
    pub async fn notify(
        &self,
        title: impl AsRef<str>,
        body: impl AsRef<str>,
        level: Level,
    ) -> Result<(), ClientError> {
        let notification = json!({ "title": title.as_ref(), "body": body.as_ref(), "level": level });
        let request = Request::post(&["extensions", "notifications"]).json(&notification);
        self.0.execute(request.idempotent()).await
    }

    /// Records a value of a metric, like `emit_metric("mails.sent", 3.0, "count")`.
    ///
    /// # Errors
    ///
    /// Also when `value` is not finite.
    pub async fn emit_metric(&self, name: &str, value: f64, unit: &str) -> Result<(), ClientError> {
        let mut request = Request::post(&["extensions", "metrics"]);
        if !value.is_finite() {
            request = request.invalid(format!("the value of a metric is a finite number, not {value}"));
        }
        let metric = json!({ "name": name, "value": value, "unit": unit });
        self.0.execute(request.json(&metric).idempotent()).await
    }

    /// The rate limit and the number of calls that are left, for instance before a burst of calls.
    pub async fn rate_limit(&self) -> Result<RateWindow, ClientError> {
        #[derive(Deserialize)]
        struct Response {
            rate_limit: RateWindow,
        }

        let Response { rate_limit } = self.0.send(Request::get(&["ext", "rate_limit"])).await?;
        Ok(rate_limit)
    }

    families! {
        /// The secrets that Kiket stores for the extension.
        secrets() => Secrets;
        /// The records of a project that the extension may read and write. `project` is any displayable id.
        custom_data(project) => CustomData;
        /// The SLA events of a project. `project` is any displayable id.
        sla_events(project) => SlaEvents;
        /// The intake forms of a project, and their submissions. `project` is any displayable id.
        intake_forms(project) => IntakeForms;
        /// The issues that the extension may read and write.
        issues() => Issues;
        /// The projects of the workspace: their workflows, boards and members.
        projects() => Projects;
        /// Events for Kiket's analytics.
        analytics() => Analytics;
        /// E-mails that the extension forwards to Kiket.
        inbound_emails() => InboundEmails;
        /// The audit trail of the organisation, and the proofs of its records.
        audit() => Audit;
    }

    /// The URL to which other systems send webhooks, which reach the extension as `external.webhook.{action}`.
    ///
    /// # Errors
    ///
    /// Also when `action` is blank.
    pub async fn webhook_url(&self, action: &str) -> Result<WebhookUrl, ClientError> {
        let request = Request::get(&["ext", "webhook_url"]).named(action, "the action");
        self.0.one(request.query("action_name", action).confidential()).await
    }

    /// The ingestion of raw events and evidence into an organisation, with an API key of its own instead of the
    /// extension's tokens. Key and organisation are taken from here alone, never from the environment.
    pub fn ingestion(&self, api_key: impl Into<Secret>, organization_id: impl fmt::Display) -> Ingestion {
        Ingestion::new(self.0.clone(), api_key.into(), &organization_id.to_string())
    }
}

impl From<Client> for Endpoints {
    fn from(client: Client) -> Self {
        Self::new(client)
    }
}
