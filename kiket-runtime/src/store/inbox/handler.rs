//! The name of a handler, by which builds find their rows.

use std::{fmt, str::FromStr};

use crate::types::{EventVersion, text::written_traits};

/// The handler of a row: the name of its event, and its version. It is written as `issue.created@v1`.
///
/// ```
/// use kiket_runtime::inbox::HandlerName;
///
/// let name: HandlerName = "issue.created@v1".parse()?;
/// assert_eq!(name, HandlerName::new("issue.created", "1.0"));
/// assert_eq!(serde_json::json!(name), "issue.created@v1");
/// # Ok::<(), kiket_runtime::inbox::HandlerNameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandlerName {
    /// The event, like `issue.created`; that of a schedule is its name after `schedule:`.
    pub event: String,
    /// The version, like `v1`.
    pub version: String,
}

impl HandlerName {
    /// A handler of `event` in `version`, in whose usual spelling rows have it: `v1` for `1.0`.
    pub fn new(event: impl Into<String>, version: impl Into<String>) -> Self {
        let mut version = version.into();
        if let Ok(parsed) = version.parse::<EventVersion>() {
            version.clear();
            parsed.write_usual(&mut version);
        }
        Self { event: event.into(), version }
    }
}

/// `issue.created@v1`.
impl fmt::Display for HandlerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.event, self.version)
    }
}

/// Event and version stay as they are written.
impl FromStr for HandlerName {
    type Err = HandlerNameError;

    fn from_str(text: &str) -> Result<Self, HandlerNameError> {
        let (event, version) = text.rsplit_once('@').ok_or(HandlerNameError)?;
        Ok(Self { event: event.to_owned(), version: version.to_owned() })
    }
}

written_traits!(HandlerName, HandlerNameError);

/// A text that is not a [`HandlerName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a handler is an event, `@` and a version, like `issue.created@v1`")]
pub struct HandlerNameError;
