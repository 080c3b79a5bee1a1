//! Routes: handlers as deliveries find them.

use std::{sync::Arc, time::Duration};

use crate::{
    delivery::HandlerKey,
    handler::{declaration::Handler, middleware::Middleware},
    metrics::Handled,
    types::Timeout,
};

/// A handler as deliveries find it.
pub(crate) struct Route {
    pub(crate) key: Arc<HandlerKey>,
    /// Its own, or that of the extension.
    pub(crate) timeout: Duration,
    pub(crate) handler: Handler,
    /// Counts its deliveries, where there are metrics.
    pub(crate) metrics: Option<Box<Handled>>,
}

impl Route {
    /// The route of a handler; `middleware` and `timeout` are those of the extension.
    pub(super) fn new(
        key: HandlerKey,
        mut handler: Handler,
        middleware: &[Arc<dyn Middleware>],
        timeout: &impl Fn(&HandlerKey) -> Duration,
    ) -> Self {
        handler.middleware.splice(..0, middleware.iter().cloned());
        #[cfg(feature = "inbox")]
        {
            handler.dedupe &= handler.later.is_none(); // the inbox knows what it accepted before
        }
        let timeout = Timeout::from(handler.timeout.unwrap_or_else(|| timeout(&key))).duration();
        Self { key: Arc::new(key), timeout, handler, metrics: None }
    }
}
