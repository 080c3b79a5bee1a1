//! HTTP, the one module that knows a web framework: routes, connections, the server and its graceful shutdown.

mod body;
mod connection;
mod options;
mod path;
mod respond;
mod routes;
mod server;
mod signals;

pub use actix_web::web::ServiceConfig;

#[doc(inline)]
pub use self::server::{Server, ServerHandle};
pub(crate) use self::{
    options::Options, path::target_of, respond::not_found, routes::Routes, signals::Signals,
};
#[doc(inline)]
pub use crate::types::HeadersIter;
