//! What a delivery is allowed to do, and for whom.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::scope::allows;

/// Whom a delivery acts for and what it may do, as its runtime token says it: see
/// [`Context::auth`](crate::Context::auth). Its clones are the same.
///
/// The token itself is not in here: it stays inside the client, which sends it with the calls of the delivery.
///
/// ```
/// use kiket_runtime::testing;
///
/// let context = testing::context("issue.created", "v1").scopes(["issues:read"]).build();
/// let auth = context.auth().expect("it was given");
/// assert!(auth.is_verified() && auth.allows("issues.read") && !auth.allows("issues.write"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Auth(Arc<Grant>);

/// What is known of a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Whether its signature and its claims were checked.
    pub(crate) verified: bool,
    pub(crate) token_type: Option<String>,
    /// Unix seconds.
    pub(crate) expires_at: Option<u64>,
    /// Unix seconds.
    pub(crate) issued_at: Option<u64>,
    pub(crate) scopes: Vec<String>,
    pub(crate) subject: Option<String>,
    pub(crate) organization: Option<String>,
    pub(crate) extension: Option<String>,
    pub(crate) project: Option<String>,
    pub(crate) pi: Option<String>,
    pub(crate) source: Option<String>,
    /// What tells this token from every other one.
    pub(crate) id: Option<String>,
}

impl Auth {
    pub(crate) fn new(grant: Grant) -> Self {
        Self(Arc::new(grant))
    }

    pub(crate) fn grant(&self) -> &Grant {
        &self.0
    }

    /// Whether the token was checked, which the modes `token`, `both` and `either` do. Where it was not, this is what
    /// the signed body says beside the token, and it allows nothing.
    pub fn is_verified(&self) -> bool {
        self.0.verified
    }

    /// The type of the token, like `runtime`.
    pub fn token_type(&self) -> Option<&str> {
        self.0.token_type.as_deref()
    }

    /// When the token expires; whole seconds count.
    pub fn expires_at(&self) -> Option<SystemTime> {
        time(self.0.expires_at)
    }

    /// When the token was made; whole seconds count.
    pub fn issued_at(&self) -> Option<SystemTime> {
        time(self.0.issued_at)
    }

    /// The scopes, as Kiket wrote them.
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// Whether `scope` is among the [scopes](Self::scopes), in any of its spellings, or `*` is; never unless the token
    /// [was verified](Self::is_verified).
    pub fn allows(&self, scope: &str) -> bool {
        self.0.verified && allows(&self.0.scopes, scope)
    }

    /// Whom the token was made for: `sub`, like `installation:1`.
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// The organisation: `org_id`, a number or a text, exactly as it is written.
    pub fn organization_id(&self) -> Option<&str> {
        self.0.organization.as_deref()
    }

    /// The extension, by its number at Kiket: `ext_id`.
    pub fn extension_id(&self) -> Option<&str> {
        self.0.extension.as_deref()
    }

    /// The project: `proj_id`.
    pub fn project_id(&self) -> Option<&str> {
        self.0.project.as_deref()
    }

    /// What Kiket calls `pi_id`.
    pub fn pi_id(&self) -> Option<&str> {
        self.0.pi.as_deref()
    }

    /// What made the token: `src`, like `webhook`.
    pub fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

fn time(unix_seconds: Option<u64>) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(unix_seconds?))
}
