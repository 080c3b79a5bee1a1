//! The scope of calls: delivery, base URL, version, idempotency key.

use std::sync::Arc;

use tokio::time::Instant;

use super::idempotency::IdempotencyKeys;
use crate::types::{BaseUrl, Secret};

/// The settings that all calls of a client's view share.
#[derive(Clone, Default)]
pub(super) struct CallScope {
    pub(super) delivery: Option<Arc<dyn DeliveryScope>>,
    /// The base URL that the delivery names, if tokens may go there.
    pub(super) base_url: Option<BaseUrl>,
    /// The caller's event version.
    pub(super) version: Option<String>,
    /// The caller's idempotency key.
    pub(super) idempotency_key: Option<String>,
}

/// The delivery that calls are made for, as the client sees it.
pub(crate) trait DeliveryScope: Send + Sync {
    /// The event version that every call carries.
    fn version(&self) -> &str;

    /// The deadline of every call.
    fn deadline(&self) -> Instant;

    /// The runtime token, which replaces the workspace token.
    fn token(&self) -> RuntimeToken<'_>;

    /// The idempotency keys of its calls. Most deliveries need none.
    fn keys(&self) -> &IdempotencyKeys;
}

/// The runtime token that calls are made with.
#[derive(Clone, Copy)]
pub(crate) enum RuntimeToken<'t> {
    /// The calls have the tokens of the extension.
    None,
    /// It was verified.
    Valid(&'t Secret),
    /// The delivery had one, which is not there or not valid any more, and why. No other token takes its place.
    Gone(&'static str),
}

impl<'t> RuntimeToken<'t> {
    /// The token, if calls can be made with it.
    pub(super) fn valid(self) -> Option<&'t Secret> {
        if let Self::Valid(token) = self { Some(token) } else { None }
    }
}

impl CallScope {
    /// The event version of the calls: the caller's, else that of the delivery.
    pub(super) fn version(&self) -> Option<&str> {
        self.version.as_deref().or_else(|| self.delivery.as_ref().map(|delivery| delivery.version()))
    }

    /// The runtime token of the delivery.
    pub(super) fn runtime_token(&self) -> RuntimeToken<'_> {
        self.delivery.as_ref().map_or(RuntimeToken::None, |delivery| delivery.token())
    }
}
