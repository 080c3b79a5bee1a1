//! The scopes of calls that a delivery makes with the tokens of the extension.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::tasks::Task;
use crate::client::{DeliveryScope, IdempotencyKeys, RuntimeToken};

/// The scope of the calls of a delivery with the tokens of the extension.
pub(super) struct AsWorkspace(pub(super) Arc<dyn DeliveryScope>);

impl DeliveryScope for AsWorkspace {
    fn version(&self) -> &str {
        self.0.version()
    }

    fn deadline(&self) -> Instant {
        self.0.deadline()
    }

    fn token(&self) -> RuntimeToken<'_> {
        RuntimeToken::None
    }

    fn keys(&self) -> &IdempotencyKeys {
        self.0.keys()
    }
}

/// The scope of the calls of a task that outlives its delivery.
pub(super) struct Detached {
    delivery: Arc<dyn DeliveryScope>,
    _task: Task,
}

impl Detached {
    pub(super) fn new(delivery: Arc<dyn DeliveryScope>, task: Task) -> Self {
        Self { delivery, _task: task }
    }
}

impl DeliveryScope for Detached {
    fn version(&self) -> &str {
        self.delivery.version()
    }

    /// Later than any call may take.
    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_secs(365 * 24 * 60 * 60)
    }

    /// The runtime token of the delivery is for the delivery.
    fn token(&self) -> RuntimeToken<'_> {
        RuntimeToken::None
    }

    fn keys(&self) -> &IdempotencyKeys {
        self.delivery.keys()
    }
}
