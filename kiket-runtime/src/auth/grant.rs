//! What a runtime token grants: scopes, and the identities it was made for.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::types::allows;

/// The claims of the runtime token of a delivery: its identities and its scopes. See
/// [`Context::auth`](crate::Context::auth). It is cheap to clone.
///
/// The token itself is not part of it: the client holds it, and sends it with the calls of the delivery.
///
/// ```
/// use kiket_testing::context;
///
/// let context = context("issue.created", "v1").scopes(["issues:read"]).build();
/// let auth = context.auth().expect("it was given");
/// assert!(auth.is_verified() && auth.allows("issues.read") && !auth.allows("issues.write"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    grant: Arc<Grant>,
    /// From the body, beside the token.
    token_type: Option<Arc<str>>,
}

/// The claims of a token.
#[cfg_attr(feature = "inbox", derive(serde::Deserialize, serde::Serialize))]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Whether the signature and the claims were verified.
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
    /// The unique id of the token.
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

    /// Whether the token was verified, as in the modes `token`, `both` and `either`. Otherwise these are the values that the
    /// signed body has beside the token, and they allow nothing.
    pub fn is_verified(&self) -> bool {
        self.grant.verified
    }

    /// The type of the token, like `runtime`.
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_deref()
    }

    /// The expiry of the token, in whole seconds.
    pub fn expires_at(&self) -> Option<SystemTime> {
        time(self.grant.expires_at)
    }

    /// The time at which the token was issued, in whole seconds.
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

    /// The subject: `sub`, like `installation:1`.
    pub fn subject(&self) -> Option<&str> {
        self.grant.subject.as_deref()
    }

    /// The organization: `org_id`, a number or a text, exactly as it is written.
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

    /// The claim `pi_id`.
    pub fn pi_id(&self) -> Option<&str> {
        self.grant.pi.as_deref()
    }

    /// The source of the token: `src`, like `webhook`.
    pub fn source(&self) -> Option<&str> {
        self.grant.source.as_deref()
    }
}

fn time(unix_seconds: Option<u64>) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(unix_seconds?))
}
