//! The name of a handler, by which builds find their rows.

use std::fmt;

/// The handler of a row: the name of its event, and its version as it was registered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandlerName {
    /// The event, like `issue.created`; that of a schedule is its name after `schedule:`.
    pub event: String,
    /// The version, like `v1`.
    pub version: String,
}

impl HandlerName {
    /// A handler of `event` in `version`.
    pub fn new(event: impl Into<String>, version: impl Into<String>) -> Self {
        Self { event: event.into(), version: version.into() }
    }
}

/// `issue.created@v1`.
impl fmt::Display for HandlerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.event, self.version)
    }
}
