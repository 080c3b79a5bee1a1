//! The ingestion of raw events and evidence, with an API key of its own.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderName, Method};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value};

use super::{bodies::bodies, setters::setters};
use crate::{
    client::{CallerCredentials, Client, Idempotency, Request},
    error::{ClientError, ClientErrorKind},
    types::{Id, Secret, Timestamp, whole_seconds},
};

/// The ingestion of raw events and evidence into an organisation.
///
/// Its calls carry the API key and the organisation that it was made with, and none of the extension's tokens; no other
/// call carries those.
///
/// ```no_run
/// # async fn example(context: kiket_runtime::Context, key: kiket_runtime::Secret) -> kiket_runtime::Result<()> {
/// use std::time::Duration;
/// use kiket_runtime::api::RawEvent;
/// use serde_json::json;
///
/// let ingestion = context.endpoints().ingestion(key, "org-1");
/// let event = RawEvent::new("github", "pull_request", "github:1", json!({ "action": "closed" }));
/// if ingestion.ingest(&event).await?.duplicate {
///     tracing::info!("Kiket has it already");
/// }
/// for claimed in ingestion.claim(10, Duration::from_secs(60)).await? {
///     ingestion.submit(&claimed.id, &json!({ "title": claimed.payload["title"] })).await?;
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Its functions fail when the API key or the organisation is blank or cannot be sent in a header; when an id is empty,
/// `.` or `..`; and when the call fails.
#[derive(Debug, Clone)]
pub struct Ingestion {
    client: Client,
    /// The credentials, or the reason why they cannot be sent.
    credentials: Result<Arc<CallerCredentials>, &'static str>,
}

bodies! {
    /// An event of another system, as it was received.
    ///
    /// ```
    /// use kiket_runtime::api::RawEvent;
    /// use serde_json::json;
    ///
    /// let event = RawEvent::new("github", "pull_request", "github:1", json!({ "action": "closed" }))
    ///     .metadata(json!({ "deliveryId": "d-1" }));
    /// assert_eq!(
    ///     serde_json::to_value(&event)?,
    ///     json!({
    ///         "sourceSystem": "github", "sourceEventType": "pull_request", "idempotencyKey": "github:1",
    ///         "payload": { "action": "closed" }, "metadata": { "deliveryId": "d-1" },
    ///     })
    /// );
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use = "an event does nothing until it is ingested"]
    pub struct RawEvent in "camelCase" {
        /// The system where it happened, like `github`.
        pub source_system: String,
        /// The type of the event there, like `pull_request`.
        pub source_event_type: String,
        /// The id of the event there.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub source_event_id: Option<String>,
        /// The idempotency key: Kiket stores one event per key.
        pub idempotency_key: String,
        /// The workspace.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub workspace_id: Option<Id>,
        /// The process.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub process_id: Option<Id>,
        /// The event, as it was received: a JSON object.
        pub payload: Value,
        /// Further data: a JSON object.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        pub metadata: Value,
        /// The retention policy: a JSON object.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        pub retention_policy: Value,
    }

    /// A raw event, as Kiket stores it.
    pub struct StoredRawEvent in "camelCase" {
        /// The id of the event at Kiket.
        pub id: Id,
        /// The organisation.
        pub organization_id: Option<Id>,
        /// The workspace.
        pub workspace_id: Option<Id>,
        /// The process.
        pub process_id: Option<Id>,
        /// The system where it happened, like `github`.
        pub source_system: Option<String>,
        /// The type of the event there, like `pull_request`.
        pub source_event_type: String,
        /// The id of the event there.
        pub source_event_id: Option<String>,
        /// The idempotency key.
        pub idempotency_key: Option<String>,
        /// The status of its processing.
        pub status: Option<String>,
        /// The time when Kiket received it.
        pub received_at: Option<Timestamp>,
        /// The event, as it was received.
        #[serde(default)]
        pub payload: Value,
        /// Further data.
        #[serde(default)]
        pub metadata: Value,
    }

    /// The response to an ingested raw event.
    pub struct Ingested in "camelCase" {
        /// The event, as Kiket stores it.
        pub raw_event: StoredRawEvent,
        /// Whether Kiket already had an event with this idempotency key, which is the one returned.
        #[serde(default)]
        pub duplicate: bool,
    }

    /// Evidence that something was done.
    ///
    /// ```
    /// use kiket_runtime::api::Evidence;
    /// use serde_json::json;
    ///
    /// let evidence = Evidence::new("approval", "Approved by Ada", "slack", "slack:C1:17").case("case-1");
    /// assert_eq!(
    ///     serde_json::to_value(&evidence)?,
    ///     json!({
    ///         "evidenceType": "approval", "title": "Approved by Ada", "sourceSystem": "slack",
    ///         "dedupeKey": "slack:C1:17", "caseId": "case-1",
    ///     })
    /// );
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use = "evidence does nothing until it is sent"]
    pub struct Evidence in "camelCase" {
        /// The type of the evidence, like `approval`.
        pub evidence_type: String,
        /// The title.
        pub title: String,
        /// The system that it is from, like `slack`.
        pub source_system: String,
        /// The deduplication key: Kiket stores one piece of evidence per key.
        pub dedupe_key: String,
        /// The object that it is evidence of, in its system.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub source_object_id: Option<String>,
        /// The workspace.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub workspace_id: Option<Id>,
        /// The process.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub process_id: Option<Id>,
        /// The case.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub case_id: Option<Id>,
        /// The time of its capture.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub captured_at: Option<Timestamp>,
        /// The evidence itself: a JSON object.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        pub payload: Value,
        /// The retention policy: a JSON object.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        pub retention_policy: Value,
    }
}

