//! Names and versions of events.

use std::{borrow::Cow, cmp::Ordering, fmt, hash::Hash, str::FromStr};

use super::text::{plain_text, text_traits};

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
/// # Ok::<(), kiket_runtime::events::EventNameError>(())
/// ```
///
/// It compares with texts, serializes as text, and can be looked up by text as the key of a map:
///
/// ```
/// use std::collections::HashMap;
/// use kiket_runtime::EventName;
///
/// let name = EventName::try_from("issue.created")?;
/// assert_eq!(name, "issue.created");
/// assert_eq!(serde_json::json!({ "event": name }).to_string(), r#"{"event":"issue.created"}"#);
/// let counts = HashMap::from([(name, 3)]);
/// assert_eq!(counts["issue.created"], 3);
/// # Ok::<(), kiket_runtime::events::EventNameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName(Cow<'static, str>);

/// A type that names an event: `#[kiket::webhook(IssueCreated, version = "v1")]` takes the name from it.
///
/// The types in [`events`](crate::events) name Kiket's own events. Implement it for your own payload to write the name of its
/// event once:
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
    /// The name of the event.
    const NAME: EventName;
}

/// The events that have two names (wire contract, event-aliases).
const ALIASES: [(&str, &str); 4] = [
    ("comment.created", "issue.commented"),
    ("before_transition", "workflow.before_transition"),
    ("after_transition", "workflow.after_transition"),
    ("sla_status", "workflow.sla_status"),
];

/// The other name of an event that has two.
pub(crate) fn other_name(event: &str) -> Option<&'static str> {
    ALIASES.iter().find_map(|&(one, other)| match event {
        event if event == one => Some(other),
        event if event == other => Some(one),
        _ => None,
    })
}

/// Whether both names are names of one event.
pub(crate) fn is_same_event(one: &str, other: &str) -> bool {
    one == other || other_name(one) == Some(other)
}

/// Whether the event asks for a decision: a response without one is *allow* to Kiket.
#[allow(unreachable_pub)] // `internals` exports it
pub fn is_guard(event: &str) -> bool {
    event.strip_prefix("workflow.").unwrap_or(event).starts_with("before_")
}

/// Whether `manifest` has the other name of `event` as a word. The attribute looks for the name itself.
pub const fn is_declared(event: &str, manifest: &str) -> bool {
    let mut at = 0;
    while at < ALIASES.len() {
        let (one, other) = ALIASES[at];
        let (event, text) = (event.as_bytes(), manifest.as_bytes());
        if stands_at(event, 0, event.len(), one) && has_word(text, other)
            || stands_at(event, 0, event.len(), other) && has_word(text, one)
        {
            return true;
        }
        at += 1;
    }
    false
}

const fn has_word(text: &[u8], word: &str) -> bool {
    let (mut start, mut at) = (0, 0);
    while at <= text.len() {
        if at == text.len()
            || !matches!(text[at], b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-')
        {
            if stands_at(text, start, at, word) {
                return true;
            }
            start = at + 1;
        }
        at += 1;
    }
    false
}

/// Whether `text[start..end]` is `word`.
const fn stands_at(text: &[u8], start: usize, end: usize, word: &str) -> bool {
    let word = word.as_bytes();
    let mut at = 0;
    while at < word.len() && at < end - start && text[start + at] == word[at] {
        at += 1;
    }
    at == word.len() && at == end - start
}

/// The longest event name in bytes (wire contract, event-grammar).
const EVENT_NAME_BYTES: usize = 128;
/// The most segments of an event name (wire contract, event-grammar).
const EVENT_NAME_SEGMENTS: usize = 8;

/// The longest name of a schedule in bytes.
#[cfg(feature = "inbox")]
const SCHEDULE_NAME_BYTES: usize = 85;

/// What the events of schedules begin with.
#[cfg(feature = "inbox")]
const SCHEDULE: &str = "schedule:";

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
            Self::is_valid(name),
            "an event name is one to eight segments of letters, digits, `_` and `-` joined by dots, at most 128 bytes, like \"issue.created\""
        );
        Self(Cow::Borrowed(name))
    }

    /// The event of a schedule, `schedule:NAME`, which no delivery can name.
    #[cfg(feature = "inbox")]
    #[track_caller]
    pub(crate) const fn of_schedule(text: &'static str) -> Self {
        assert!(
            text.len() > SCHEDULE.len() && Self::is_valid(text.split_at(SCHEDULE.len()).1),
            "the name of a schedule is one to eight words of letters, digits, `_` and `-` joined by dots"
        );
        // The key of a row is readable up to 128 bytes, and the slot is read from it.
        assert!(
            text.len() <= SCHEDULE.len() + SCHEDULE_NAME_BYTES,
            "the name of a schedule is at most 85 bytes"
        );
        Self(Cow::Borrowed(text))
    }

    /// The name of the schedule that it is the event of.
    #[cfg(feature = "inbox")]
    pub(crate) fn schedule(&self) -> Option<&str> {
        self.as_str().strip_prefix(SCHEDULE)
    }

    /// The name as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The event of the workflow that a short name of a hook stands for (wire contract, short-hook-names).
    #[must_use]
    pub(crate) fn full(self) -> Self {
        match other_name(self.as_str()) {
            Some(full) if full.starts_with("workflow.") => Self(Cow::Borrowed(full)),
            _ => self,
        }
    }

    /// Whether `text` is an event name.
    ///
    /// ```text
    /// name    = segment *7( "." segment )
    /// segment = 1*( ALPHA / DIGIT / "_" / "-" )
    /// ```
    #[must_use]
    pub(crate) const fn is_valid(text: &str) -> bool {
        let text = text.as_bytes();
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
}

