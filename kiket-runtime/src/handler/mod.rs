//! Handlers: functions with extractors, replies and middleware, and what they are registered for.

mod context;
mod declaration;
mod extract;
mod function;
#[cfg(feature = "inbox")]
pub(crate) mod later;
mod middleware;
mod payload;
mod registration;
mod registry;
mod reply;
#[cfg(feature = "inbox")]
mod schedule;
mod secret;
mod state;

#[cfg(feature = "inbox")]
pub use self::later::Later;
pub(crate) use self::registry::{Registry, Route};
#[cfg(feature = "inbox")]
pub(crate) use self::schedule::Schedule;
pub use self::{
    context::Context,
    declaration::Handler,
    extract::{FromDelivery, Prepared, RawBody, Requirements},
    function::{AsyncHandler, HandlerFuture, HandlerOutcome, spawnable},
    middleware::{FromMiddleware, Middleware, MiddlewareFn, Next},
    payload::Payload,
    registration::Registration,
    reply::{IntoReply, Json, Reply},
    secret::{RequiredSecret, SecretKey},
    state::State,
};
pub use crate::types::{Timeout, TimeoutError};
