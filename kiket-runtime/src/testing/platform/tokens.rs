//! The runtime tokens that it gives to deliveries.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{
    Platform,
    answer::Answer,
    call::Call,
    fields::{self, Fields},
};
use crate::testing::token::TokenIssuer;

/// The tokens that were given, and the key that signs them.
#[derive(Default)]
pub(super) struct Tokens {
    issuer: TokenIssuer,
    /// Until when each may call, in Unix seconds.
    given: HashMap<String, u64>,
    number: u64,
}

/// How long a token is valid, in seconds.
const VALID: u64 = 300;

impl Tokens {
    /// Gives a token with the scopes that a body names.
    pub(super) fn order(&mut self, call: &Call, organization: &str, now: u64) -> Result<Answer, Answer> {
        let mut body = fields::object(call)?;
        Fields::of(&body).maybe_texts("scopes").only(&["scopes"]).finish()?;
        let scopes: Option<Vec<String>> =
            body.remove("scopes").and_then(|scopes| serde_json::from_value(scopes).ok());
        let token = self.give(&scopes.unwrap_or_default(), organization, now);
        Ok(Answer::json(201, &json!({ "runtime_token": token, "expires_in": VALID })))
    }

    fn give(&mut self, scopes: &[String], organization: &str, now: u64) -> String {
        self.given.retain(|_, until| now < *until);
        self.number = self.number.wrapping_add(1);
        let expires = now.saturating_add(VALID);
        let token = self.issuer.sign(&json!({
            "iss": "kiket.dev",
            "sub": "installation:1",
            "org_id": organization,
            "ext_id": 1,
            "scopes": scopes,
            "src": "webhook",
            "iat": now,
            "exp": expires,
            "jti": format!("{}-{}", self.issuer.key_id(), self.number),
        }));
        self.given.insert(token.clone(), expires);
        token
    }

    /// Whether a call may be made with `token`.
    pub(super) fn admit(&self, token: &[u8], now: u64) -> bool {
        let given = std::str::from_utf8(token).ok().and_then(|token| self.given.get(token));
        given.is_some_and(|until| now < *until)
    }

    /// The keys that tokens can be verified with.
    pub(super) fn keys(&self) -> Answer {
        Answer::json(200, &self.issuer.jwks())
    }
}

impl Platform {
    /// A runtime token with these scopes, for a delivery: it is valid for 300 s of the platform's clock, which has to be
    /// the extension's too, and opens the platform like the workspace token. Its key is published at
    /// `/.well-known/jwks.json`.
    ///
    /// ```
    /// use kiket_runtime::{Authentication, Clock, Context, Extension, testing::{Platform, TestExtension, delivery}};
    /// use serde_json::json;
    ///
    /// async fn on_issue_created(context: Context) -> kiket_runtime::Result<()> {
    ///     context.require_scopes(["issues:read"])
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), kiket_runtime::StartupError> {
    /// let platform = Platform::builder().clock(Clock::fixed(1_700_000_000)).start()?;
    /// let builder = platform.extension(Extension::builder()).authentication(Authentication::Both);
    /// let builder = builder.on("issue.created", "v1", on_issue_created);
    /// let extension = TestExtension::new(builder)?;
    /// let delivery = delivery("issue.created", "v1", &json!({ "id": "evt_1" }));
    /// let delivery = delivery.runtime_token(platform.runtime_token(["issues:read"]));
    /// assert_eq!(platform.deliver(&extension, delivery).await.status, Some(200));
    /// # Ok(())
    /// # }
    /// ```
    pub fn runtime_token<S: Into<String>>(&self, scopes: impl IntoIterator<Item = S>) -> String {
        let scopes: Vec<_> = scopes.into_iter().map(Into::into).collect();
        let now = self.clock().unix_seconds();
        self.shared.state().tokens.give(&scopes, self.organization_id(), now)
    }

    /// The keys that its runtime tokens can be verified with, as it publishes them.
    pub fn jwks(&self) -> Value {
        self.shared.state().tokens.issuer.jwks()
    }
}
