//! What happened, and in which shape it is told: the names and versions of events.

use std::{borrow::Cow, fmt, hash::Hash, str::FromStr};

/// The header that names the version.
pub(crate) const VERSION_HEADER: &str = "x-kiket-event-version";

/// The name of an event, like `issue.created`.
///
/// One to eight segments of `[A-Za-z0-9_-]+` joined by single dots, at most 128 bytes:
///
/// ```text
/// issue.created
/// slack.workflowAction.sendChannelMessage
/// before_transition
/// ```
///
/// ```
/// use kiket_runtime::EventName;
///
/// let name: EventName = "workflow.sla_status".parse()?;
/// assert_eq!(name.as_str(), "workflow.sla_status");
/// assert!("issue..created".parse::<EventName>().is_err());
/// # Ok::<(), kiket_runtime::InvalidEventName>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName(Cow<'static, str>);

/// A type that stands for an event: `#[kiket::webhook(IssueCreated, version = "v1")]` means the name that it has here.
///
/// The types in [`events`](crate::events) have the names of Kiket's own events. Implement it for a payload of yours to
/// write its event's name once:
///
/// ```
/// use kiket_runtime::{Event, EventName};
///
/// #[derive(serde::Deserialize)]
/// struct MailReceived { subject: String }
///
/// impl Event for MailReceived {
///     const NAME: EventName = EventName::from_static("mail.received");
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name an event",
    label = "not an event",
    note = "the event is a string literal like `\"issue.created\"`, a type of `kiket::events`, or a type of your own that implements `kiket::Event`",
    note = "like `#[derive(kiket::Event)]` with `#[event(name = \"issue.created\")]` above `{Self}`"
)]
pub trait Event {
    /// The event that the type stands for.
    const NAME: EventName;
}

/// The longest event name in bytes; contract 1.1.
const EVENT_NAME_BYTES: usize = 128;
/// The most segments of an event name; contract 1.1.
const EVENT_NAME_SEGMENTS: usize = 8;

impl EventName {
    /// A name known when the program is compiled.
    ///
    /// # Panics
    ///
    /// When `name` is not an event name. In a `const` or a `static`, where the attribute puts it, that is a
    /// compile error under the literal.
    #[must_use]
    #[track_caller]
    pub const fn from_static(name: &'static str) -> Self {
        assert!(
            is_event_name(name.as_bytes()),
            "an event name is one to eight segments of letters, digits, `_` and `-` joined by dots, at most 128 bytes, like \"issue.created\""
        );
        Self(Cow::Borrowed(name))
    }

    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` is an event name.
    #[must_use]
    pub(crate) fn is_valid(text: &str) -> bool {
        is_event_name(text.as_bytes())
    }
}

/// ```text
/// name    = segment *7( "." segment )
/// segment = 1*( ALPHA / DIGIT / "_" / "-" )
/// ```
const fn is_event_name(text: &[u8]) -> bool {
    if text.is_empty() || text.len() > EVENT_NAME_BYTES {
        return false;
    }
    let (mut at, mut segments, mut segment_bytes) = (0, 1, 0);
    while at < text.len() {
        match text[at] {
            b'.' if segment_bytes == 0 => return false,
            b'.' => {
                segments += 1;
                segment_bytes = 0;
            }
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => segment_bytes += 1,
            _ => return false,
        }
        at += 1;
    }
    segment_bytes > 0 && segments <= EVENT_NAME_SEGMENTS
}

impl FromStr for EventName {
    type Err = InvalidEventName;

    fn from_str(text: &str) -> Result<Self, InvalidEventName> {
        if Self::is_valid(text) { Ok(Self(Cow::Owned(text.to_owned()))) } else { Err(InvalidEventName) }
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// A text that is not an [`EventName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an event name is one to eight segments of letters, digits, `_` and `-` joined by dots, at most 128 bytes, like `issue.created`"
)]
pub struct InvalidEventName;

/// The version of an event's shape, like `v1`.
///
/// A `v` and digits, digits, or digits with dots, at most 16 bytes. Spelling does not matter for equality:
/// `1`, `v1`, `1.0` and `v1.0` are one version. The spelling itself is kept.
///
/// ```
/// use kiket_runtime::EventVersion;
///
/// let registered = EventVersion::from_static("v1");
/// assert_eq!(registered, "1.0".parse()?);
/// assert_ne!(registered, "v2".parse()?);
/// assert_eq!(registered.as_str(), "v1");
/// # Ok::<(), kiket_runtime::InvalidEventVersion>(())
/// ```
#[derive(Clone)]
pub struct EventVersion {
    written: Cow<'static, str>,
    normal: VersionKey,
}

/// The longest version in bytes; contract 1.1.
const VERSION_BYTES: usize = 16;

impl EventVersion {
    /// A version known when the program is compiled.
    ///
    /// # Panics
    ///
    /// When `version` is not a version. In a `const` or a `static`, where the attribute puts it, that is a
    /// compile error under the literal.
    #[must_use]
    #[track_caller]
    pub const fn from_static(version: &'static str) -> Self {
        match VersionKey::read(version.as_bytes()) {
            Some(normal) => Self { written: Cow::Borrowed(version), normal },
            None => {
                panic!(
                    "an event version is a `v` and digits, or digits with dots, at most 16 bytes, like \"v1\""
                )
            }
        }
    }

