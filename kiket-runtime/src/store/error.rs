//! The error of deduplication stores.

#[cfg(any(feature = "inbox", feature = "postgres", feature = "redis"))]
use std::time::Duration;
use std::{borrow::Cow, error::Error as StdError, fmt};

use crate::{error::Chain, types::setters};

/// A failure of a store: it cannot be reached, refuses, or is full. It is written for the log.
///
/// `Display` prints what is wrong and what to change, `Debug` the whole chain of sources. Neither prints a password.
///
/// ```
/// use kiket_runtime::dedupe::{StoreError, StoreErrorKind};
///
/// // In a store of your own.
/// let error = StoreError::new("the table is full").with_kind(StoreErrorKind::Full).mend("give it more room");
/// assert_eq!(error.kind(), StoreErrorKind::Full);
/// assert_eq!(error.to_string(), "the table is full; give it more room");
/// ```
#[must_use = "an error does nothing until it is returned"]
pub struct StoreError(Box<Failure>);

/// The kind of a [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store cannot be reached, does not respond in time, or is not ready. The operation may succeed later.
    Unreachable,
    /// The store refuses the operation, or kiket the store: its address, rights, place or settings have to be changed.
    Refused,
    /// The store has no room.
    Full,
    /// What is stored cannot be read: another version or another program wrote it, or it is damaged.
    Unreadable,
    /// Any other failure; the kind of [`StoreError::new`].
    Other,
}

struct Failure {
    kind: StoreErrorKind,
    what: Cow<'static, str>,
    mend: Option<Cow<'static, str>>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl StoreError {
    /// What is wrong, in one sentence: lower case, no full stop.
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Failure { kind: StoreErrorKind::Other, what: what.into(), mend: None, cause: None }))
    }

    setters! {
        /// Sets the kind.
        with_kind(kind: StoreErrorKind) => |error| error.0.kind = kind;
        /// Adds what to do about it, as an imperative.
        mend(mend: impl Into<Cow<'static, str>>) => |error| error.0.mend = Some(mend.into());
        /// Adds the cause, which must not show a password.
        because(cause: impl Into<Box<dyn StdError + Send + Sync>>) => |error| error.0.cause = Some(cause.into());
    }

    /// The kind of the error.
    pub fn kind(&self) -> StoreErrorKind {
        self.0.kind
    }

    /// What is wrong.
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// It as a problem of the start, with its cause.
    #[cfg(any(feature = "inbox", feature = "postgres", feature = "redis"))]
    pub(crate) fn into_problem(self, id: crate::error::ProblemId) -> crate::error::Problem {
        let cause = self.0.cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        let problem = crate::error::Problem::new(id, format!("{}{cause}", self.0.what));
        match self.0.mend {
            Some(mend) => problem.mend(mend),
            None => problem,
        }
    }

    /// What to do about it.
    pub fn how_to_mend(&self) -> Option<&str> {
        self.0.mend.as_deref()
    }
}

/// Errors that several stores have.
#[cfg(any(feature = "inbox", feature = "postgres", feature = "redis"))]
impl StoreError {
    pub(crate) fn too_slow(server: &str, waited: Duration) -> Self {
        Self::new(format!("{server} did not respond within {} s", waited.as_secs()))
            .with_kind(StoreErrorKind::Unreachable)
            .mend("see that it runs, and is not overloaded")
    }

    /// A stored reply that does not decode. `part` is the unit of the server that has its own replies, like a database.
    #[cfg(any(feature = "postgres", feature = "redis"))]
    pub(crate) fn unknown_reply(server: &str, part: &str) -> Self {
        let mend = "give each version of the extension that stores replies in another form";
        Self::new(format!("{server} has a stored reply that this version did not write"))
            .with_kind(StoreErrorKind::Unreadable)
            .mend(format!("{mend} a {part} of its own"))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)?;
        self.0.mend.as_ref().map_or(Ok(()), |mend| write!(f, "; {mend}"))
    }
}

/// The whole chain.
impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Chain(self), f)
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_stands_before_what_to_change() {
        let error = StoreError::new("the store is full").mend("give it more room");
        assert_eq!(error.to_string(), "the store is full; give it more room");
        let error = error.because(std::io::Error::other("no room"));
        assert_eq!(format!("{error:?}"), "the store is full; give it more room: no room");
    }
}
