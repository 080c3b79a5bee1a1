//! Whether a request is from Kiket: signatures and runtime tokens.

mod grant;
pub(crate) mod hmac;
pub mod signature;
pub(crate) mod token;

pub use self::{
    grant::Auth,
    token::{Authentication, TokenRules, UnknownAuthentication},
};
pub(crate) use self::{
    grant::Grant,
    hmac::{MacKey, read_hex, read_time},
    signature::{
        SIGNATURE_HEADER, SignatureError, TIMESTAMP_HEADER, UnusableSecret, Verified, Verifier, sign,
    },
    token::{TokenError, TokenRefusal, TokenVerifier},
};
