//! Why a signature is refused: the reason of the runtime, and which of the known mistakes explains it.
//!
//! A pure function of what is known: [`diagnose`]. It compares with MACs that it makes, and shows none.

mod evidence;
mod mistake;
mod received;
mod spelling;
mod tried;

use kiket_runtime::signature::{SIGNATURE_HEADER, SignatureError, TIMESTAMP_HEADER, Verifier};
use serde::Serialize;

pub(crate) use self::{evidence::Evidence, mistake::Cause};
use self::{received::Received, tried::Trials};

/// The verdict, as the runtime has it, and its causes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Verdict {
    /// Whether the runtime accepts the signature.
    pub(crate) accepted: bool,
    /// The stable name of the runtime's reason for refusing it.
    pub(crate) reason: Option<&'static str>,
    /// That reason as a sentence.
    pub(crate) text: Option<String>,
    /// The position of the secret that made the signature; 0 is the current one.
    pub(crate) secret: Option<usize>,
    /// How old the timestamp is, in seconds; negative if it is ahead.
    pub(crate) age: Option<i64>,
    /// The mistakes that together explain the refusal.
    pub(crate) causes: Vec<Cause>,
    /// Whether the signature is explained: some secret, text and form make it. Otherwise the causes are those that can be
    /// seen without it.
    pub(crate) explained: bool,
    /// Whether every known mistake was tried; of very large bodies, only the most likely ones are.
    pub(crate) exhaustive: bool,
}

/// Judges a delivery as the runtime does, and looks for the causes of a refusal.
pub(crate) fn diagnose(evidence: Evidence<'_>) -> Verdict {
    let judged = Verifier::new(evidence.live)
        .map_err(|_| SignatureError::NoSecret)
        .and_then(|verifier| verifier.verify(evidence.headers, evidence.body, evidence.now));
    let received = Received::read(evidence.headers, evidence.now);
    let age = received.age;
    match judged {
        Ok(verified) => Verdict {
            accepted: true,
            reason: None,
            text: None,
            secret: Some(verified.secret()),
            age,
            causes: Vec::new(),
            explained: true,
            exhaustive: true,
        },
        Err(reason) => {
            let mut trials = Trials::new(&evidence, &received);
            let fitting = trials.run();
            let explained = fitting.is_some();
            let mut causes = obvious(reason, &evidence, &received, explained);
            causes.extend(fitting.unwrap_or_default());
            causes.dedup_by_key(|cause| cause.id);
            Verdict {
                accepted: false,
                reason: Some(reason.code()),
                text: Some(reason.to_string()),
                secret: None,
                age,
                causes,
                explained,
                exhaustive: trials.is_exhaustive(),
            }
        }
    }
}

/// The causes that can be seen without a secret. That of the form of a signature is left to what fits it.
fn obvious(
    reason: SignatureError,
    evidence: &Evidence<'_>,
    received: &Received<'_>,
    explained: bool,
) -> Vec<Cause> {
    let absent = |name: &'static str, shown: &'static str| {
        let similar = evidence.headers.iter().map(|(found, _)| found).find(|found| is_similar(found, name));
        similar.map_or_else(|| mistake::missing(shown), |found| mistake::renamed(found, shown))
    };
    let cause = match reason {
        SignatureError::TimestampMissing => absent(TIMESTAMP_HEADER, "X-Kiket-Timestamp"),
        SignatureError::SignatureMissing => absent(SIGNATURE_HEADER, "X-Kiket-Signature"),
        SignatureError::TimestampRepeated => mistake::repeated("X-Kiket-Timestamp"),
        SignatureError::SignatureRepeated => mistake::repeated("X-Kiket-Signature"),
        SignatureError::TimestampMalformed | SignatureError::TimestampOutsideWindow => received.time_cause(),
        SignatureError::SignatureMalformed if !explained => received.form_cause(),
        _ => return Vec::new(),
    };
    vec![cause]
}

/// Whether `found` is a header for what `name` is for.
fn is_similar(found: &str, name: &str) -> bool {
    let last = if name == SIGNATURE_HEADER { "signature" } else { "timestamp" };
    found.to_ascii_lowercase().contains(last)
}

#[cfg(test)]
mod tests;
