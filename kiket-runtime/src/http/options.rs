//! The options of HTTP: limits, timeouts, and the prefix of the routes.

use std::time::Duration;

use super::own_routes::OwnRoutes;
use crate::types::{EventName, ListenAddress};

/// The limits and timeouts of HTTP, and the prefix of its routes.
#[derive(Clone)]
pub(crate) struct Options {
    /// Whether deliveries and own routes are served, besides the health checks.
    pub(crate) deliveries: bool,
    /// The prefix of all paths, like `/kiket`.
    pub(crate) prefix: String,
    pub(crate) own_routes: OwnRoutes,
    /// Paths below the prefix that are deliveries of an event, or of the one that the body names.
    pub(crate) endpoints: Vec<(String, Option<EventName>)>,
    /// The largest body, in bytes.
    pub(crate) body_limit: usize,
    /// How many bytes the bodies that are not verified may have in all.
    pub(crate) body_budget: usize,
    /// How long a body may take to arrive.
    pub(crate) body_timeout: Duration,
    /// How long the head of a request may take to arrive; zero is no timeout.
    pub(crate) head_timeout: Duration,
    /// The grace period of a graceful shutdown.
    pub(crate) grace_period: Duration,
    /// The threads that serve connections; one for each core unless set.
    pub(crate) workers: Option<usize>,
    /// Where metrics are served, if they are.
    pub(crate) metrics: Option<ListenAddress>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            deliveries: true,
            prefix: String::new(),
            own_routes: OwnRoutes::default(),
            endpoints: Vec::new(),
            body_limit: 1024 * 1024,
            body_budget: 64 * 1024 * 1024,
            body_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(5),
            grace_period: Duration::from_secs(25),
            workers: None,
            metrics: None,
        }
    }
}
