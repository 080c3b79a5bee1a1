//! A function that answers deliveries: what it is registered for, what it asks for, what it answers.

mod context;
mod extract;
pub(crate) mod guard;
mod registry;
mod reply;

use std::{borrow::Cow, panic::Location, pin::Pin, time::Duration};

pub use self::{
    context::Context,
    extract::{FromDelivery, Needs, Payload, RawBody, RequiredSecret, SecretKey, State},
    reply::{IntoReply, Json, Reply},
};
pub(crate) use self::{
    extract::{located, undecodable},
    guard::{Interrupted, bounded, caught, detached, unless, within},
    registry::{Entry, Registry},
};
pub use crate::types::{Timeout, TimeoutError};
use crate::{
    delivery::Delivery,
    error::Result,
    types::{EventName, EventVersion, Scope},
};

/// A handler at work: its arguments are made, its body has not begun.
pub type Answering<'d> = Pin<Box<dyn Future<Output = Result<Reply>> + Send + 'd>>;

/// What the attribute writes into the list of all handlers of a program.
///
/// Nothing but expansions of `#[kiket::webhook]` makes one; the same by hand is `ExtensionBuilder::handler`.
#[derive(Debug, Clone)]
pub struct Registration {
    event: EventName,
    version: EventVersion,
    function: &'static str,
    place: &'static Location<'static>,
    declare: fn(&mut Needs),
    prepare: for<'d> fn(&'d Delivery) -> Result<Answering<'d>>,
    timeout: Option<Timeout>,
    scopes: &'static [Scope],
    dedupe: bool,
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
        declare: fn(&mut Needs),
        prepare: for<'d> fn(&'d Delivery) -> Result<Answering<'d>>,
    ) -> Self {
        let place = Location::caller();
        Self { event, version, function, place, declare, prepare, timeout: None, scopes: &[], dedupe: true }
    }

    /// Limits how long the handler may run.
    #[must_use]
    pub const fn timeout(mut self, timeout: Timeout) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Names what the handler needs permission for.
    #[must_use]
    pub const fn scopes(mut self, scopes: &'static [Scope]) -> Self {
        self.scopes = scopes;
        self
    }

    /// Whether a delivery that comes again is remembered, and the handler not run again.
    #[must_use]
    pub const fn dedupe(mut self, dedupe: bool) -> Self {
        self.dedupe = dedupe;
        self
    }

    /// The path of the function.
    pub(crate) fn function(&self) -> &'static str {
        self.function
    }

    /// Where it is annotated.
    pub(crate) fn place(&self) -> &'static Location<'static> {
        self.place
    }

    /// The crate that the function is written in.
    pub(crate) fn crate_name(&self) -> &'static str {
        self.function.split("::").next().unwrap_or(self.function)
    }
}

/// Boxes a handler's future. That it is `Send`, so that it can outlive the connection it came over, is checked
/// here.
pub fn spawnable<'d>(future: impl Future<Output = Result<Reply>> + Send + 'd) -> Answering<'d> {
    Box::pin(future)
}

/// A handler and what it is for, wherever it came from.
pub(crate) struct Binding {
    pub(crate) event: EventName,
    pub(crate) version: EventVersion,
    /// The path of the function.
    pub(crate) function: Cow<'static, str>,
    pub(crate) place: &'static Location<'static>,
    pub(crate) needs: Needs,
    pub(crate) prepare: Prepare,
    pub(crate) timeout: Option<Duration>,
    pub(crate) scopes: Cow<'static, [Scope]>,
    pub(crate) dedupe: bool,
}

/// Makes the arguments of a handler, and leaves it ready to run.
pub(crate) type Prepare = Box<dyn for<'d> Fn(&'d Delivery) -> Result<Answering<'d>> + Send + Sync>;

impl From<&Registration> for Binding {
    fn from(registration: &Registration) -> Self {
        let mut needs = Needs::default();
        (registration.declare)(&mut needs);
        Self {
            event: registration.event.clone(),
            version: registration.version.clone(),
            function: Cow::Borrowed(registration.function),
            place: registration.place,
            needs,
            prepare: Box::new(registration.prepare),
            timeout: registration.timeout.map(Timeout::duration),
            scopes: Cow::Borrowed(registration.scopes),
            dedupe: registration.dedupe,
        }
    }
}

impl Binding {
    #[track_caller]
    pub(crate) fn new<A, H: Handler<A>>(event: EventName, version: EventVersion, handler: H) -> Self {
        let mut needs = Needs::default();
        H::declare(&mut needs);
        Self {
            event,
            version,
            function: Cow::Borrowed(std::any::type_name::<H>()),
            place: Location::caller(),
            needs,
            prepare: Box::new(move |delivery| handler.prepare(delivery)),
            timeout: None,
            scopes: Cow::Borrowed(&[]),
            dedupe: true,
        }
    }
}

/// An async function of nought to eight arguments, as `ExtensionBuilder::handler` takes it.
///
/// It is implemented for every function and closure whose arguments are [`FromDelivery`] and whose answer is
/// [`IntoReply`]. Arguments that borrow from the delivery need the attribute.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a webhook handler",
    note = "a handler is an `async fn` of nought to eight arguments that own what they have; its future is `Send`"
)]
pub trait Handler<Arguments>: Clone + Send + Sync + 'static {
    /// Tells what the arguments need.
    fn declare(needs: &mut Needs);

    /// Makes the arguments.
    ///
    /// # Errors
    ///
    /// When one of them cannot be made.
    fn prepare<'d>(&self, delivery: &'d Delivery) -> Result<Answering<'d>>;
}

macro_rules! handler {
    ($($argument:ident)*) => {
        #[allow(non_snake_case, unused_variables)] // the types' names are the arguments' names; there may be none
        impl<F, A, $($argument,)*> Handler<($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> A + Clone + Send + Sync + 'static,
            A: Future<Output: IntoReply> + Send,
            $($argument: for<'d> FromDelivery<'d> + Send + 'static,)*
        {
            fn declare(needs: &mut Needs) {
                $($argument::declare(needs);)*
            }

            fn prepare<'d>(&self, delivery: &'d Delivery) -> Result<Answering<'d>> {
                $(let $argument = $argument::from_delivery(delivery)?;)*
                let handler = self.clone();
                Ok(Box::pin(async move { handler($($argument),*).await.into_reply() }))
            }
        }
    };
}

handler!();
handler!(T1);
handler!(T1 T2);
handler!(T1 T2 T3);
handler!(T1 T2 T3 T4);
handler!(T1 T2 T3 T4 T5);
handler!(T1 T2 T3 T4 T5 T6);
handler!(T1 T2 T3 T4 T5 T6 T7);
handler!(T1 T2 T3 T4 T5 T6 T7 T8);
