//! What a runtime token grants: scopes, and the identities it was made for.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::types::allows;

/// The claims of the runtime token of a delivery: whom the delivery acts for, and what it may do. See
/// [`Context::auth`](crate::Context::auth). It is cheap to clone.
///
/// The token itself is not in here: it stays inside the client, which sends it with the calls of the delivery.
///
/// ```
/// use kiket_testing::context;
///
/// let context = context("issue.created", "v1").scopes(["issues:read"]).build();
/// let auth = context.auth().expect("it was given");
/// assert!(auth.is_verified() && auth.allows("issues.read") && !auth.allows("issues.write"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Auth {
    grant: Arc<Grant>,
    /// Beside the token in the body, not in the token.
    token_type: Option<Arc<str>>,
}

/// The claims of a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Whether its signature and its claims were checked.
    pub(crate) verified: bool,
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
        Self { grant: Arc::new(grant), token_type: None }
    }

    pub(crate) fn of_type(self, token_type: Option<String>) -> Self {
        Self { token_type: token_type.map(Arc::from), ..self }
    }

    pub(crate) fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Whether the token was checked, which the modes `token`, `both` and `either` do. Where it was not, this is what
    /// the signed body says beside the token, and it allows nothing.
    pub fn is_verified(&self) -> bool {
        self.grant.verified
    }

    /// The type of the token, like `runtime`.
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_deref()
    }

    /// When the token expires; whole seconds count.
    pub fn expires_at(&self) -> Option<SystemTime> {
        time(self.grant.expires_at)
    }

    /// When the token was made; whole seconds count.
    pub fn issued_at(&self) -> Option<SystemTime> {
        time(self.grant.issued_at)
    }

    /// The scopes, as Kiket wrote them.
    pub fn scopes(&self) -> &[String] {
        &self.grant.scopes
    }

    /// Whether `scope` is among the [scopes](Self::scopes), in any of its spellings, or `*` is; never unless the token
    /// [was verified](Self::is_verified).
    pub fn allows(&self, scope: &str) -> bool {
        self.grant.verified && allows(&self.grant.scopes, scope)
    }

    /// Whom the token was made for: `sub`, like `installation:1`.
    pub fn subject(&self) -> Option<&str> {
        self.grant.subject.as_deref()
    }

    /// The organisation: `org_id`, a number or a text, exactly as it is written.
    pub fn organization_id(&self) -> Option<&str> {
        self.grant.organization.as_deref()
    }

    /// The extension, by its number at Kiket: `ext_id`.
    pub fn extension_id(&self) -> Option<&str> {
        self.grant.extension.as_deref()
    }

    /// The project: `proj_id`.
    pub fn project_id(&self) -> Option<&str> {
        self.grant.project.as_deref()
    }

    /// What Kiket calls `pi_id`.
    pub fn pi_id(&self) -> Option<&str> {
        self.grant.pi.as_deref()
    }

    /// What made the token: `src`, like `webhook`.
    pub fn source(&self) -> Option<&str> {
        self.grant.source.as_deref()
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.grant, f)
    }
}

fn time(unix_seconds: Option<u64>) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(unix_seconds?))
}
