//! The names that expansions of macros use. Nothing here is stable.

use std::{error::Error as _, process::ExitCode, time::Duration};

pub use inventory::submit;

/// The grammars of `later`.
#[cfg(feature = "inbox")]
pub use crate::types::later::later_grammar as later;
#[cfg(feature = "inbox")]
pub use crate::types::schedule::{ScheduleTimes, schedule_grammar as schedule};
// `later!` reports that the feature is missing; what the function returns is judged with it.
#[cfg(not(feature = "inbox"))]
pub use crate::handler::IntoReply as NoReply;
#[cfg(feature = "inbox")]
pub use crate::handler::{Later, later::NoReply};
pub use crate::{
    __a_webhook_handler_is_a_free_function as a_webhook_handler_is_a_free_function,
    __a_webhook_handler_is_a_free_function as a_schedule_is_a_free_function, __later as later,
    error::{Advice, Classifier},
    handler::{Prepared, Registration, spawnable},
    types::{EventName, EventVersion, Scope, Timeout, is_declared},
};
use crate::{
    client::install_tls_provider,
    error::{HandlerError, Result, StartupError},
    extension::{Check, Extension, ExtensionBuilder, cli},
    metrics::traces::traced,
    telemetry::{Log, flush_output, install_panic_hook, stderr, without_secrets},
};

#[cfg(feature = "internals")]
pub mod internals;

/// The names that the derives of models and payloads use.
pub mod model {
    pub use serde;
    pub use serde_json::Value;

    pub use crate::{
        events::payload::{EventPayload, Within, payload, write_name},
        model::{
            extra::{Extra, Json, finish, keep},
            fields::{Lenient, Read, Serde, Typed, is_written, read, skip, write},
            members::{Members, whole},
        },
        types::{ENVELOPE, Id, IntoOption, Timestamp},
    };
}

/// Submits the registration of a handler, with lints before it that are allowed. The compiler names this macro where the attribute
/// is inside an `impl`.
#[doc(hidden)]
#[macro_export]
macro_rules! __a_webhook_handler_is_a_free_function {
    ([$($lints:tt)*] $($registration:tt)*) => {
        $($lints)*
        const _: () = {
            $crate::private::submit! { $($registration)* }
        };
    };
    ($($registration:tt)*) => {
        const _: () = {
            $crate::private::submit! { $($registration)* }
        };
    };
}

/// A registration with what stands beside `later`.
#[cfg(feature = "inbox")]
#[doc(hidden)]
#[macro_export]
macro_rules! __later {
    ([$($registration:tt)*] [$($later:tt)*]) => {
        $($registration)*.later($($later)*)
    };
}

/// A registration with what stands beside `later`, for which the program needs the feature.
#[cfg(not(feature = "inbox"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __later {
    ([$($registration:tt)*] [$($later:tt)*]) => {{
        ::core::compile_error!(
            "`later` stores deliveries in an inbox: turn the feature `inbox` of `kiket` on, like `cargo add kiket --features inbox`"
        );
        $($registration)*
    }};
}

/// What `kiket-otel` needs.
pub mod traces {
    use tracing_subscriber::{Layer, Registry};

    pub use crate::client::retry_after;
    pub use crate::metrics::traces::{Attempt, Counts, Refusal, Traces, set};
    use crate::{client, telemetry};

    /// Prepares the process: it has a TLS provider, and keeps the redactors of its extensions.
    pub fn prepare() {
        client::install_tls_provider();
        telemetry::keep_redactors();
    }

    /// A text without the secrets that are known since the start of an extension.
    pub fn redacted(text: &str) -> Option<String> {
        telemetry::redacted(text)
    }

    /// Whether the process has a log subscriber.
    pub fn has_log() -> bool {
        telemetry::is_subscribed()
    }

    /// Makes the log of `kiket::main!` that of the process, with a layer beside it, unless there is another subscriber.
    pub fn install_log(layer: Box<dyn Layer<Registry> + Send + Sync>) {
        telemetry::Log::beside(layer).install();
    }
}

/// The program that a macro is in: the extension of the crate that `module` is in, and of `crates`.
pub struct Program {
    pub module: &'static str,
    pub crates: &'static [&'static str],
    /// Whether a `setup` adds to it.
    pub setup: bool,
}

impl Program {
    fn builder(&self) -> ExtensionBuilder {
        let own = self.module.split("::").next().unwrap_or(self.module);
        Extension::builder().crates_of_program(self.crates, own)
    }

    fn check(&self) -> Check {
        Check::of_program(self.builder().0, self.setup)
    }

    /// The test of `kiket::main!` and `kiket::manifest_test!`: manifest and handlers agree.
    ///
    /// # Panics
    ///
    /// Where they do not.
    pub fn test(&self) {
        self.check().test();
    }
}

/// What `kiket::main!` runs. A hook and a TLS provider of the program's own replace those that are installed here.
pub fn main<S, F>(program: &Program, init: impl FnOnce(), setup: S) -> ExitCode
where
    S: FnOnce(ExtensionBuilder) -> F,
    F: Future<Output = Result<ExtensionBuilder>>,
{
    let works = match cli::arguments() {
        None => false,
        Some(arguments) if cli::is_work(&arguments) => true,
        Some(arguments) => return cli::carry_out(&arguments, || program.check()),
    };
    install_panic_hook();
    init();
    install_tls_provider();
    let builder = program.builder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = runtime.map_err(HandlerError::from).and_then(|runtime| {
        let served = runtime.block_on(serve(builder, setup, works));
        // Other tasks of the program do not delay its end.
        runtime.shutdown_background();
        served
    });
    let code = match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = error.into_error();
            let startup = error.source().and_then(|source| source.downcast_ref::<StartupError>());
            let text = if let Some(startup) = startup {
                format!("error: {startup}")
            } else {
                // `setup` may have failed with any text.
                let text = format!("error: {error:?}\n");
                without_secrets(&text).unwrap_or(text)
            };
            stderr().write(text.as_bytes());
            ExitCode::FAILURE
        }
    };
    traced(|traces| traces.close(LAST_SPANS));
    flush_output(LAST_LINES);
    code
}

/// How long the last spans may take where the server has not sent them.
const LAST_SPANS: Duration = Duration::from_secs(5);

/// How long the last lines may take.
const LAST_LINES: Duration = Duration::from_secs(1);

async fn serve<S, F>(builder: ExtensionBuilder, setup: S, works: bool) -> Result<()>
where
    S: FnOnce(ExtensionBuilder) -> F,
    F: Future<Output = Result<ExtensionBuilder>>,
{
    let log = Log::new();
    let ready = log.until_replaced(async { setup(builder).await }).await;
    log.install();
    let extension = ready?.build()?;
    #[cfg(feature = "inbox")]
    if works {
        return Ok(extension.work().await?);
    }
    let _ = works;
    Ok(extension.bind()?.announced(true).await?)
}

/// The setup of a program without one.
///
/// # Errors
///
/// None.
#[allow(clippy::unused_async)] // `kiket::main!` awaits the setup of the user here
pub async fn no_setup(builder: ExtensionBuilder) -> Result<ExtensionBuilder> {
    Ok(builder)
}
