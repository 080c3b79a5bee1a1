//! The reasons why a runtime token is refused.

use super::reason::reasons;

reasons! {
    /// The reason why a runtime token is refused, for logs and metrics and not for the sender.
    pub(crate) enum TokenError {
        Missing: "token_missing", "the body has no `authentication.runtime_token`";
        Malformed: "token_malformed",
            "it is no JWT: three parts of base64url, a JSON object in the first two, 64 bytes in the last";
        WrongAlgorithm: "token_algorithm", "its algorithm is not ES256";
        UnknownKey: "token_unknown_key", "its key is not among Kiket's";
        SignatureMismatch: "token_signature_mismatch", "its signature does not match";
        WrongClaims: "token_claims", "a claim is missing or of a wrong type";
        WrongIssuer: "token_issuer", "its issuer is another one";
        Expired: "token_expired", "it has expired";
        NotYetValid: "token_not_yet_valid", "it is not valid yet: check both clocks";
        WrongAudience: "token_audience", "it is for another audience";
        WrongExtension: "token_extension", "it is for another extension";
        Reused: "token_reused", "it was used for another delivery";
    }
}
