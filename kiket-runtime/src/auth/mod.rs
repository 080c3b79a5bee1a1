//! Whether a request is from Kiket: signatures and runtime tokens.

mod admitted;
mod grant;
mod hmac;
pub mod signature;
mod token;

pub(crate) use self::{
    admitted::{Admitted, Token},
    grant::Grant,
    hmac::{MacKey, read_hex, read_time},
    signature::{Verified, Verifier},
    token::{TokenRefusal, TokenVerifier},
};
pub use self::{grant::Auth, token::TokenRules};
pub use crate::types::{Authentication, AuthenticationModeError, Scope, ScopeError};
