//! The parts of captures: bodies, calls and responses.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The content of a body: JSON in `body`, anything else in `text`, nothing if it is empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Content {
    /// The JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// The text of a body that is not JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A call of an extension to Kiket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CapturedCall {
    /// The method.
    pub method: String,
    /// Path and query, as they were sent.
    pub path: String,
    /// The body.
    #[serde(flatten)]
    pub body: Content,
    /// The response; `None` if it did not arrive whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<CapturedResponse>,
}

/// A response, of an extension or of Kiket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CapturedResponse {
    /// The status.
    pub status: u16,
    /// The headers that matter.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(flatten)]
    pub body: Content,
}

impl Content {
    /// The content of these bytes. What is not UTF-8 is replaced.
    pub(super) fn of(bytes: &[u8]) -> Self {
        // A byte order mark may be before JSON.
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        match serde_json::from_slice(bytes) {
            Ok(Value::Null) | Err(_) => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                Self { body: None, text: (!text.is_empty()).then_some(text) }
            }
            Ok(json) => Self { body: Some(json), text: None },
        }
    }

    /// The bytes to send.
    pub fn to_bytes(&self) -> Vec<u8> {
        match (&self.body, &self.text) {
            (Some(json), _) => json.to_string().into_bytes(),
            (None, text) => text.clone().unwrap_or_default().into_bytes(),
        }
    }
}
