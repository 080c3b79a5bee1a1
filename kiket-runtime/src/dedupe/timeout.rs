//! The timeout of a store's operations.

use std::time::Duration;

/// The timeout of an operation, with its retries.
pub(crate) const OPERATION: Duration = Duration::from_secs(3);