plain_text!(EventName, EventNameError);

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
pub struct EventNameError;

/// The version of an event's shape, like `v1`.
///
/// A `v` and digits, digits, or digits with dots, at most 16 bytes. All spellings of a version are equal, like `1`, `v1`,
/// `1.0` and `v1.0`; each value keeps its own.
///
/// ```
/// use kiket_runtime::EventVersion;
///
/// let registered = EventVersion::from_static("v1");
/// assert_eq!(registered, EventVersion::try_from("1.0")?);
/// assert_eq!(registered, "1.0"); // texts compare as versions
/// assert_eq!(registered.as_str(), "v1");
/// assert!(registered < EventVersion::try_from("1.10")?);
/// # Ok::<(), kiket_runtime::events::EventVersionError>(())
/// ```
#[derive(Clone)]
pub struct EventVersion {
    written: Cow<'static, str>,
    normal: VersionKey,
}

/// The longest version in bytes (wire contract, version-grammar).
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

    /// The version as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Writes its usual spelling, like `v1`: what is stored is found by it, however the handler writes its version.
    pub(crate) fn write_usual(&self, text: &mut String) {
        for (place, (length, number)) in self.normal.numbers().enumerate() {
            text.push(if place == 0 { 'v' } else { '.' });
            text.extend(number.iter().map(|&digit| char::from(digit)));
            text.push_str(if length == 0 { "0" } else { "" });
        }
    }

    /// The canonical version, which equality compares.
    pub(crate) const fn key(&self) -> VersionKey {
        self.normal
    }
}

impl FromStr for EventVersion {
    type Err = EventVersionError;

    fn from_str(text: &str) -> Result<Self, EventVersionError> {
        let normal = VersionKey::read(text.as_bytes()).ok_or(EventVersionError)?;
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

/// Number by number: `v2` is less than `v10`, and `v1` less than `v1.0.1`.
impl Ord for EventVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.normal.numbers().cmp(other.normal.numbers())
    }
}

impl PartialOrd for EventVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A text equals a version in any of its spellings.
impl PartialEq<str> for EventVersion {
    fn eq(&self, other: &str) -> bool {
        VersionKey::read(other.as_bytes()) == Some(self.normal)
    }
}

text_traits!(EventVersion, EventVersionError);

impl fmt::Debug for EventVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.written, f)
    }
}

/// A text that is not an [`EventVersion`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event version is a `v` and digits, or digits with dots, at most 16 bytes, like `v1`")]
pub struct EventVersionError;

/// A version in its canonical spelling: no `v`, no leading zeros, no trailing `.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct VersionKey {
    bytes: [u8; VERSION_BYTES],
    len: usize,
}

impl VersionKey {
    /// The numbers, without leading zeros: of two, the longer one is greater.
    fn numbers(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        bytes.split(|byte| *byte == b'.').map(|number| (number.len(), number))
    }

