//! The names that expansions use; nothing else may, and nothing here is stable.

use std::process::ExitCode;

pub use inventory::submit;

use crate::{
    error::{Error, Result, StartupError},
    extension::{Builder, Extension, announce},
    http::Signals,
    telemetry::init_logging,
};
pub use crate::{
    handler::{Registration, spawnable},
    types::{EventName, EventVersion, Scope, Timeout},
};

/// What `kiket::main!` runs: the extension of the crate that `module` is in, and of `crates`.
pub fn main<S, F>(module: &str, crates: &[&str], setup: S) -> ExitCode
where
    S: FnOnce(Builder) -> F,
    F: Future<Output = Result<Builder>>,
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

async fn serve<S, F>(builder: Builder, setup: S) -> Result<()>
where
    S: FnOnce(Builder) -> F,
    F: Future<Output = Result<Builder>>,
{
    let extension = setup(builder).await?.build()?;
    let server = extension.bind()?;
    // Whoever reads that it listens may tell it to stop.
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
pub async fn no_setup(builder: Builder) -> Result<Builder> {
    Ok(builder)
}
