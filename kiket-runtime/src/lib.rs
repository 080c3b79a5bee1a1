//! The runtime of [`kiket`](https://docs.rs/kiket), the framework for extensions of the Kiket platform.
//!
//! Use it through `kiket`, which re-exports everything here that is meant to be used.

// The derives of the payloads in `events` name `::kiket`, as they do for users.
extern crate self as kiket;

pub mod api;
mod auth;
mod client;
mod config;
pub mod dedupe;
mod delivery;
mod error;
pub mod events;
mod extension;
mod handler;
mod http;
mod manifest;
mod messages;
mod metrics;
pub mod model;
mod pipeline;
#[doc(hidden)]
pub mod private;
mod store;
mod telemetry;
pub mod testing;
mod types;

pub use ::http::StatusCode;

#[doc(hidden)]
pub use self::private as __private;
pub use self::{
    api::{Endpoints, Level, merkle},
    auth::{Auth, TokenRules, signature},
    client::Client,
    config::{Config, SettingError, Settings},
    delivery::Delivery,
    error::{
        ClientError, ClientErrorKind, Error, ErrorKind, FieldError, Place, Problem, Result, Retry,
        StartupError,
    },
    extension::{Builder, Extension, HandlerReport, Report},
    handler::{
        Answering, Context, FromDelivery, Handler, IntoReply, Json, Needs, Payload, RawBody, Reply,
        RequiredSecret, SecretKey, State,
    },
    http::{Server, ServerHandle},
    manifest::{DeclaredEvent, Form, Manifest, Reference, Setting},
    messages::{Action, ActionKind, Actions, Decision, Verdict, external_webhook, notification},
    telemetry::{Record, RecordStatus, init_logging},
    types::{
        Authentication, Clock, Event, EventName, EventVersion, Headers, Id, InvalidEventName,
        InvalidEventVersion, Scope, Secret, Timeout, Timestamp, UnknownAuthentication,
    },
};
