//! Authentication of deliveries: signatures and runtime tokens.

mod authentic;
mod grant;
mod hmac;
pub(crate) mod refusal;
pub mod signature;
mod token;

pub(crate) use self::{
    authentic::{Authentic, Token},
    grant::Grant,
    hmac::{MacKey, read_hex, read_time},
    signature::{Verified, Verifier},
    token::{TokenRefusal, TokenVerifier},
};
pub use self::{grant::Auth, token::TokenRules};
pub use crate::types::{Authentication, AuthenticationModeError, Scope, ScopeError};
