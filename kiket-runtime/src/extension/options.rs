//! The options that a builder collects.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ::http::StatusCode;
use serde_json::Value;

use super::instance::Start;
use crate::{
    auth::TokenRules,
    client::ClientLimits,
    config::{Environment, Layer},
    delivery::{HandlerKey, TypeMap},
    error::{Classifiers, Problem},
    handler::{Handler, Middleware},
    http,
    manifest::Manifest,
    store::DedupeStore,
    telemetry::Hook,
    types::Clock,
};
#[cfg(feature = "inbox")]
use crate::{config::InboxLayer, store::inbox::Inbox};

/// The options of an extension, as the builder collected them.
#[derive(Default)]
pub(crate) struct Options {
    /// The values of configuration that were set in code.
    pub(crate) layer: Layer,
    pub(crate) settings: Vec<(String, Value)>,
    pub(crate) environment: Environment,
    pub(crate) manifest: ManifestSource,
    pub(crate) collected: Collected,
    pub(crate) handlers: Vec<Handler>,
    pub(crate) middleware: Vec<Arc<dyn Middleware>>,
    pub(crate) states: TypeMap,
    pub(crate) classifiers: Classifiers,
    pub(crate) limits: Limits,
    pub(crate) http: http::Options,
    pub(crate) background: Vec<Start>,
    pub(crate) outbound: ClientLimits,
    pub(crate) hook: Option<Hook>,
    /// The system's by default.
    pub(crate) clock: Option<Clock>,
    pub(crate) strict: bool,
    pub(crate) notes: Vec<String>,
    pub(crate) dedupe: Dedupe,
    #[cfg(feature = "inbox")]
    pub(crate) inbox: GivenInbox,
    pub(crate) token_rules: TokenRules,
}

/// Setters of a builder over [`Options`]: `name(argument: Type) => |options| …`, each with its documentation.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) => |$options:ident| $set:expr;)*) => {$(
        $(#[$doc])*
        pub fn $name(mut self, $($argument: $type),*) -> Self {
            let $options = &mut self.0;
            $set;
            self
        }
    )*};
}
pub(super) use setters;

/// The limits of deliveries.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// The concurrency limit.
    pub(crate) concurrency: usize,
    /// The timeout of handlers for which neither attribute nor manifest has one.
    pub(crate) handler_timeout: Duration,
    /// The status of a payload that does not decode.
    pub(crate) undecodable: StatusCode,
}

impl Default for Limits {
    fn default() -> Self {
        let undecodable = StatusCode::INTERNAL_SERVER_ERROR;
        Self { concurrency: 512, handler_timeout: Duration::from_secs(10), undecodable }
    }
}

impl Limits {
    /// The timeout of a handler whose attribute has none: its hook in the manifest, else the callback, else the default.
    pub(super) fn timeout(&self, key: &HandlerKey, manifest: Option<&Manifest>) -> Duration {
        let declared = manifest
            .and_then(|manifest| manifest.event_timeout(key.event.as_str()).or(manifest.callback_timeout));
        declared.unwrap_or(self.handler_timeout)
    }
}

/// How deliveries are deduplicated.
#[derive(Default)]
pub(crate) struct Dedupe {
    /// Whether deduplication is off.
    pub(crate) off: bool,
    /// `None` is the store that the configuration names, else the memory of the process.
    pub(crate) store: Option<Arc<dyn DedupeStore>>,
    /// The retention of stored replies.
    pub(crate) retention: Option<Duration>,
    /// Whether deliveries run while the store is down, at the risk of running twice.
    pub(crate) run_without_store: bool,
}

/// What the builder says of the inbox.
#[cfg(feature = "inbox")]
#[derive(Default)]
pub(crate) struct GivenInbox {
    pub(crate) layer: InboxLayer,
    /// `None` is the inbox that the configuration names, else a file in the working directory.
    pub(crate) store: Option<Arc<dyn Inbox>>,
    /// How many workers the process has.
    pub(crate) workers: Option<usize>,
}

/// The source of the manifest.
#[derive(Debug, Default)]
pub(crate) enum ManifestSource {
    /// The working directory, which may have none.
    #[default]
    Searched,
    At(PathBuf),
    None,
}

impl ManifestSource {
    pub(super) fn load(&self) -> Result<Option<Manifest>, Vec<Problem>> {
        match self {
            Self::None => Ok(None),
            Self::At(path) => Manifest::load(path).map(Some),
            Self::Searched => Manifest::of(Path::new("")),
        }
    }
}

/// Which of the annotated functions of the program belong to the extension.
#[derive(Debug, Default)]
pub(crate) enum Collected {
    /// The functions of the only crate that has any.
    #[default]
    OfOneCrate,
    /// The functions of the named crates, and of the program's own, which may have none.
    OfCrates { named: Vec<String>, own: Option<String> },
    /// None: only the handlers that the builder was given.
    None,
}
