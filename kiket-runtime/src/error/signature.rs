//! The reasons why a signature is refused.

/// The reason why a signature is refused, for logs and metrics and not for the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// `X-Kiket-Timestamp` is missing.
    #[error("the header `X-Kiket-Timestamp` is missing")]
    TimestampMissing,
    /// `X-Kiket-Timestamp` is present more than once.
    #[error("the header `X-Kiket-Timestamp` is present more than once")]
    TimestampRepeated,
    /// The timestamp is not Unix seconds in plain digits.
    #[error("the header `X-Kiket-Timestamp` is not Unix seconds in plain digits")]
    TimestampMalformed,
    /// The timestamp is more than [`TOLERANCE_SECONDS`](crate::signature::TOLERANCE_SECONDS) from now.
    #[error("the header `X-Kiket-Timestamp` is more than 300 s from now: check both clocks")]
    TimestampOutsideWindow,
    /// `X-Kiket-Signature` is missing.
    #[error("the header `X-Kiket-Signature` is missing")]
    SignatureMissing,
    /// `X-Kiket-Signature` is present more than once.
    #[error("the header `X-Kiket-Signature` is present more than once")]
    SignatureRepeated,
    /// The signature is not 64 hex digits.
    #[error("the header `X-Kiket-Signature` is not 64 hex digits, optionally behind `sha256=`")]
    SignatureMalformed,
    /// No live secret makes this signature of the timestamp and the body.
    #[error(
        "no live secret makes this signature: check that Kiket and the extension have the same secret, and that nothing changes bodies on their way"
    )]
    SignatureMismatch,
    /// There is no valid secret.
    #[error("there is no usable secret")]
    NoSecret,
}

impl SignatureError {
    /// All reasons, in their order.
    #[rustfmt::skip]
    pub(crate) const ALL: [Self; 9] = [
        Self::TimestampMissing, Self::TimestampRepeated, Self::TimestampMalformed, Self::TimestampOutsideWindow,
        Self::SignatureMissing, Self::SignatureRepeated, Self::SignatureMalformed, Self::SignatureMismatch,
        Self::NoSecret,
    ];

    /// The stable name of the reason, for logs and metrics.
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