    /// ```text
    /// version = ( "v" / "V" ) 1*DIGIT *( "." 1*DIGIT ) / 1*DIGIT *( "." 1*DIGIT )
    /// ```
    pub(crate) const fn read(text: &[u8]) -> Option<Self> {
        if text.len() > VERSION_BYTES {
            return None;
        }
        let mut key = Self { bytes: [0; VERSION_BYTES], len: 0 };
        let mut at = if !text.is_empty() && text[0].eq_ignore_ascii_case(&b'v') { 1 } else { 0 };
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
    fn every_spelling_of_a_version_has_one_usual_one() {
        for (usual, spellings) in [
            ("v1", &["1", "v1", "V1", "1.0", "v01.0"][..]),
            ("v1.10", &["1.10", "v1.10.0"]),
            ("v1.0.2", &["1.0.2", "v1.00.2"]),
            ("v0", &["0", "v0.0"]),
            ("v0.1", &["0.1", "v00.1"]),
        ] {
            for spelling in spellings {
                let mut text = String::new();
                EventVersion::try_from(*spelling).unwrap().write_usual(&mut text);
                assert_eq!(text, usual, "{spelling}");
            }
            assert_eq!(EventVersion::try_from(usual).unwrap(), spellings[0]);
        }
    }

    #[cfg(feature = "inbox")]
    #[test]
    fn the_name_of_a_schedule_has_room_in_the_key_of_a_row() {
        let name = |bytes| format!("schedule:{}", "x".repeat(bytes)).leak();
        let event = EventName::of_schedule(name(SCHEDULE_NAME_BYTES));
        let row = format!("e/{}:v1:id:{}:1700000000", event.as_str(), "0".repeat(16));
        assert_eq!(crate::store::DedupeKey::new("e", row.strip_prefix("e/").unwrap()).as_str(), row);
        assert!(std::panic::catch_unwind(|| EventName::of_schedule(name(SCHEDULE_NAME_BYTES + 1))).is_err());
    }

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
    fn a_manifest_may_have_the_other_name_of_an_event() {
        for (event, manifest, expected) in [
            ("workflow.sla_status", "hooks: [sla_status]", true),
            ("before_transition", "- workflow.before_transition", true),
            ("comment.created", "issue.commented", true),
            ("workflow.sla_status", "hooks: [x.sla_status, sla_status-x]", false),
            ("comment.created", "comment.created", false),
            ("issue.created", "issue.created", false),
            ("sla_status", "", false),
        ] {
            assert_eq!(is_declared(event, manifest), expected, "{event} {manifest}");
        }
    }

    #[test]
    fn other_texts_are_not_event_names() {
        for text in ["", ".", "a.", ".a", "a..b", "a b", "a/b", "a%2Eb", "ä", "a.b.c.d.e.f.g.h.i", "a\0"] {
            assert_eq!(text.parse::<EventName>(), Err(EventNameError), "{text:?}");
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
        check(&["1", "v1", "V1", "1.0", "v1.0", "V1.0", "1.0.0", "01"]);
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
        for text in [
            "",
            "v",
            "V",
            "vV1",
            "vv1",
            "1.",
            ".1",
            "1..2",
            "v1a",
            "1 ",
            "-1",
            "+1",
            "١",
            "12345678901234567",
        ] {
            assert_eq!(text.parse::<EventVersion>(), Err(EventVersionError), "{text:?}");
        }
    }

    #[test]
    fn versions_are_ordered_number_by_number() {
        let sorted = ["0", "0.1", "1", "v1.0.1", "1.1", "1.2", "1.10", "v2", "10", "10.0.1"];
        let versions = sorted.map(|text| text.parse::<EventVersion>().unwrap());
        assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
        let spellings = ["1", "v1.0"].map(|text| text.parse::<EventVersion>().unwrap());
        assert_eq!(spellings[0].cmp(&spellings[1]), Ordering::Equal);
    }

    #[test]
    fn names_and_versions_compare_with_texts() {
        let (name, version) = (EventName::from_static("a.b"), EventVersion::from_static("v1"));
        let owned = "a.b".to_owned();
        assert_eq!(name, "a.b");
        assert_eq!("a.b", name);
        assert_eq!(name, owned);
        assert_ne!(name, "a.c");
        assert_eq!(version, "v1");
        assert_eq!("1.0", version);
        for other in ["v2", "", "one"] {
            assert_ne!(version, other);
        }
        assert_eq!(name.as_ref(), "a.b");
        assert_eq!(EventName::try_from("a b"), Err(EventNameError));
        assert_eq!(EventVersion::try_from("v1.0".to_owned()).map(|v| v.to_string()), Ok("v1.0".to_owned()));
        assert_eq!(format!("{name:>5}|{version:<3}|"), "  a.b|v1 |");
    }

    #[test]
    fn serde_reads_and_writes_names_and_versions() {
        let read: (EventName, EventVersion) = serde_json::from_str(r#"["issue.created","1.0"]"#).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), r#"["issue.created","1.0"]"#);
        let error = serde_json::from_str::<EventName>(r#""a b""#).unwrap_err();
        assert!(error.to_string().starts_with("an event name is one to eight segments"), "{error}");
        assert!(serde_json::from_str::<EventVersion>("1").is_err());
    }

    #[test]
    fn a_map_of_names_is_looked_up_by_text() {
        let name = EventName::from_static("issue.created");
        let hashed = std::collections::HashMap::from([(name.clone(), 1)]);
        let sorted = std::collections::BTreeMap::from([(name, 2)]);
        assert_eq!((hashed.get("issue.created"), sorted.get("issue.created")), (Some(&1), Some(&2)));
    }

    #[test]
    fn the_spelling_is_kept() {
        assert_eq!("v1.0".parse::<EventVersion>().unwrap().to_string(), "v1.0");
    }
}