impl RawEvent {
    /// An event of `source_system`. Ingesting another event with the same key returns the first one.
    pub fn new(
        source_system: impl Into<String>,
        source_event_type: impl Into<String>,
        idempotency_key: impl Into<String>,
        payload: impl Into<Value>,
    ) -> Self {
        Self {
            source_system: source_system.into(),
            source_event_type: source_event_type.into(),
            source_event_id: None,
            idempotency_key: idempotency_key.into(),
            workspace_id: None,
            process_id: None,
            payload: payload.into(),
            metadata: Value::Null,
            retention_policy: Value::Null,
            extra: Map::new(),
        }
    }
}

setters! {
    RawEvent:
    /// The id of the event in its system.
    source_event_id(into String) => source_event_id;
    /// The workspace.
    workspace(into Id) => workspace_id;
    /// The process.
    process(into Id) => process_id;
    /// Further data: a JSON object.
    metadata(plain Value) => metadata;
    /// The retention policy: a JSON object.
    retention_policy(plain Value) => retention_policy;
}

impl Evidence {
    /// Evidence from `source_system`. Sending another with the same key returns the first one.
    pub fn new(
        evidence_type: impl Into<String>,
        title: impl Into<String>,
        source_system: impl Into<String>,
        dedupe_key: impl Into<String>,
    ) -> Self {
        Self {
            evidence_type: evidence_type.into(),
            title: title.into(),
            source_system: source_system.into(),
            dedupe_key: dedupe_key.into(),
            source_object_id: None,
            workspace_id: None,
            process_id: None,
            case_id: None,
            captured_at: None,
            payload: Value::Null,
            retention_policy: Value::Null,
            extra: Map::new(),
        }
    }
}

setters! {
    Evidence:
    /// The object that it is evidence of, in its system.
    source_object_id(into String) => source_object_id;
    /// The workspace.
    workspace(into Id) => workspace_id;
    /// The process.
    process(into Id) => process_id;
    /// The case.
    case(into Id) => case_id;
    /// The time of its capture: a `SystemTime`, or RFC 3339.
    captured_at(into Timestamp) => captured_at;
    /// The evidence itself: a JSON object.
    payload(plain Value) => payload;
    /// The retention policy: a JSON object.
    retention_policy(plain Value) => retention_policy;
}

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const ORGANIZATION: HeaderName = HeaderName::from_static("x-organization-id");

