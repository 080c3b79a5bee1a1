//! The runtime tokens for deliveries.

use std::collections::HashMap;

use serde_json::json;

use super::{
    fields::{Rule::MaybeTexts, check},
    request::Request,
    response::{Outcome, Response},
    state::State,
};
use crate::testing::TokenIssuer;

/// The tokens that were issued, and the key that signs them.
#[derive(Default)]
pub(super) struct Tokens {
    pub(super) issuer: TokenIssuer,
    /// Until when each may call, in Unix seconds.
    issued: HashMap<String, u64>,
    number: u64,
}

/// How long a token is valid, in seconds.
const VALID: u64 = 300;

impl Tokens {
    pub(super) fn issue(&mut self, scopes: &[String], organization: &str, now: u64) -> String {
        self.issued.retain(|_, until| now < *until);
        self.number = self.number.wrapping_add(1);
        let expires = now.saturating_add(VALID);
        let id = format!("{}-{}", self.issuer.key_id(), self.number);
        let token = self.issuer.sign(&json!({
            "iss": "kiket.dev", "sub": "installation:1", "org_id": organization, "ext_id": 1, "scopes": scopes,
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

/// Issues a token with the scopes that the body names.
pub(super) fn order(state: &mut State, request: &Request<'_>) -> Outcome {
    let mut body = request.object()?;
    check(&body, &[("scopes", MaybeTexts)])?;
    let scopes = body.remove("scopes").and_then(|scopes| serde_json::from_value::<Vec<_>>(scopes).ok());
    if !body.is_empty() {
        return Err(Response::invalid(&[("body", "has unknown members")]));
    }
    let token = state.tokens.issue(&scopes.unwrap_or_default(), request.organization, request.now);
    Ok(Response::json(201, &json!({ "runtime_token": token, "expires_in": VALID })))
}
