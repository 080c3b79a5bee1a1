//! The scope of calls that a delivery, or work that outlives it, makes with the tokens of the extension.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::tasks::Task;
use crate::client::{DeliveryScope, IdempotencyKeys, RuntimeToken};

/// The scope of calls with the tokens of the extension: the runtime token of a delivery is for its handler.
pub(super) struct AsWorkspace {
    pub(super) delivery: Arc<dyn DeliveryScope>,
    /// The task that makes the calls, if it outlives the delivery.
    pub(super) task: Option<Task>,
}

impl DeliveryScope for AsWorkspace {
    fn version(&self) -> &str {
        self.delivery.version()
    }

    fn deadline(&self) -> Instant {
        match self.task {
            // Later than any call may take.
            Some(_) => Instant::now() + Duration::from_secs(365 * 24 * 60 * 60),
            None => self.delivery.deadline(),
        }
    }

    fn token(&self) -> RuntimeToken<'_> {
        RuntimeToken::None
    }

    fn keys(&self) -> &IdempotencyKeys {
        self.delivery.keys()
    }
}
