//! The runtime tokens for deliveries.

use std::collections::HashMap;

use serde_json::json;

use crate::token::TokenIssuer;

/// The tokens that were issued, and the key that signs them.
#[derive(Default)]
pub(super) struct Tokens {
    pub(super) issuer: TokenIssuer,
    /// Until when each may call, in Unix seconds.
    issued: HashMap<String, u64>,
    number: u64,
}

/// The number of the extension that tokens are for.
pub(super) const EXTENSION: &str = "1";
/// How long a token is valid, in seconds.
pub(super) const VALID: u64 = 300;

impl Tokens {
    pub(super) fn issue(&mut self, scopes: &[String], organization: &str, now: u64) -> String {
        self.issued.retain(|_, until| now < *until);
        self.number = self.number.wrapping_add(1);
        let expires = now.saturating_add(VALID);
        let id = format!("{}-{}", self.issuer.key_id(), self.number);
        let token = self.issuer.sign(&json!({
            "iss": "kiket.dev", "sub": "installation:1", "org_id": organization, "ext_id": EXTENSION, "scopes": scopes,
            "src": "webhook", "iat": now, "exp": expires, "jti": id,
        }));
        self.issued.insert(token.clone(), expires);
        token
    }

    /// Whether a call may be made with `token`.
    pub(super) fn admit(&self, token: &[u8], now: u64) -> bool {
        let issued = std::str::from_utf8(token).ok().and_then(|token| self.issued.get(token));
        issued.is_some_and(|until| now < *until)
    }
}
