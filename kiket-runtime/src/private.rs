//! The names that expansions use, what the benches measure and what is fuzzed; nothing else may, and nothing here is
//! stable.

use std::{borrow::Cow, process::ExitCode};

pub use inventory::submit;
use serde::Deserialize;

use crate::{
    delivery::{self, Envelope, Target},
    error::{Error, Rejection, Result, StartupError},
    extension::{Extension, ExtensionBuilder, announce},
    http::{Signals, target_of},
    pipeline::{Answer, Incoming},
    telemetry::init_logging,
    types::Headers,
};
pub use crate::{
    handler::{Registration, spawnable},
    types::{EventName, EventVersion, Scope, Timeout},
};

/// What `kiket::main!` runs: the extension of the crate that `module` is in, and of `crates`.
pub fn main<S, F>(module: &str, crates: &[&str], setup: S) -> ExitCode
where
    S: FnOnce(ExtensionBuilder) -> F,
    F: Future<Output = Result<ExtensionBuilder>>,
{
    init_logging();
    let own = module.split("::").next().unwrap_or(module);
    let builder = Extension::builder().crates_of_program(crates, own);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = runtime.map_err(Error::from).and_then(|runtime| {
        let served = runtime.block_on(serve(builder, setup));
        // Whatever else the program began does not keep it from ending.
        runtime.shutdown_background();
        served
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match error.source().and_then(|source| source.downcast_ref::<StartupError>()) {
                Some(startup) => eprint!("error: {startup}"),
                None => eprintln!("error: {error:?}"),
            }
            ExitCode::FAILURE
        }
    }
}

async fn serve<S, F>(builder: ExtensionBuilder, setup: S) -> Result<()>
where
    S: FnOnce(ExtensionBuilder) -> F,
    F: Future<Output = Result<ExtensionBuilder>>,
{
    let extension = setup(builder).await?.build()?;
    let server = extension.bind()?;
    // A supervisor that reads the announcement may send a signal at once.
    let signals = Signals::listen()?;
    announce(extension.report(), server.addresses());
    Ok(server.run_until(signals).await?)
}

/// The setup of a program that has none.
///
/// # Errors
///
/// None.
#[allow(clippy::unused_async)] // it stands where a user's async function stands
pub async fn no_setup(builder: ExtensionBuilder) -> Result<ExtensionBuilder> {
    Ok(builder)
}

/// Answers a delivery without HTTP, with a status and a body.
pub async fn dispatch(
    extension: &Extension,
    event: &str,
    version: &str,
    headers: Headers,
    body: bytes::Bytes,
) -> (u16, bytes::Bytes) {
    let target = Target { event: Some(event), version: Some(version), query: "" };
    let Answer { status, body, .. } = extension.dispatcher().answer(Incoming { target, headers, body }).await;
    (status.as_u16(), body)
}

/// The same for a path as it was sent, with its query; `None` where deliveries do not go.
pub async fn dispatch_to(
    extension: &Extension,
    path: &str,
    headers: Headers,
    body: bytes::Bytes,
) -> Option<(u16, bytes::Bytes)> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let target = Target { query, ..target_of(path)? };
    let Answer { status, body, .. } = extension.dispatcher().answer(Incoming { target, headers, body }).await;
    Some((status.as_u16(), body))
}

/// The event and the version that a request names, each as it is written, or the code of its refusal.
pub fn route(
    event: Option<&str>,
    version: Option<&str>,
    query: &str,
    headers: &Headers,
) -> (Result<Option<String>, &'static str>, Result<String, &'static str>) {
    let target = Target { event, version, query };
    let code = |rejection: Rejection| rejection.code.unwrap_or_default();
    let event = target.event().map(|event| event.map(Cow::into_owned)).map_err(code);
    (event, target.version(headers).map(|version| version.written.into_owned()).map_err(code))
}

/// What the framework reads of a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Plumbing {
    /// `event`, else `type`.
    pub event: Option<String>,
    /// The same, else `event_type`.
    pub routed_event: Option<String>,
    /// `id`, else `delivery_id`.
    pub delivery_id: Option<String>,
    /// The JSON of the first time.
    pub time: Option<String>,
    /// `api.base_url`.
    pub base_url: Option<String>,
}

/// A body as a `T`, and its plumbing, found in the same pass.
pub fn decode<'b, T: Deserialize<'b>>(
    body: &'b str,
) -> (serde_json::Result<T>, serde_json::Result<Plumbing>) {
    let (decoded, envelope) = delivery::decode(body);
    let plumbing = |envelope: Envelope| Plumbing {
        event: envelope.event(body).map(Cow::into_owned),
        routed_event: envelope.routed_event(body).map(Cow::into_owned),
        delivery_id: envelope.delivery_id(body).map(Cow::into_owned),
        time: envelope.time(body).map(str::to_owned),
        base_url: envelope.base_url(body),
    };
    (decoded, envelope.map(plumbing))
}
