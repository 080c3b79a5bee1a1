//! Async functions as handlers.

use std::pin::Pin;

use crate::{
    delivery::Delivery,
    error::HandlerError,
    handler::{
        extract::{FromDelivery, Prepared, Requirements},
        reply::{IntoReply, Reply},
    },
};

/// The reply of a handler, or why it failed.
pub type HandlerOutcome = Result<Reply, HandlerError>;

/// The future of a handler, or of middleware around it.
pub type HandlerFuture<'d> = Pin<Box<dyn Future<Output = HandlerOutcome> + Send + 'd>>;

/// Boxes the future of a handler. It checks that the future is `Send`, so that it can outlive the connection over which the
/// delivery came.
#[doc(hidden)]
pub fn spawnable<'d>(future: impl Future<Output = HandlerOutcome> + Send + 'd) -> HandlerFuture<'d> {
    Box::pin(future)
}

/// An async function of up to eight extractors, as [`Handler::new`](crate::Handler::new) takes it.
///
/// It is implemented for every function and closure whose arguments are [`FromDelivery`] and whose output is
/// [`IntoReply`]. Extractors that borrow from the delivery need the attribute.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a webhook handler",
    note = "a handler is an `async fn` of up to eight extractors that own their values; its future is `Send`"
)]
pub trait AsyncHandler<Extractors>: sealed::Sealed<Extractors> + Clone + Send + Sync + 'static {
    /// Whether the function returns more than `()`.
    #[doc(hidden)]
    const HAS_REPLY: bool;

    /// Names what the extractors require.
    #[doc(hidden)]
    fn requirements(requirements: &mut Requirements);

    /// Prepares the extractors; the future runs the rest of them, and the function.
    #[doc(hidden)]
    fn call<'d>(&self, delivery: &'d Delivery) -> Result<HandlerFuture<'d>, HandlerError>;
}

mod sealed {
    pub trait Sealed<Extractors> {}
}

macro_rules! async_handler {
    ($($extractor:ident)*) => {
        impl<F, A, $($extractor,)*> sealed::Sealed<($($extractor,)*)> for F
        where
            F: Fn($($extractor),*) -> A,
        {
        }

        #[allow(non_snake_case, unused_variables)] // the types' names are the arguments' names; there may be none
        impl<F, A, $($extractor,)*> AsyncHandler<($($extractor,)*)> for F
        where
            F: Fn($($extractor),*) -> A + Clone + Send + Sync + 'static,
            A: Future<Output: IntoReply> + Send,
            $($extractor: for<'d> FromDelivery<'d> + Send + 'static,)*
        {
            const HAS_REPLY: bool = <A::Output as IntoReply>::HAS_VALUE;

            fn requirements(requirements: &mut Requirements) {
                $($extractor::requirements(requirements);)*
            }

            fn call<'d>(&self, delivery: &'d Delivery) -> Result<HandlerFuture<'d>, HandlerError> {
                $(let $extractor = $extractor::prepare(delivery)?;)*
                let function = self.clone();
                Ok(Box::pin(async move {
                    $(let $extractor = match $extractor {
                        Prepared::Ready(value) => value,
                        Prepared::Waiting(delivery, extract) => extract(delivery).await?,
                    };)*
                    function($($extractor),*).await.into_reply()
                }))
            }
        }
    };
}

async_handler!();
async_handler!(T1);
async_handler!(T1 T2);
async_handler!(T1 T2 T3);
async_handler!(T1 T2 T3 T4);
async_handler!(T1 T2 T3 T4 T5);
async_handler!(T1 T2 T3 T4 T5 T6);
async_handler!(T1 T2 T3 T4 T5 T6 T7);
async_handler!(T1 T2 T3 T4 T5 T6 T7 T8);
