//! The name of a handler, by which builds find their rows.

use std::fmt;

use crate::types::EventVersion;

/// The handler of a row: the name of its event, and its version.
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
