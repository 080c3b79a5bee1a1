//! The runtime of [`kiket`](https://docs.rs/kiket), the framework for extensions of the Kiket platform.
//!
//! Use it through `kiket`, which re-exports everything here that is meant to be used.

// The derives of the payloads in `events` name `::kiket`, as they do for users.
extern crate self as kiket;

mod absent;
mod actions;
mod admission;
pub mod api;
mod auth;
mod base_url;
mod builder;
mod client;
mod clock;
mod collect;
mod config;
mod context;
mod counters;
mod deadline;
mod decision;
pub mod dedupe;
mod delivery;
mod dispatch;
mod envelope;
mod error;
mod event;
pub mod events;
mod extension;
pub mod external_webhook;
mod failure;
mod gate;
mod handler;
mod headers;
mod http;
mod id;
mod logging;
mod mac;
mod manifest;
pub mod merkle;
mod needs;
pub mod notification;
mod once;
#[doc(hidden)]
pub mod private;
mod redact;
mod registry;
mod report;
mod routing;
mod scope;
mod secret;
mod settings;
pub mod signature;
mod startup;
mod telemetry;
pub mod testing;
mod token;

pub use ::http::StatusCode;

#[doc(hidden)]
pub use self::private as __private;
pub use self::{
    actions::{Action, ActionKind, Actions},
    auth::Auth,
    builder::Builder,
    client::{Client, ClientError, ClientErrorKind, Endpoints, FieldError, Level},
    clock::Clock,
    config::Config,
    context::Context,
    deadline::Timeout,
    decision::{Decision, Verdict},
    delivery::Delivery,
    error::{Error, ErrorKind, Place, Problem, Result, Retry, StartupError},
    event::{Event, EventName, EventVersion, InvalidEventName, InvalidEventVersion},
    extension::Extension,
    handler::{
        Answering, FromDelivery, Handler, IntoReply, Json, Needs, Payload, RawBody, Reply, RequiredSecret,
        SecretKey, State,
    },
    headers::Headers,
    http::{Server, ServerHandle},
    id::Id,
    logging::init_logging,
    manifest::{DeclaredEvent, Form, Manifest, Reference, Setting},
    report::{HandlerReport, Report},
    scope::Scope,
    secret::Secret,
    settings::{SettingError, Settings},
    telemetry::{Record, RecordStatus},
    token::{Authentication, TokenRules, UnknownAuthentication},
};
