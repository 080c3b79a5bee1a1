//! The reasons why a signature is refused.

use super::reason::reasons;

reasons! {
    /// The reason why a signature is refused, for logs and metrics and not for the sender.
    #[non_exhaustive]
    pub enum SignatureError {
        /// `X-Kiket-Timestamp` is missing.
        TimestampMissing: "timestamp_missing", "the header `X-Kiket-Timestamp` is missing";
        /// `X-Kiket-Timestamp` is present more than once.
        TimestampRepeated: "timestamp_repeated", "the header `X-Kiket-Timestamp` is present more than once";
        /// The timestamp is not Unix seconds in plain digits.
        TimestampMalformed: "timestamp_malformed",
            "the header `X-Kiket-Timestamp` is not Unix seconds in plain digits";
        /// The timestamp is more than [`TOLERANCE_SECONDS`](crate::signature::TOLERANCE_SECONDS) from now.
        TimestampOutsideWindow: "timestamp_outside_window",
            "the header `X-Kiket-Timestamp` is more than 300 s from now: check both clocks";
        /// `X-Kiket-Signature` is missing.
        SignatureMissing: "signature_missing", "the header `X-Kiket-Signature` is missing";
        /// `X-Kiket-Signature` is present more than once.
        SignatureRepeated: "signature_repeated", "the header `X-Kiket-Signature` is present more than once";
        /// The signature is not 64 hex digits.
        SignatureMalformed: "signature_malformed",
            "the header `X-Kiket-Signature` is not 64 hex digits, optionally behind `sha256=`";
        /// No live secret makes this signature of the timestamp and the body.
        SignatureMismatch: "signature_mismatch",
            "no live secret makes this signature: check that Kiket and the extension have the same secret, and that nothing changes bodies on their way";
        /// There is no valid secret.
        NoSecret: "no_secret", "there is no usable secret";
    }
}
