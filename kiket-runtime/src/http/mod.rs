//! HTTP, the one module that knows a web framework: routes, connections, the server and its graceful shutdown.

mod body;
mod connection;
mod listener;
mod metrics;
mod options;
mod own_routes;
mod path;
mod respond;
mod routes;
mod server;
mod signals;

#[cfg(feature = "internals")]
pub(crate) use self::path::{target_of, tidied};
#[doc(inline)]
pub use self::server::{Server, ServerHandle};
#[cfg(feature = "internals")]
#[allow(unreachable_pub)] // `internals` exports them
pub use self::{listener::listen, respond::not_found};
pub use actix_web::{dev::Server as AppServer, web::ServiceConfig};

pub(crate) use self::{options::Options, path::routed, routes::Routes, server::Announce};
#[doc(inline)]
pub use crate::types::HeadersIter;
