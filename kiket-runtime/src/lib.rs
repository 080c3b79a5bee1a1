//! The runtime of [`kiket`](https://docs.rs/kiket), the framework for extensions of the Kiket platform.
//!
//! Use it through `kiket`, which re-exports the public API.

// The derives of the payloads in `events` name `::kiket`, as they do for users.
extern crate self as kiket;

pub mod api;
pub mod auth;
pub mod client;
pub mod config;
#[doc(alias = "replay")]
#[doc(alias = "redelivery")]
pub mod dedupe;
mod delivery;
pub mod error;
pub mod events;
pub mod extension;
pub mod handler;
pub mod http;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
pub mod manifest;
mod messages;
mod metrics;
pub mod model;
mod pipeline;
#[doc(hidden)]
pub mod private;
mod store;
pub mod telemetry;
mod types;

/// The errors that stop the start of an extension, and the report of a start.
pub mod startup {
    pub use crate::{
        error::{Place, Problem, StartupError},
        extension::{HandlerReport, Report},
    };
}

/// Decisions: the replies of guards.
pub mod guard {
    pub use crate::messages::{Decision, Verdict};
}

/// Actions that a reply asks Kiket to carry out.
pub mod actions {
    pub use crate::messages::{Action, ActionKind, Actions};
}

/// Middleware: code around every handler.
pub mod middleware {
    pub use crate::handler::{FromMiddleware, HandlerOutcome, Middleware, MiddlewareFn, Next};
}

pub use ::http::StatusCode;

#[doc(hidden)]
pub use self::private as __private;
pub use self::{
    api::merkle,
    auth::signature,
    client::Client,
    config::Settings,
    delivery::Delivery,
    error::{Error, HandlerError, PayloadRejection, Result, Retry},
    extension::{Extension, ExtensionBuilder},
    handler::{Context, FromDelivery, Handler, IntoReply, Json, Payload, RawBody, Reply, State},
    messages::{Decision, external_webhook, notification},
    types::{Event, EventName, EventVersion, Headers, Secret},
};
// These names belong to modules; the root has them for expansions, doc examples and fuzz targets.
#[doc(hidden)]
pub use self::{
    api::{Endpoints, Level},
    auth::{Auth, TokenRules},
    config::{Config, SettingError},
    error::{
        Advice, ClientError, ClientErrorKind, ErrorKind, FieldError, IntoHandlerError, Place, Problem,
        StartupError,
    },
    extension::{ClientOptions, DedupeOptions, HandlerReport, HttpOptions, Report, TelemetryOptions},
    handler::{
        AsyncHandler, FromMiddleware, HandlerFuture, HandlerOutcome, Middleware, MiddlewareFn, Next,
        RequiredSecret, Requirements, SecretKey,
    },
    http::{Server, ServerHandle},
    manifest::{DeclaredEvent, Form, Manifest, Reference, Setting},
    messages::{Action, ActionKind, Actions, Verdict},
    telemetry::{Record, RecordStatus, init_logging, install_panic_hook},
    types::{
        Authentication, AuthenticationModeError, Clock, EventNameError, EventVersionError, Id, Scope,
        Timeout, Timestamp,
    },
};
