//! The platform's calls that concern the extension itself, and the way to the families of calls.

use std::fmt;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    analytics::Analytics, audit::Audit, custom_data::CustomData, inbound_emails::InboundEmails,
    ingestion::Ingestion, intake_forms::IntakeForms, issues::Issues, projects::Projects, secrets::Secrets,
    sla::SlaEvents, webhook_url::WebhookUrl,
};
use crate::types::Secret;
use crate::{
    client::{Client, RateWindow, Request},
    error::ClientError,
};

/// The platform's calls, typed.
///
/// ```no_run
/// # async fn example(context: kiket_runtime::Context) -> kiket_runtime::Result<()> {
/// use kiket_runtime::Level;
/// use serde_json::json;
///
/// let endpoints = context.endpoints();
/// endpoints.log_event("issue.created", json!({ "summary": "Spring campaign" })).await?;
/// if endpoints.rate_limit().await?.remaining < 5 {
///     endpoints.notify("Rate limit warning", "Only a few requests remain", Level::Warning).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Endpoints {
    client: Client,
}

/// How urgent a notification is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Level {
    /// For the record.
    #[default]
    Info,
    /// Something went well.
    Success,
    /// Something may go wrong.
    Warning,
    /// Something went wrong.
    Error,
}

/// The version of events that belong to no delivery.
const FIRST_VERSION: &str = "v1";

impl Endpoints {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Logs an event in the extension's history at Kiket, with the time and the version of the delivery; outside of one,
    /// `v1`, or what [`with_version`](Client::with_version) says.
    ///
    /// A repeated delivery that logs the same again carries the same idempotency key.
    ///
    /// # Errors
    ///
    /// When the extension has no id, `data` cannot be JSON, or the call fails.
    pub async fn log_event(&self, event: &str, data: impl Serialize) -> Result<(), ClientError> {
        #[derive(Serialize)]
        struct Logged<'e, D> {
            event: &'e str,
            version: &'e str,
            data: D,
            #[serde(skip_serializing_if = "Option::is_none")]
            timestamp: Option<String>,
        }

        let id = self.client.extension_id("POST /api/v1/extensions/{id}/events")?;
        let request = Request::new(Method::POST, &["extensions", id, "events"])?;
        let version = self.client.version().unwrap_or(FIRST_VERSION);
        let mut logged = Logged { event, version, data, timestamp: None };
        // The time is not the same in a repetition: the key is made of the rest.
        let lasting = request.clone().json(&logged)?.body.unwrap_or_default();
        logged.timestamp = Some(self.client.now());
        self.client.order(request.json(&logged)?.idempotent_by(lasting)).await
    }

    /// What Kiket knows of the extension.
    ///
    /// # Errors
    ///
    /// When the extension has no id, or the call fails.
    pub async fn metadata(&self) -> Result<Value, ClientError> {
        let id = self.client.extension_id("GET /api/v1/extensions/{id}")?;
        self.client.send(Request::new(Method::GET, &["extensions", id])?).await
    }

    /// Notifies the people of the workspace.
    ///
    /// # Errors
    ///
    /// When the call fails.
    pub async fn notify(&self, title: &str, body: &str, level: Level) -> Result<(), ClientError> {
        #[derive(Serialize)]
        struct Notification<'n> {
            title: &'n str,
            body: &'n str,
            level: Level,
        }

        let request = Request::new(Method::POST, &["extensions", "notifications"])?;
        self.client.order(request.json(&Notification { title, body, level })?.idempotent()).await
    }

    /// Records a number over time, like `emit_metric("mails.sent", 3.0, "count")`.
    ///
    /// # Errors
    ///
    /// When `value` is not finite, or the call fails.
    pub async fn emit_metric(&self, name: &str, value: f64, unit: &str) -> Result<(), ClientError> {
        #[derive(Serialize)]
        struct Metric<'m> {
            name: &'m str,
            value: f64,
            unit: &'m str,
        }

        let request = Request::new(Method::POST, &["extensions", "metrics"])?;
        if !value.is_finite() {
            return Err(request.invalid(format!("the value of a metric is a finite number, not {value}")));
        }
        self.client.order(request.json(&Metric { name, value, unit })?.idempotent()).await
    }

    /// How many calls the extension has left; ask before a burst of them.
    ///
    /// # Errors
    ///
    /// When the call fails.
    pub async fn rate_limit(&self) -> Result<RateWindow, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            rate_limit: RateWindow,
        }

        let answer: Answer = self.client.send(Request::new(Method::GET, &["ext", "rate_limit"])?).await?;
        Ok(answer.rate_limit)
    }

    /// The secrets that Kiket keeps for the extension.
    pub fn secrets(&self) -> Secrets {
        Secrets::new(self.client.clone())
    }

    /// The records of a project that the extension may read and write. `project` is any displayable id.
    pub fn custom_data(&self, project: impl fmt::Display) -> CustomData {
        CustomData::new(self.client.clone(), project.to_string())
    }

    /// The service level events of a project. `project` is any displayable id.
    pub fn sla_events(&self, project: impl fmt::Display) -> SlaEvents {
        SlaEvents::new(self.client.clone(), project.to_string())
    }

    /// The intake forms of a project, and what was sent in through them. `project` is any displayable id.
    pub fn intake_forms(&self, project: impl fmt::Display) -> IntakeForms {
        IntakeForms::new(self.client.clone(), project.to_string())
    }

    /// The issues that the extension may read and write.
    pub fn issues(&self) -> Issues {
        Issues::new(self.client.clone())
    }

    /// How projects are set up, and who works in them.
    pub fn projects(&self) -> Projects {
        Projects::new(self.client.clone())
    }

    /// What Kiket's analytics are told.
    pub fn analytics(&self) -> Analytics {
        Analytics::new(self.client.clone())
    }

    /// The e-mails that the extension hands to Kiket.
    pub fn inbound_emails(&self) -> InboundEmails {
        InboundEmails::new(self.client.clone())
    }

    /// Where others send webhooks that reach the extension as `external.webhook.{action}`.
    ///
    /// # Errors
    ///
    /// When `action` is blank, or the call fails.
    pub async fn webhook_url(&self, action: &str) -> Result<WebhookUrl, ClientError> {
        let request = Request::new(Method::GET, &["ext", "webhook_url"])?;
        if action.trim().is_empty() {
            return Err(request.invalid("the action is blank"));
        }
        self.client.one(request.query("action_name", action).confidential()).await
    }

    /// The audit trail of the organisation, and the proofs of its records.
    pub fn audit(&self) -> Audit {
        Audit::new(self.client.clone())
    }

    /// The ingestion of raw events and evidence into an organisation; see [`Client::ingestion`].
    pub fn ingestion(&self, api_key: impl Into<Secret>, organization_id: impl fmt::Display) -> Ingestion {
        self.client.ingestion(api_key, organization_id)
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoints").field(&self.client).finish()
    }
}