impl Ingestion {
    pub(crate) fn new(client: Client, api_key: Secret, organization_id: &str) -> Self {
        let credentials = if api_key.is_blank() {
            Err("the API key of the ingestion is blank")
        } else if organization_id.trim().is_empty() {
            Err("the id of the organisation is blank")
        } else {
            CallerCredentials::new((API_KEY, api_key), [(ORGANIZATION, organization_id)])
                .map(Arc::new)
                .map_err(
                    |_| "the API key or the id of the organisation has characters that a header cannot carry",
                )
        };
        Self { client, credentials }
    }

    /// The contract of the ingestion: the fields that Kiket expects.
    pub async fn contract(&self) -> Result<Value, ClientError> {
        self.client.send(self.request(Method::GET, &["extension-ingestion", "contract"])).await
    }

    /// Ingests a raw event, once per idempotency key, however often this is called.
    pub async fn ingest(&self, event: &RawEvent) -> Result<Ingested, ClientError> {
        self.client.send(self.request(Method::POST, &["raw-events"]).json(event).idempotent()).await
    }

    /// Claims at most `limit` unclaimed events for the time of a lease, which is rounded up to whole seconds. Events that
    /// are neither processed nor submitted by then can be claimed again.
    ///
    /// The call is not retried, even with an [idempotency key](Client::with_idempotency_key): if its response is lost,
    /// the events stay claimed until the lease expires.
    pub async fn claim(&self, limit: u32, lease: Duration) -> Result<Vec<StoredRawEvent>, ClientError> {
        let seconds = whole_seconds(lease);
        let mut request = self
            .request(Method::GET, &["raw-events", "claim"])
            .query("limit", &limit.to_string())
            .query("leaseSeconds", &seconds.to_string());
        // It is a `GET` that takes effect. If its response is lost, another attempt claims other events, and those of the
        // first lie idle until their lease expires: three attempts may block three times `limit` events.
        request.idempotency = Idempotency::Never;
        self.client.send(request).await.map(|Claimed(events)| events)
    }

    /// Has Kiket process a raw event, and returns the response.
    pub async fn process(&self, id: impl fmt::Display) -> Result<Value, ClientError> {
        let request = self.request(Method::POST, &["raw-events", &id.to_string(), "process"]);
        self.client.send(request.json(&Map::new()).idempotent()).await
    }

    /// Submits the normalized form of a claimed raw event, as [`contract`](Self::contract) describes it, and returns the
    /// response.
    ///
    /// # Errors
    ///
    /// Also when `normalized` cannot be JSON.
    pub async fn submit(
        &self,
        id: impl fmt::Display,
        normalized: &impl Serialize,
    ) -> Result<Value, ClientError> {
        #[derive(Serialize)]
        struct Submission<'n, N> {
            normalized: &'n N,
        }

        let request = self.request(Method::POST, &["raw-events", &id.to_string(), "submit"]);
        self.client.send(request.json(&Submission { normalized }).idempotent()).await
    }

    /// Sends evidence to Kiket, once per deduplication key, and returns the response.
    pub async fn evidence(&self, evidence: &Evidence) -> Result<Value, ClientError> {
        self.client.send(self.request(Method::POST, &["evidence"]).json(evidence).idempotent()).await
    }

    fn request(&self, method: Method, segments: &[&str]) -> Request {
        let mut request = Request::new(method, &[&["platform"], segments].concat());
        match &self.credentials {
            Ok(credentials) => request.credentials = Some(Arc::clone(credentials)),
            Err(why) => return request.refused(ClientErrorKind::NotConfigured, *why),
        }
        request
    }
}

/// ```text
/// {"rawEvents": […]}      also "events", or "data", and […]
/// ```
struct Claimed(Vec<StoredRawEvent>);

impl<'de> Deserialize<'de> for Claimed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = match Value::deserialize(deserializer)? {
            Value::Object(mut names) => {
                let list = ["rawEvents", "events", "data"].into_iter().find_map(|name| names.remove(name));
                list.ok_or_else(|| D::Error::missing_field("rawEvents"))?
            }
            list => list,
        };
        serde_json::from_value(list).map(Self).map_err(D::Error::custom)
    }
}
