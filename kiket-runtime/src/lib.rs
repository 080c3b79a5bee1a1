//! The runtime of [`kiket`](https://docs.rs/kiket), the framework for extensions of the Kiket platform.
//!
//! Use it through `kiket`, which re-exports everything here that is meant to be used.

pub mod api;
pub mod auth;
pub mod client;
pub mod config;
pub mod dedupe;
mod delivery;
pub mod error;
pub mod events;
pub mod extension;
pub mod handler;
pub mod http;
pub mod manifest;
mod messages;
mod metrics;
mod pipeline;
#[doc(hidden)]
pub mod private;
mod store;
pub mod telemetry;
pub mod testing;
mod types;

/// What keeps an extension from starting, and the report of a start.
pub mod startup {
    pub use crate::{
        error::{Place, Problem, StartupError},
        extension::{HandlerReport, Report},
    };
}

/// Decisions, the replies of guards.
pub mod guard {
    pub use crate::messages::{Decision, Verdict};
}

/// Actions that a reply asks Kiket to carry out.
pub mod actions {
    pub use crate::messages::{Action, ActionKind, Actions};
}

pub use ::http::StatusCode;

pub use self::{
    api::merkle,
    auth::signature,
    client::Client,
    config::Settings,
    delivery::Delivery,
    error::{Error, Result},
    extension::{Extension, ExtensionBuilder},
    handler::{Context, FromDelivery, IntoReply, Json, Payload, RawBody, Reply, State},
    messages::{Decision, external_webhook, notification},
    types::{Event, EventName, EventVersion, Headers, Secret},
};
// These have their place in a module; the root has them for the examples of modules that do not know it yet.
#[doc(hidden)]
pub use self::{
    api::{Endpoints, Level},
    auth::{Auth, TokenRules},
    config::{Config, SettingError},
    error::{ClientError, ClientErrorKind, ErrorKind, FieldError, Place, Problem, StartupError},
    extension::{HandlerReport, Report},
    handler::{Answering, Handler, Needs, RequiredSecret, SecretKey},
    http::{Server, ServerHandle},
    manifest::{DeclaredEvent, Form, Manifest, Reference, Setting},
    messages::{Action, ActionKind, Actions, Verdict},
    telemetry::{Record, RecordStatus, init_logging},
    types::{
        Authentication, AuthenticationModeError, Clock, EventNameError, EventVersionError, Id, Scope, Timeout,
    },
};
