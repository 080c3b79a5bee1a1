//! A capture, and its file.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use kiket_runtime::{Secret, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use super::{
    content::{CapturedCall, CapturedResponse, Content},
    redaction::{filled, names, pointers, redactions},
};

/// A delivery, the calls that it led to, and its response, as one JSON file without secrets.
///
/// A [`Recording`](crate::Recording) makes one. In place of each secret is a placeholder with its name, like `<redacted:SLACK_TOKEN>`.
/// Where the delivery itself says `<redacted:`, the body has `<redacted:>`.
///
/// ```
/// use kiket_testing::{Capture, Recording};
///
/// let body = br#"{"id":"evt_1","secrets":{"SLACK_TOKEN":"xoxb-1"},"note":"has xoxb-1"}"#;
/// let capture = Recording::new("issue.created", "v1", body).responded(200, [], br#"{"ok":true}"#).capture();
/// assert_eq!(capture.body.body.as_ref().unwrap()["note"], "has <redacted:SLACK_TOKEN>");
/// assert_eq!(capture.redacted, ["/body/note", "/body/secrets/SLACK_TOKEN"]);
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("captures/created.json");
/// capture.save(&file)?;
/// assert_eq!(Capture::load(&file)?, capture);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "cassette")]
#[doc(alias = "snapshot")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Capture {
    /// The version of the format.
    #[serde(rename = "kiket_capture", deserialize_with = "read_format")]
    pub(super) format: u64,
    /// The event.
    pub event: String,
    /// The version of the event.
    pub version: String,
    /// Path and query, where they are not `/v/{version}/webhooks/{event}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The time of the delivery.
    pub recorded_at: Timestamp,
    /// The build that was delivered to, like `com.example.marketing 1.0.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// The headers that matter; never those of signatures and tokens.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(flatten)]
    pub body: Content,
    /// The calls to Kiket, in the order they arrived; `None` if the recorder could not see them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Vec<CapturedCall>>,
    /// The response; `None` if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<CapturedResponse>,
    /// The places that have a placeholder, as JSON pointers into the file.
    #[serde(default)]
    pub redacted: Vec<String>,
}

/// The version of the format that is written, and the only one that is read.
pub(super) const FORMAT: u64 = 1;

fn read_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match u64::deserialize(deserializer)? {
        FORMAT => Ok(FORMAT),
        other => Err(D::Error::custom(format_args!("expected format {FORMAT}, found {other}"))),
    }
}

impl Capture {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is no capture, with line and column.
    pub fn load(file: impl AsRef<Path>) -> Result<Self, CaptureError> {
        let file = file.as_ref();
        let text = fs::read_to_string(file).map_err(|error| CaptureError::new(file, error))?;
        Self::parse(&text).map_err(|error| CaptureError::new(file, error))
    }

    pub(super) fn parse(text: &str) -> io::Result<Self> {
        serde_json::from_str(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Writes a file, and its folder where it does not exist. A file that is there is replaced.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn save(&self, file: impl AsRef<Path>) -> Result<(), CaptureError> {
        let file = file.as_ref();
        let written = file.parent().map_or(Ok(()), fs::create_dir_all);
        written.and_then(|()| fs::write(file, self.to_text())).map_err(|error| CaptureError::new(file, error))
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n" // its types are JSON
    }

    /// The id of the delivery: the body's `id`, else its `delivery_id`.
    pub fn delivery_id(&self) -> Option<String> {
        let body = self.body.body.as_ref()?;
        ["id", "delivery_id"].into_iter().find_map(|name| match body.get(name)? {
            Value::String(id) if !id.is_empty() => Some(id.clone()),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        })
    }

    /// Path and query of the delivery.
    pub fn target(&self) -> String {
        let Self { event, version, .. } = self;
        self.path.clone().unwrap_or_else(|| format!("/v/{version}/webhooks/{event}"))
    }

    /// The names of the secrets whose placeholders are in the body, each once.
    pub fn placeholders(&self) -> Vec<String> {
        names(&self.body)
    }

    /// The body with secrets in place of their placeholders, and `<redacted:` in place of `<redacted:>`. A placeholder without a
    /// secret stays.
    pub fn filled(&self, secret: impl FnMut(&str) -> Option<Secret>) -> Vec<u8> {
        filled(&self.body, secret).to_bytes()
    }

    /// The places where a value of `known` (names and secrets) is, as it is or in one of the forms in which texts quote it.
    /// Secrets of less than 4 bytes are not searched for.
    ///
    /// ```
    /// use kiket_testing::{Capture, Recording};
    ///
    /// let capture = Recording::new("issue.created", "v1", br#"{"id":1,"note":"has xoxb-1"}"#).capture();
    /// let leaks = capture.leaks(&[("SLACK_TOKEN".to_owned(), "xoxb-1".into())]);
    /// assert_eq!((leaks[0].name.as_str(), leaks[0].at.as_str()), ("SLACK_TOKEN", "/body/note"));
    /// ```
    pub fn leaks(&self, known: &[(String, Secret)]) -> Vec<Leak> {
        let file = serde_json::to_value(self).unwrap_or_default();
        let found = known.iter().flat_map(|(name, secret)| {
            let redactions = redactions([(name.clone(), secret.clone())]);
            let shows = move |text: &str| redactions.redact(text) != text;
            pointers(&file, shows).into_iter().map(|at| Leak { name: name.clone(), at })
        });
        found.collect()
    }
}

/// A secret in a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leak {
    /// The name of the secret.
    pub name: String,
    /// The place in the file, as a JSON pointer.
    pub at: String,
}

/// A capture cannot be read or written.
///
/// ```
/// use std::io;
/// use kiket_testing::Capture;
///
/// assert_eq!(Capture::load("captures/none.json").unwrap_err().kind(), io::ErrorKind::NotFound);
/// ```
#[derive(Debug, thiserror::Error)]
#[error("the capture `{}` cannot be used", file.display())]
pub struct CaptureError {
    file: PathBuf,
    source: io::Error,
}

impl CaptureError {
    /// The kind of the error: that of the file, and `InvalidData` of one that is no capture.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    fn new(file: &Path, source: io::Error) -> Self {
        Self { file: file.to_owned(), source }
    }
}
