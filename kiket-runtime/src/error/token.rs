//! The reasons why a runtime token is refused.

/// The reason why a runtime token is refused, for logs and metrics and not for the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the body has no `authentication.runtime_token`")]
    Missing,
    #[error("it is no JWT: three parts of base64url, a JSON object in the first two, 64 bytes in the last")]
    Malformed,
    #[error("its algorithm is not ES256")]
    WrongAlgorithm,
    #[error("its key is not among Kiket's")]
    UnknownKey,
    #[error("its signature does not match")]
    SignatureMismatch,
    #[error("a claim is missing or of a wrong type")]
    WrongClaims,
    #[error("its issuer is another one")]
    WrongIssuer,
    #[error("it has expired")]
    Expired,
    #[error("it is not valid yet: check both clocks")]
    NotYetValid,
    #[error("it is for another audience")]
    WrongAudience,
    #[error("it is for another extension")]
    WrongExtension,
    #[error("it was used for another delivery")]
    Reused,
}

impl TokenError {
    /// All reasons, in their order.
    #[rustfmt::skip]
    pub(crate) const ALL: [Self; 12] = [
        Self::Missing, Self::Malformed, Self::WrongAlgorithm, Self::UnknownKey, Self::SignatureMismatch,
        Self::WrongClaims, Self::WrongIssuer, Self::Expired, Self::NotYetValid, Self::WrongAudience,
        Self::WrongExtension, Self::Reused,
    ];

    /// The stable name of the reason.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Malformed => "token_malformed",
            Self::WrongAlgorithm => "token_algorithm",
            Self::UnknownKey => "token_unknown_key",
            Self::SignatureMismatch => "token_signature_mismatch",
            Self::WrongClaims => "token_claims",
            Self::WrongIssuer => "token_issuer",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::WrongAudience => "token_audience",
            Self::WrongExtension => "token_extension",
            Self::Reused => "token_reused",
        }
    }
}
