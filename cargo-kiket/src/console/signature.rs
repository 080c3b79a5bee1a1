//! The signature of a delivery: whether it holds, and if not, why. The MAC itself is neither kept nor shown.

use bytes::Bytes;
use kiket_runtime::{Headers, Secret, signature::Verifier};
use serde::Serialize;

use crate::diagnosis::{Evidence, Verdict, diagnose};

/// What is known of the signature of a delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum Signature {
    /// No secret is known here, only a part of the body is, or the extension did not say, because it was not there or refused the
    /// delivery before.
    #[default]
    Unknown,
    /// It holds.
    Accepted {
        /// The position of the secret that made it; 0 is the current one.
        secret: usize,
        /// How old it was, in seconds.
        age: i64,
    },
    /// It does not hold, and the extension took the delivery all the same, by its runtime token.
    NotNeeded,
    /// It was refused, and the known mistakes are being tried.
    Examined,
    /// It was refused.
    Refused {
        /// Why.
        verdict: Verdict,
    },
    /// It was refused, and not examined.
    Unexamined {
        /// Why not.
        why: &'static str,
    },
}

/// The secrets that signatures are judged with.
#[derive(Clone, Default)]
#[allow(missing_debug_implementations)] // it has secrets
pub(crate) struct Judge {
    pub(crate) live: Vec<Secret>,
    pub(crate) retired: Vec<Secret>,
}

/// What is kept of a delivery until it has been judged.
pub(crate) struct Signed {
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
    /// When it arrived, in Unix seconds.
    pub(crate) now: u64,
}

impl Judge {
    /// The signature, if it holds.
    pub(crate) fn accepted(&self, signed: &Signed) -> Option<Signature> {
        let verified =
            Verifier::new(&self.live).ok()?.verify(&signed.headers, &signed.body, signed.now).ok()?;
        let age = signed.now.cast_signed().saturating_sub(verified.timestamp().cast_signed());
        Some(Signature::Accepted { secret: verified.secret(), age })
    }

    /// Tries the known mistakes. Takes up to a few seconds of a large body.
    pub(crate) fn examine(&self, Signed { headers, body, now }: &Signed) -> Signature {
        let evidence = Evidence {
            headers,
            body,
            now: *now,
            live: &self.live,
            retired: &self.retired,
            other_bodies: &[],
        };
        Signature::Refused { verdict: diagnose(evidence) }
    }
}
