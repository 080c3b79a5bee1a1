//! Middleware: functions around handlers.

use std::{any::type_name, sync::Arc};

use crate::{
    delivery::Delivery,
    error::Error,
    handler::{
        extract::{FromDelivery, deref},
        function::{HandlerFuture, HandlerOutcome},
    },
};

/// Middleware runs around handlers: around all of an extension
/// ([`ExtensionBuilder::middleware`](crate::ExtensionBuilder::middleware)) or around one ([`Handler::middleware`](crate::Handler::middleware)).
///
/// It runs once a delivery is verified, routed, authorized and claimed, within the deadline and the panic guard of the
/// handler. It can
///
/// - stop a delivery: return without [`next.run()`](Next::run), and the handler does not run;
/// - see and replace the outcome before the response is stored;
/// - give values to the handler: [`Delivery::insert`], extracted with [`FromMiddleware<T>`].
///
/// It cannot change the body, which is signed. The payload is decoded before middleware runs; if that failed, `next.run()`
/// gives the error.
///
/// Middleware is an async function, or a closure that captures nothing:
///
/// ```
/// use kiket_runtime::{
///     Delivery, Extension, HandlerError, StatusCode,
///     handler::{HandlerOutcome, Next},
/// };
///
/// async fn only_tenants(delivery: &Delivery, next: Next<'_>) -> HandlerOutcome {
///     if delivery.headers().get("x-tenant").is_none() {
///         return Err(HandlerError::reject(StatusCode::FORBIDDEN, "no tenant"));
///     }
///     next.run().await
/// }
///
/// let builder = Extension::builder().middleware(only_tenants).middleware(async |delivery: &Delivery, next: Next<'_>| {
///     let outcome = next.run().await;
///     tracing::info!("{}: {}", delivery.event(), if outcome.is_ok() { "done" } else { "failed" });
///     outcome
/// });
/// # let _ = builder;
/// ```
///
/// Middleware with state is a struct that implements this trait:
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use kiket_runtime::{Delivery, handler::{HandlerFuture, Middleware, Next}};
///
/// #[derive(Default)]
/// struct Count(AtomicU64);
///
/// impl Middleware for Count {
///     fn handle<'d>(&'d self, _: &'d Delivery, next: Next<'d>) -> HandlerFuture<'d> {
///         self.0.fetch_add(1, Ordering::Relaxed);
///         next.run()
///     }
/// }
/// # let _ = kiket_runtime::Extension::builder().middleware(Count::default());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be middleware",
    label = "not middleware",
    note = "middleware is an `async fn(delivery: &Delivery, next: Next<'_>) -> HandlerOutcome`, a closure like it that captures nothing, or a type that implements `kiket::Middleware`"
)]
pub trait Middleware: Send + Sync + 'static {
    /// Handles a delivery, usually by [`next.run()`](Next::run) and something before or after it.
    fn handle<'d>(&'d self, delivery: &'d Delivery, next: Next<'d>) -> HandlerFuture<'d>;
}

/// An async function as middleware.
pub trait MiddlewareFn<'d>: Send + Sync + 'static {
    /// Calls the function.
    #[doc(hidden)]
    fn call(&self, delivery: &'d Delivery, next: Next<'d>) -> HandlerFuture<'d>;
}

impl<'d, F, A> MiddlewareFn<'d> for F
where
    F: Fn(&'d Delivery, Next<'d>) -> A + Send + Sync + 'static,
    A: Future<Output = HandlerOutcome> + Send + 'd,
{
    fn call(&self, delivery: &'d Delivery, next: Next<'d>) -> HandlerFuture<'d> {
        Box::pin(self(delivery, next))
    }
}

#[diagnostic::do_not_recommend] // the message is about middleware
impl<F: for<'d> MiddlewareFn<'d>> Middleware for F {
    fn handle<'d>(&'d self, delivery: &'d Delivery, next: Next<'d>) -> HandlerFuture<'d> {
        self.call(delivery, next)
    }
}

/// What middleware is around: the next middleware, or the extractors that did not run early and then the handler.
#[must_use = "the handler does not run without `run`"]
pub struct Next<'d> {
    delivery: &'d Delivery,
    middleware: &'d [Arc<dyn Middleware>],
    handler: HandlerFuture<'d>,
}

impl<'d> Next<'d> {
    pub(crate) fn new(
        delivery: &'d Delivery,
        middleware: &'d [Arc<dyn Middleware>],
        handler: HandlerFuture<'d>,
    ) -> Self {
        Self { delivery, middleware, handler }
    }

    /// Runs the next middleware or the handler, and returns its outcome.
    pub fn run(self) -> HandlerFuture<'d> {
        let Self { delivery, middleware, handler } = self;
        match middleware.split_first() {
            Some((first, middleware)) => first.handle(delivery, Self { delivery, middleware, handler }),
            // With the advice of every classifier, so that middleware sees what Kiket will see.
            None => Box::pin(async move {
                handler.await.map_err(|error| error.advised(&delivery.services().classifiers).into())
            }),
        }
    }
}

/// A value that middleware inserted with [`Delivery::insert`]. Derefs to `T`; `FromMiddleware(x)` destructures it
/// into an `Arc<T>`.
///
/// ```
/// use kiket_runtime::{Delivery, handler::{FromMiddleware, HandlerOutcome, Next}};
///
/// struct Tenant(String);
///
/// async fn tenant(delivery: &Delivery, next: Next<'_>) -> HandlerOutcome {
///     delivery.insert(Tenant(delivery.headers().get("x-tenant").unwrap_or("none").to_owned()));
///     next.run().await
/// }
///
/// async fn on_issue_created(tenant: FromMiddleware<Tenant>) {
///     tracing::info!("{}", tenant.0.0);
/// }
/// # let _ = (tenant, on_issue_created);
/// ```
///
/// Without such a value the delivery fails with 500, so that a corrected build can serve the retry.
#[derive(Debug)]
pub struct FromMiddleware<T>(pub Arc<T>);

impl<T> FromMiddleware<T> {
    /// A value for a handler that is called by hand.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Clone for FromMiddleware<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

deref!(FromMiddleware<T> => T: 0);

/// Fails with [`Error`].
impl<T: Send + Sync + 'static> FromDelivery<'_> for FromMiddleware<T> {
    type Rejection = Error;

    async fn from_delivery(delivery: &Delivery) -> Result<Self, Error> {
        let missing = || Error::retry("handler failed").because(MissingValue(type_name::<T>()));
        delivery.get().map(Self).ok_or_else(missing)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no middleware inserted a value of type `{0}`")]
struct MissingValue(&'static str);
