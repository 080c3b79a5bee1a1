//! The runtime of [`kiket`](https://docs.rs/kiket), the framework for extensions of the Kiket platform.
//!
//! Use it through `kiket`, which re-exports everything here that is meant to be used.

mod base_url;
mod builder;
mod client;
mod clock;
mod config;
mod context;
mod counters;
mod deadline;
pub mod dedupe;
mod delivery;
mod dispatch;
mod envelope;
mod error;
mod event;
pub mod events;
mod extension;
mod gate;
mod handler;
mod headers;
mod http;
mod logging;
mod manifest;
mod once;
#[doc(hidden)]
pub mod private;
mod redact;
mod registry;
mod routing;
mod scope;
mod secret;
mod settings;
pub mod signature;
mod startup;
mod telemetry;
pub mod testing;

pub use ::http::StatusCode;

pub use self::{
    builder::Builder,
    client::{
        Client, ClientError, ClientErrorKind, CustomData, Endpoints, FieldError, Items, Level, RateWindow,
        SecretEntry, Secrets, SlaEvent, SlaEvents, SlaFilter, SlaState,
    },
    clock::Clock,
    config::Config,
    context::Context,
    deadline::Timeout,
    delivery::Delivery,
    error::{Error, ErrorKind, Place, Problem, Result, StartupError},
    event::{Event, EventName, EventVersion, InvalidEventName, InvalidEventVersion},
    extension::Extension,
    handler::{Answering, FromDelivery, Handler, IntoReply, Json, Needs, Payload, RawBody, Reply, State},
    headers::Headers,
    http::{Server, ServerHandle},
    logging::init_logging,
    manifest::{DeclaredEvent, Form, Manifest, Reference, Setting},
    scope::Scope,
    secret::Secret,
    settings::{SettingError, Settings},
    startup::{HandlerReport, Report},
    telemetry::{Record, RecordStatus},
};