    /// The version as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// What equality compares.
    pub(crate) const fn key(&self) -> VersionKey {
        self.normal
    }
}

impl FromStr for EventVersion {
    type Err = InvalidEventVersion;

    fn from_str(text: &str) -> Result<Self, InvalidEventVersion> {
        let normal = VersionKey::read(text.as_bytes()).ok_or(InvalidEventVersion)?;
        Ok(Self { written: Cow::Owned(text.to_owned()), normal })
    }
}

impl PartialEq for EventVersion {
    fn eq(&self, other: &Self) -> bool {
        self.normal == other.normal
    }
}

impl Eq for EventVersion {}

impl Hash for EventVersion {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.normal.hash(state);
    }
}

impl fmt::Display for EventVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Debug for EventVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.written, f)
    }
}

/// A text that is not an [`EventVersion`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event version is a `v` and digits, or digits with dots, at most 16 bytes, like `v1`")]
pub struct InvalidEventVersion;

/// A version in the one spelling that all its spellings share: no `v`, no leading zeros, no trailing `.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct VersionKey {
    bytes: [u8; VERSION_BYTES],
    len: usize,
}

impl VersionKey {
    /// ```text
    /// version = "v" 1*DIGIT *( "." 1*DIGIT ) / 1*DIGIT *( "." 1*DIGIT )
    /// ```
    pub(crate) const fn read(text: &[u8]) -> Option<Self> {
        if text.len() > VERSION_BYTES {
            return None;
        }
        let mut key = Self { bytes: [0; VERSION_BYTES], len: 0 };
        let mut at = if !text.is_empty() && text[0] == b'v' { 1 } else { 0 };
        let mut significant = 0; // the length without trailing `.0`
        let mut digits = 0; // in this number
        let mut in_number = false; // a digit other than a leading zero was seen
        while at < text.len() {
            match text[at] {
                b'0' if !in_number => digits += 1,
                digit @ b'0'..=b'9' => {
                    digits += 1;
                    in_number = true;
                    key.bytes[key.len] = digit;
                    key.len += 1;
                    significant = key.len;
                }
                b'.' if digits > 0 => {
                    key.bytes[key.len] = b'.';
                    key.len += 1;
                    digits = 0;
                    in_number = false;
                }
                _ => return None,
            }
            at += 1;
        }
        if digits == 0 {
            return None;
        }
        while key.len > significant {
            key.len -= 1;
            key.bytes[key.len] = 0;
        }
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_event_names_are_names() {
        for name in [
            "issue.created",
            "workflow.sla_status",
            "slack.sendMessage",
            "external.webhook.inbound_email",
            "slack.workflowAction.sendChannelMessage",
            "before_transition",
            "a.b.c.d.e.f.g.h",
            "x",
            "kebab-case.9",
        ] {
            assert!(name.parse::<EventName>().is_ok(), "{name}");
        }
        assert!("x".repeat(128).parse::<EventName>().is_ok());
    }

    #[test]
    fn other_texts_are_not_event_names() {
        for text in ["", ".", "a.", ".a", "a..b", "a b", "a/b", "a%2Eb", "ä", "a.b.c.d.e.f.g.h.i", "a\0"] {
            assert_eq!(text.parse::<EventName>(), Err(InvalidEventName), "{text:?}");
        }
        assert!("x".repeat(129).parse::<EventName>().is_err());
    }

    #[test]
    fn spellings_of_one_version_are_equal() {
        #[track_caller]
        fn check(spellings: &[&str]) {
            for a in spellings {
                for b in spellings {
                    assert_eq!(a.parse::<EventVersion>(), b.parse::<EventVersion>(), "{a} {b}");
                }
            }
        }
        check(&["1", "v1", "1.0", "v1.0", "1.0.0", "01"]);
        check(&["1.2", "v1.2", "1.2.0", "1.02"]);
        check(&["0", "v0", "0.0"]);
        check(&["0.1", "v0.1.0"]);
    }

    #[test]
    fn different_versions_differ() {
        let versions = ["0", "1", "2", "10", "1.1", "1.10", "1.0.1", "0.1", "11"];
        for (i, a) in versions.iter().enumerate() {
            for (j, b) in versions.iter().enumerate() {
                assert_eq!(i == j, a.parse::<EventVersion>() == b.parse::<EventVersion>(), "{a} {b}");
            }
        }
    }

    #[test]
    fn other_texts_are_not_versions() {
        for text in
            ["", "v", "V1", "vv1", "1.", ".1", "1..2", "v1a", "1 ", "-1", "+1", "١", "12345678901234567"]
        {
            assert_eq!(text.parse::<EventVersion>(), Err(InvalidEventVersion), "{text:?}");
        }
    }

    #[test]
    fn the_spelling_is_kept() {
        assert_eq!("v1.0".parse::<EventVersion>().unwrap().to_string(), "v1.0");
    }
}
