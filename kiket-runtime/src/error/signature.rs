//! Why a signature is refused.

/// Why a signature is refused: for the log and the counters, never for the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// There is no `X-Kiket-Timestamp`.
    #[error("the header `X-Kiket-Timestamp` is missing")]
    TimestampMissing,
    /// There are several `X-Kiket-Timestamp`.
    #[error("the header `X-Kiket-Timestamp` is there more than once")]
    TimestampRepeated,
    /// The timestamp is not a number in its one spelling.
    #[error("the header `X-Kiket-Timestamp` is not Unix seconds in plain digits")]
    TimestampMalformed,
    /// The timestamp is more than [`TOLERANCE_SECONDS`](crate::signature::TOLERANCE_SECONDS) from now.
    #[error("the header `X-Kiket-Timestamp` is more than 300 s from now: check both clocks")]
    TimestampOutsideWindow,
    /// There is no `X-Kiket-Signature`.
    #[error("the header `X-Kiket-Signature` is missing")]
    SignatureMissing,
    /// There are several `X-Kiket-Signature`.
    #[error("the header `X-Kiket-Signature` is there more than once")]
    SignatureRepeated,
    /// The signature is not 64 hex digits.
    #[error("the header `X-Kiket-Signature` is not 64 hex digits, optionally behind `sha256=`")]
    SignatureMalformed,
    /// No live secret makes this signature of this time and body.
    #[error(
        "no live secret makes this signature: check that Kiket and the extension have the same secret, and that nothing changes bodies on their way"
    )]
    SignatureMismatch,
    /// There is no usable secret to check with.
    #[error("there is no usable secret")]
    NoSecret,
}

impl SignatureError {
    /// All causes, in their order.
    pub(crate) const ALL: [Self; 9] = [
        Self::TimestampMissing,
        Self::TimestampRepeated,
        Self::TimestampMalformed,
        Self::TimestampOutsideWindow,
        Self::SignatureMissing,
        Self::SignatureRepeated,
        Self::SignatureMalformed,
        Self::SignatureMismatch,
        Self::NoSecret,
    ];

    /// A stable name of the cause, as it stands in the log.
    pub fn code(self) -> &'static str {
        match self {
            Self::TimestampMissing => "timestamp_missing",
            Self::TimestampRepeated => "timestamp_repeated",
            Self::TimestampMalformed => "timestamp_malformed",
            Self::TimestampOutsideWindow => "timestamp_outside_window",
            Self::SignatureMissing => "signature_missing",
            Self::SignatureRepeated => "signature_repeated",
            Self::SignatureMalformed => "signature_malformed",
            Self::SignatureMismatch => "signature_mismatch",
            Self::NoSecret => "no_secret",
        }
    }
}
