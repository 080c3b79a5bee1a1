//! The record of one delivery.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use crate::{
    delivery::HandlerKey,
    types::{milliseconds, rfc3339},
};

/// The record of one delivery: the argument of the feedback hook, and what telemetry sends to Kiket.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Record {
    /// The name of the event.
    pub event: String,
    /// The version, as its handler is registered.
    pub version: String,
    /// Whether the handler succeeded.
    pub status: RecordStatus,
    /// The time from decoding the payload to the reply, in milliseconds, by a monotonic clock.
    pub duration_ms: f64,
    /// The time of the response: RFC 3339, UTC.
    pub timestamp: String,
    /// The id of the extension.
    pub extension_id: Option<String>,
    /// The version of the extension.
    pub extension_version: Option<String>,
    /// The message that the handler's author wrote for the caller, redacted; `handler failed` where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The code of the failure, else the type of the error that the handler returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_class: Option<String>,
    /// More data; empty in this version.
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

/// Whether a handler succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RecordStatus {
    /// The handler replied.
    Ok,
    /// The handler failed, panicked, or exceeded its timeout.
    Error,
}

/// A finished delivery, before its record is written.
pub(crate) struct TelemetryEvent {
    pub(crate) key: Arc<HandlerKey>,
    pub(crate) duration: Duration,
    /// Unix seconds.
    pub(crate) ended_at: u64,
    pub(crate) failure: Option<Failed>,
}

/// How a handler failed, in a text without secrets.
pub(crate) struct Failed {
    pub(crate) message: String,
    pub(crate) class: String,
}

/// The fields that are the same in every record of an extension.
#[derive(Clone)]
pub(crate) struct TelemetryContext {
    pub(crate) extension_id: Option<String>,
    pub(crate) extension_version: Option<String>,
}

impl TelemetryContext {
    pub(super) fn record(&self, event: TelemetryEvent) -> Record {
        let TelemetryEvent { key, duration, ended_at, failure } = event;
        let status = if failure.is_none() { RecordStatus::Ok } else { RecordStatus::Error };
        let (error_message, error_class) = failure.map(|failed| (failed.message, failed.class)).unzip();
        Record {
            event: key.event.to_string(),
            version: key.version.to_string(),
            status,
            duration_ms: milliseconds(duration),
            timestamp: rfc3339(ended_at),
            extension_id: self.extension_id.clone(),
            extension_version: self.extension_version.clone(),
            error_message,
            error_class,
            metadata: serde_json::Map::new(),
        }
    }
}
