//! Runtime tokens as Kiket makes them, signed with keys of the test.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};

/// Signs runtime tokens (ES256) with a key of its own, whose public half it publishes as a JWKS.
///
/// ```
/// use kiket_runtime::{Authentication, Clock, Context, Extension, Reply, TokenRules};
/// use kiket_testing::{TestExtension, TokenIssuer, delivery};
/// use serde_json::json;
///
/// async fn on_issue_created(context: Context) -> kiket_runtime::Result<Reply> {
///     context.require_scopes(["issues:read"])?;
///     Ok(Reply::ok())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), kiket_runtime::StartupError> {
/// const NOW: u64 = 1_768_690_000;
/// let issuer = TokenIssuer::new();
/// let builder = Extension::builder()
///     .authentication(Authentication::Token)
///     .token_rules(TokenRules::new().extension_number(7).keys(issuer.jwks().to_string()))
///     .clock(Clock::fixed(NOW))
///     .without_manifest()
///     .on("issue.created", "v1", on_issue_created);
/// let extension = TestExtension::new(builder)?;
///
/// let token = issuer.sign(&json!({
///     "iss": "kiket.dev", "ext_id": 7, "jti": "j-1", "iat": NOW, "exp": NOW + 300, "scopes": ["issues.read"],
/// }));
/// let delivery = delivery("issue.created", "v1", &json!({ "issue": { "id": 1 } })).runtime_token(token);
/// assert_eq!(extension.deliver(delivery).await.status(), 200);
/// # Ok(())
/// # }
/// ```
pub struct TokenIssuer {
    key: EcdsaKeyPair,
    id: Option<String>,
    random: SystemRandom,
}

impl TokenIssuer {
    /// An issuer with a new key, which has a name.
    ///
    /// # Panics
    ///
    /// When this machine has no random numbers.
    pub fn new() -> Self {
        Self { id: Some(format!("test-{:016x}", fastrand::u64(..))), ..Self::nameless() }
    }

    /// An issuer with a new key that has no name: its tokens have no `kid`.
    ///
    /// # Panics
    ///
    /// When this machine has no random numbers.
    pub fn nameless() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random)
            .ok()
            .and_then(|pkcs8| EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).ok());
        Self { key: key.unwrap_or_else(|| panic!("a key needs random numbers")), id: None, random }
    }

    /// The name of the key; empty where it has none.
    pub fn key_id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    /// The public half, as `/.well-known/jwks.json` publishes it.
    pub fn jwks(&self) -> Value {
        // Uncompressed: a byte that says so, and the coordinates.
        let point = self.key.public_key().as_ref();
        let (x, y) = point.get(1..).unwrap_or_default().split_at(32);
        let mut key = json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "x": encode(x), "y": encode(y) });
        if let Some(id) = &self.id {
            key["kid"] = id.as_str().into();
        }
        json!({ "keys": [key] })
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        let mut header = json!({ "alg": "ES256", "typ": "JWT" });
        if let Some(id) = &self.id {
            header["kid"] = id.as_str().into();
        }
        self.sign_bytes(&header, claims.to_string().as_bytes())
    }

    /// Signs any header and any payload, to see that they are refused.
    ///
    /// # Panics
    ///
    /// When this machine has no random numbers.
    pub fn sign_bytes(&self, header: &Value, payload: &[u8]) -> String {
        let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(payload));
        let signature = self.key.sign(&self.random, signed.as_bytes());
        let signature = signature.unwrap_or_else(|_| panic!("a signature needs random numbers"));
        format!("{signed}.{}", encode(signature.as_ref()))
    }
}

impl Default for TokenIssuer {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenIssuer").field("id", &self.id).finish_non_exhaustive()
    }
}

fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}
