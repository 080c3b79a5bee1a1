//! Registrations: what `#[kiket::webhook]` adds to the list of all handlers of a program.

#[cfg(feature = "inbox")]
use std::mem;
use std::{borrow::Cow, panic::Location};

use crate::{
    delivery::{Delivery, HandlerKey},
    error::Result,
    handler::{declaration::Handler, extract::Requirements, function::HandlerFuture},
    types::{EventName, EventVersion, Scope, Timeout},
};
#[cfg(feature = "inbox")]
use crate::{handler::later::Later, types::schedule::ScheduleTimes};

/// An entry in the list of all handlers of a program.
///
/// Only expansions of `#[kiket::webhook]` make one; use [`Handler`](crate::Handler) by hand.
#[derive(Clone)]
pub struct Registration {
    pub(crate) event: EventName,
    pub(crate) version: EventVersion,
    /// The path of the function.
    pub(crate) function: &'static str,
    /// The place of the attribute.
    pub(crate) place: &'static Location<'static>,
    pub(crate) requirements: fn(&mut Requirements),
    pub(crate) call: for<'d> fn(&'d Delivery) -> Result<HandlerFuture<'d>>,
    pub(crate) timeout: Option<Timeout>,
    pub(crate) scopes: &'static [Scope],
    pub(crate) dedupe: bool,
    pub(crate) middleware: fn(Handler) -> Handler,
    #[cfg(feature = "inbox")]
    pub(crate) later: Option<Later>,
    #[cfg(feature = "inbox")]
    pub(crate) schedule: Option<ScheduleTimes>,
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
            middleware: |handler| handler,
            #[cfg(feature = "inbox")]
            later: None,
            #[cfg(feature = "inbox")]
            schedule: None,
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

    /// Sets whether deliveries are deduplicated.
    #[must_use]
    pub const fn dedupe(mut self, dedupe: bool) -> Self {
        self.dedupe = dedupe;
        self
    }

    /// Adds middleware around the handler, once for each extension that is built.
    #[must_use]
    pub const fn middleware(mut self, middleware: fn(Handler) -> Handler) -> Self {
        self.middleware = middleware;
        self
    }

    /// Defers the work.
    #[cfg(feature = "inbox")]
    #[must_use]
    pub const fn later(mut self, later: Later) -> Self {
        // No destructor runs when the program is compiled.
        mem::forget(mem::replace(&mut self.later, Some(later)));
        self
    }

    /// Runs the function at times, and not at deliveries. It is registered as [`later`](Self::later), too.
    #[cfg(feature = "inbox")]
    #[must_use]
    pub const fn schedule(mut self, times: ScheduleTimes) -> Self {
        self.schedule = Some(times);
        self
    }

    /// The crate that the function is written in.
    pub(crate) fn crate_name(&self) -> &'static str {
        self.function.split("::").next().unwrap_or(self.function)
    }
}

impl From<&Registration> for Handler {
    fn from(registration: &Registration) -> Self {
        let mut requirements = Requirements::default();
        (registration.requirements)(&mut requirements);
        let (event, version) = (registration.event.clone(), registration.version.clone());
        (registration.middleware)(Self {
            key: Some(HandlerKey { event, version }),
            problems: Vec::new(),
            function: Cow::Borrowed(registration.function),
            place: registration.place,
            requirements,
            call: Box::new(registration.call),
            timeout: registration.timeout.map(Timeout::duration),
            scopes: Cow::Borrowed(registration.scopes),
            dedupe: registration.dedupe,
            middleware: Vec::new(),
            #[cfg(feature = "inbox")]
            later: registration.later.clone(),
            #[cfg(feature = "inbox")]
            schedule: registration.schedule,
            #[cfg(feature = "inbox")]
            has_reply: false,
        })
    }
}
