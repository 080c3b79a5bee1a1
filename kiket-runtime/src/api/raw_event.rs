//! Raw events and evidence.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::types::Id;

/// Something that happened elsewhere, as it was told there.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "an event does nothing until it is ingested"]
#[non_exhaustive]
pub struct RawEvent {
    /// Where it happened, like `github`.
    pub source_system: String,
    /// What happened, like `pull_request`.
    pub source_event_type: String,
    /// Its id there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_event_id: Option<String>,
    /// What keeps it from being there twice.
    pub idempotency_key: String,
    /// The workspace that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<Id>,
    /// The process that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_id: Option<Id>,
    /// As it was told: a JSON object.
    pub payload: Value,
    /// What is to be known besides: a JSON object.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub metadata: Value,
    /// How long what is to be kept: a JSON object.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub retention_policy: Value,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl RawEvent {
    /// What happened in `source_system`. Who ingests another event with the same key gets the first one back.
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
            more: Map::new(),
        }
    }

    /// Its id where it happened.
    pub fn source_event_id(mut self, id: impl Into<String>) -> Self {
        self.source_event_id = Some(id.into());
        self
    }

    /// The workspace that it concerns.
    pub fn workspace(mut self, id: impl Into<Id>) -> Self {
        self.workspace_id = Some(id.into());
        self
    }

    /// The process that it concerns.
    pub fn process(mut self, id: impl Into<Id>) -> Self {
        self.process_id = Some(id.into());
        self
    }

    /// What is to be known besides: a JSON object.
    pub fn metadata(mut self, metadata: impl Into<Value>) -> Self {
        self.metadata = metadata.into();
        self
    }

    /// How long what is to be kept: a JSON object.
    pub fn retention_policy(mut self, policy: impl Into<Value>) -> Self {
        self.retention_policy = policy.into();
        self
    }
}

/// A raw event, as Kiket keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StoredRawEvent {
    /// Its id at Kiket.
    pub id: Id,
    /// The organisation that it is in.
    #[serde(default)]
    pub organization_id: Option<Id>,
    /// The workspace that it concerns.
    #[serde(default)]
    pub workspace_id: Option<Id>,
    /// The process that it concerns.
    #[serde(default)]
    pub process_id: Option<Id>,
    /// Where it happened, like `github`.
    #[serde(default)]
    pub source_system: Option<String>,
    /// What happened, like `pull_request`.
    pub source_event_type: String,
    /// Its id where it happened.
    #[serde(default)]
    pub source_event_id: Option<String>,
    /// What keeps it from being there twice.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// How far it came, in Kiket's words.
    #[serde(default)]
    pub status: Option<String>,
    /// When Kiket got it, as Kiket writes it.
    #[serde(default)]
    pub received_at: Option<String>,
    /// As it was told.
    #[serde(default)]
    pub payload: Value,
    /// What is known besides.
    #[serde(default)]
    pub metadata: Value,
    /// What this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// What proves that something was done.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "evidence proves nothing until it is handed in"]
#[non_exhaustive]
pub struct Evidence {
    /// What it is, like `approval`.
    pub evidence_type: String,
    /// What people call it.
    pub title: String,
    /// Where it comes from, like `slack`.
    pub source_system: String,
    /// What keeps it from being there twice.
    pub dedupe_key: String,
    /// What it is of, where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_object_id: Option<String>,
    /// The workspace that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<Id>,
    /// The process that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_id: Option<Id>,
    /// The case that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_id: Option<Id>,
    /// When it was taken; RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured_at: Option<String>,
    /// The evidence itself: a JSON object.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub payload: Value,
    /// How long what is to be kept: a JSON object.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub retention_policy: Value,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Evidence {
    /// Evidence of a type, with a title, from `source_system`. Who hands in another with the same key gets the first
    /// one back.
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
            more: Map::new(),
        }
    }

    /// What it is of, where it comes from.
    pub fn source_object_id(mut self, id: impl Into<String>) -> Self {
        self.source_object_id = Some(id.into());
        self
    }

    /// The workspace that it concerns.
    pub fn workspace(mut self, id: impl Into<Id>) -> Self {
        self.workspace_id = Some(id.into());
        self
    }

    /// The process that it concerns.
    pub fn process(mut self, id: impl Into<Id>) -> Self {
        self.process_id = Some(id.into());
        self
    }

    /// The case that it concerns.
    pub fn case(mut self, id: impl Into<Id>) -> Self {
        self.case_id = Some(id.into());
        self
    }

    /// When it was taken; RFC 3339.
    pub fn captured_at(mut self, time: impl Into<String>) -> Self {
        self.captured_at = Some(time.into());
        self
    }

    /// The evidence itself: a JSON object.
    pub fn payload(mut self, payload: impl Into<Value>) -> Self {
        self.payload = payload.into();
        self
    }

    /// How long what is to be kept: a JSON object.
    pub fn retention_policy(mut self, policy: impl Into<Value>) -> Self {
        self.retention_policy = policy.into();
        self
    }
}
