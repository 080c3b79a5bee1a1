//! What the attribute leaves in the program.

use std::panic::Location;

use crate::{
    delivery::Delivery,
    error::Result,
    handler::{extract::Requirements, function::HandlerFuture, middleware::Middleware},
    types::{EventName, EventVersion, Scope, Timeout},
};

/// What the attribute writes into the list of all handlers of a program.
///
/// Only expansions of `#[kiket::webhook]` make one; by hand, use [`Handler`](crate::Handler).
#[derive(Clone)]
pub struct Registration {
    pub(crate) event: EventName,
    pub(crate) version: EventVersion,
    /// The path of the function.
    pub(crate) function: &'static str,
    /// Where it is annotated.
    pub(crate) place: &'static Location<'static>,
    pub(crate) requirements: fn(&mut Requirements),
    pub(crate) call: for<'d> fn(&'d Delivery) -> Result<HandlerFuture<'d>>,
    pub(crate) timeout: Option<Timeout>,
    pub(crate) scopes: &'static [Scope],
    pub(crate) dedupe: bool,
    pub(crate) middleware: &'static [&'static dyn Middleware],
}

inventory::collect!(Registration);

impl Registration {
    /// A registration at the caller's place.
    #[track_caller]
    #[must_use]
    pub const fn new(
        event: EventName,
        version: EventVersion,
        function: &'static str,
        requirements: fn(&mut Requirements),
        call: for<'d> fn(&'d Delivery) -> Result<HandlerFuture<'d>>,
    ) -> Self {
        Self {
            event,
            version,
            function,
            place: Location::caller(),
            requirements,
            call,
            timeout: None,
            scopes: &[],
            dedupe: true,
            middleware: &[],
        }
    }

    /// Limits how long the handler may run.
    #[must_use]
    pub const fn timeout(mut self, timeout: Timeout) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Names the scopes that the handler requires.
    #[must_use]
    pub const fn scopes(mut self, scopes: &'static [Scope]) -> Self {
        self.scopes = scopes;
        self
    }

    /// Whether deliveries are deduplicated.
    #[must_use]
    pub const fn dedupe(mut self, dedupe: bool) -> Self {
        self.dedupe = dedupe;
        self
    }

    /// Puts middleware around the handler, the first outermost.
    #[must_use]
    pub const fn middleware(mut self, middleware: &'static [&'static dyn Middleware]) -> Self {
        self.middleware = middleware;
        self
    }

    /// The crate that the function is written in.
    pub(crate) fn crate_name(&self) -> &'static str {
        self.function.split("::").next().unwrap_or(self.function)
    }
}
