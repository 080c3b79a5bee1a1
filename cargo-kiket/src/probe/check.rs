//! What is checked, and how it turned out.

use serde::Serialize;

/// How a check turned out, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Pass,
    Undecided,
    Fail,
}

/// A check, and how it turned out.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Check {
    pub(super) id: &'static str,
    #[serde(rename = "result")]
    pub(super) outcome: Outcome,
    /// What the endpoint did.
    pub(super) found: String,
    /// Why it matters.
    pub(super) why: &'static str,
}

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Signed,
    Unsigned,
    ExactBytes,
    ParsedFirst,
    Tampered,
    Stale,
    Future,
    Timestamp,
    Duplicates,
    Form,
    Alike,
    OtherEvent,
    Oversize,
    Encoding,
    Method,
    SlowBody,
}

impl Kind {
    pub(super) fn is(self, outcome: Outcome, found: impl Into<String>) -> Check {
        let (id, why) = self.about();
        Check { id, outcome, found: found.into(), why }
    }

    /// The stable name, and why it matters.
    fn about(self) -> (&'static str, &'static str) {
        match self {
            Self::Signed => ("signed", "what Kiket signs must be accepted, or every event is lost"),
            Self::Unsigned => ("unsigned", "anyone who knows the address can send events"),
            Self::ExactBytes => (
                "exact-bytes",
                "a signature of anything but the received bytes refuses real deliveries, or accepts changed ones",
            ),
            Self::ParsedFirst => {
                ("parsed-first", "anyone can reach the parser, and learns what it does, without a signature")
            }
            Self::Tampered => ("tampered", "a proxy or a thief on the way can change an event"),
            Self::Stale => ("stale", "a recorded delivery can be sent again later"),
            Self::Future => {
                ("future", "a delivery that was signed ahead of time can be kept, and sent again until then")
            }
            Self::Timestamp => {
                ("timestamp", "one signature is valid for several texts: a body can be changed at its start")
            }
            Self::Duplicates => (
                "duplicates",
                "what checks one of two headers and what uses the other do not see the same delivery",
            ),
            Self::Form => ("form", "the more texts count as a signature, the easier one is guessed"),
            Self::Alike => ("alike", "the difference between refusals teaches how to get past them"),
            Self::OtherEvent => (
                "other-event",
                "the address is not signed: a delivery of one event can be sent to the handler of another",
            ),
            Self::Oversize => {
                ("oversize", "a few large bodies at once use up the memory, without a signature")
            }
            Self::Encoding => ("encoding", "a small compressed body can become a huge one"),
            Self::Method => ("method", "a link or an image in a page can send the request"),
            Self::SlowBody => ("slow-body", "a few connections that send nothing keep all others out"),
        }
    }
}
