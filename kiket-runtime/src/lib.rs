//! The runtime of [`kiket`](https://docs.rs/kiket), the framework for extensions of the Kiket platform.
//!
//! Use it through `kiket`, which re-exports everything here that is meant to be used.

mod auth;
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
mod extension;
mod gate;
mod handler;
mod headers;
mod http;
mod logging;
mod manifest;
pub mod merkle;
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
mod token;

pub use ::http::StatusCode;

pub use self::{
    auth::Auth,
    builder::Builder,
    client::{
        Anchor, AnchorFilter, AnchorRecord, AnchorStatus, Audit, AuditProof, Client, ClientError,
        ClientErrorKind, CustomData, Endpoints, Evidence, FieldError, Id, Ingested, Ingestion, Items, Level,
        RateWindow, RawEvent, SecretEntry, Secrets, SlaEvent, SlaEvents, SlaFilter, SlaState, StoredRawEvent,
        Verification,
    },
    clock::Clock,
    config::Config,
    context::Context,
    deadline::Timeout,
    delivery::Delivery,
    error::{Error, ErrorKind, Place, Problem, Result, StartupError},
    event::{EventName, EventVersion, InvalidEventName, InvalidEventVersion},
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
    token::{Authentication, TokenRules, UnknownAuthentication},
};
