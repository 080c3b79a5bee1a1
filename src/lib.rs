//! Extensions for the [Kiket](https://kiket.dev) platform: an annotated `async fn` is an extension.
//!
//! ```no_run
//! use kiket::prelude::*;
//!
//! #[derive(Deserialize)]
//! struct IssueCreated {
//!     issue: Issue,
//! }
//!
//! #[derive(Deserialize)]
//! struct Issue {
//!     title: String,
//! }
//!
//! #[kiket::webhook("issue.created", version = "v1")]
//! async fn on_issue_created(payload: Payload<IssueCreated>, context: Context) -> kiket::Result<Reply> {
//!     let retries: u32 = context.settings().get("MAX_RETRIES")?;
//!     Ok(Reply::json(json!({ "title": payload.issue.title, "retries": retries })))
//! }
//!
//! kiket::main!();
//! ```
//!
//! `cargo run` serves it: deliveries are verified, routed by event and version, decoded into the handler's own
//! type and run within a deadline; the response makes Kiket retry what should be retried and nothing else.
//!
//! # Where to look
//!
//! | You look for | It is |
//! |---|---|
//! | the attribute, and what a handler may look like | [`webhook`] |
//! | the program around the handlers | [`main!`]; without macros [`Extension`] and [`ExtensionBuilder`] |
//! | extractors | [`Payload`], [`Context`], [`State`], [`Settings`], [`Headers`], [`Json`], [`RawBody`]; [`handler`] |
//! | replies | [`Reply`], [`Json`], [`Decision`] of a guard; [`IntoReply`] |
//! | errors and retries | [`HandlerError`], [`Error`], [`derive@Retry`]; [`error`] |
//! | middleware | [`middleware`] |
//! | shared state | [`State`] |
//! | Kiket's events as types | [`events`] |
//! | signatures, runtime tokens (JWT), scopes | [`auth`], [`signature`] |
//! | calls to Kiket: pagination, rate limit, backoff, idempotency keys | [`api`], [`client`] |
//! | settings, secrets, the environment | [`config`], [`manifest`] |
//! | at-least-once delivery: deduplication and replay | [`dedupe`] |
//! | the server, health checks, graceful shutdown | [`http`] |
//! | routes of your own, background tasks | [`ExtensionBuilder::routes`], [`background`](ExtensionBuilder::background) |
//! | logs, telemetry, counters | [`telemetry`] |
//! | traces (OpenTelemetry) | the crate [`kiket-otel`](https://docs.rs/kiket-otel) |
//! | tests, a fake platform | [`testing`] |
//!
//! # Platforms
//!
//! kiket is tested on Linux. It is written for macOS and Windows, too. On Windows a graceful shutdown begins with Ctrl-C or
//! Ctrl-Break, on the others with SIGTERM, SIGINT, SIGHUP or SIGQUIT.
//!
//! # Coming from another SDK
//!
//! [Migrating][migrating] has code of the other SDKs beside ours, and what behaves differently; [features][features] has
//! where each feature of the six is here.
//!
//! [migrating]: https://github.com/kiket-dev/kiket-rust-sdk/blob/main/docs/migrating.md
//! [features]: https://github.com/kiket-dev/kiket-rust-sdk/blob/main/docs/features.md

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "testing")]
pub use kiket_macros::replay;
#[cfg(feature = "inbox")]
pub use kiket_macros::schedule;
pub use kiket_macros::{Event, Model, Retry, webhook};
// Where a name of another crate is exported, rustdoc has the aliases of the `pub use` only.
#[doc(alias("retry", "backoff"))]
pub use kiket_runtime::Error;
#[doc(alias("extractor", "FromRequest"))]
pub use kiket_runtime::FromDelivery;
#[doc(alias("deduplication", "replay", "redelivery"))]
#[doc(inline)]
pub use kiket_runtime::dedupe;
#[cfg(feature = "inbox")]
#[doc(alias("dead letter", "queue", "redrive", "deferred work"))]
pub use kiket_runtime::inbox;
pub use kiket_runtime::{
    Context, Decision, Delivery, Event, EventName, EventVersion, Extension, ExtensionBuilder, Handler,
    HandlerError, Headers, IntoReply, Json, Payload, RawBody, Reply, Result, Retry, Secret, Settings, State,
    events, external_webhook, merkle, model, notification, signature,
};
#[cfg(feature = "postgres")]
pub use kiket_runtime::{params, transaction, transaction::Tx};

#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
#[doc(inline)]
pub use kiket_testing as testing;

#[doc(hidden)]
pub use kiket_runtime::private as __private;

/// Actions: what a reply asks Kiket to carry out, like a comment, a transition or an assignment.
pub mod actions {
    pub use kiket_runtime::actions::{Action, ActionKind, Actions};
}

/// The typed calls to Kiket's REST API: [`Endpoints`](api::Endpoints), and the requests and responses of its families.
///
/// Lists are paginated streams: see [`Paginator`](api::Paginator).
#[doc(alias = "REST")]
#[doc(alias = "pagination")]
pub mod api {
    #[doc(alias("pagination", "pages", "Items", "stream", "cursor"))]
    pub use kiket_runtime::api::Paginator;
    pub use kiket_runtime::api::*;
}

/// Authentication and authorization: signatures, runtime tokens (JWT), and the scopes that they grant.
///
/// [`Authentication`](auth::Authentication) says what proves that a delivery is from Kiket, and
/// [`TokenRules`](auth::TokenRules) which runtime tokens are accepted, verified with the keys of a JWKS.
/// [`Auth`](auth::Auth) is what a verified token says.
#[doc(alias = "JWT")]
#[doc(alias = "JWKS")]
#[doc(alias = "HMAC")]
#[doc(alias = "authorization")]
#[doc(alias = "permission")]
pub mod auth {
    pub use kiket_runtime::auth::{
        Auth, Authentication, AuthenticationModeError, Scope, ScopeError, TokenRules,
    };
}

/// The HTTP client of Kiket's API: retries with exponential backoff, rate limit, idempotency keys.
///
/// [`Endpoints`](api::Endpoints) has the typed calls, and [`ClientOptions`](extension::ClientOptions) the timeouts and
/// limits.
#[doc(alias = "backoff")]
#[doc(alias = "exponential backoff")]
#[doc(alias = "jitter")]
#[doc(alias = "rate limit")]
#[doc(alias = "idempotency key")]
pub mod client {
    #[doc(alias("retry", "http client", "timeout"))]
    pub use kiket_runtime::client::Client;
    pub use kiket_runtime::{
        api::RateWindow,
        error::{ClientError, ClientErrorKind},
    };
}

/// The commands of an extension's program, `kiket handlers` and `kiket check`, for a `main` of your own.
pub mod cli {
    pub use kiket_runtime::extension::cli::run;
}

/// Configuration: each value comes from the builder, else from the environment, else from the manifest, else from a
/// default.
#[doc(alias = "environment variables")]
pub mod config {
    pub use kiket_runtime::config::{Clock, Config, SettingError, SettingErrorKind, Settings};
}

/// Errors of handlers and of calls, and the retry advice that they carry.
///
/// An error decides whether Kiket retries the delivery: see [`Error`]. What keeps an extension from starting is
/// in [`startup`].
#[doc(alias = "error handling")]
#[doc(alias = "retry")]
pub mod error {
    pub use kiket_runtime::error::{
        Advice, ClientError, ClientErrorKind, Error, ErrorKind, FieldError, HandlerError, IntoHandlerError,
        PayloadRejection, Result, Retry, VerificationError, VerificationErrorKind,
    };
}

/// Describing an extension: the builder, and its groups of options.
#[doc(alias = "builder")]
pub mod extension {
    #[cfg(feature = "inbox")]
    pub use kiket_runtime::extension::InboxOptions;
    pub use kiket_runtime::extension::{
        ClientOptions, DedupeOptions, Extension, ExtensionBuilder, HttpOptions, Shutdown, TelemetryOptions,
    };
}

/// Guards: handlers of `workflow.before_…` events, whose reply is a [`Decision`] that allows or denies.
pub mod guard {
    pub use kiket_runtime::guard::{Decision, Verdict};
}

/// Handlers and extractors: what an `async fn` may take and return to handle an event.
///
/// An argument is an *extractor*: a type that implements [`FromDelivery`]. A return value implements [`IntoReply`].
#[doc(alias = "extractor")]
#[doc(alias = "extract")]
#[doc(alias = "shared state")]
pub mod handler {
    #[cfg(feature = "inbox")]
    pub use kiket_runtime::handler::Later;
    pub use kiket_runtime::handler::{
        AsyncHandler, Context, FromDelivery, Handler, HandlerFuture, IntoReply, Json, Payload, RawBody,
        Reply, RequiredSecret, Requirements, SecretKey, State, Timeout, TimeoutError,
    };
}

/// The HTTP server: its routes and health checks, liveness and readiness, and graceful shutdown.
///
/// [`Extension::serve`] runs it; [`Extension::routes`] mounts the routes into an actix-web app of your own. `/health`
/// returns the extension's id, version and events, `/health/live` is the liveness probe, and `/health/ready` the
/// readiness probe: 503 while the server drains. Limits are [`HttpOptions`](extension::HttpOptions).
#[doc(alias = "graceful shutdown")]
#[doc(alias = "health check")]
#[doc(alias = "healthz")]
#[doc(alias = "liveness")]
#[doc(alias = "readiness")]
#[doc(alias = "drain")]
#[doc(alias = "actix")]
pub mod http {
    pub use kiket_runtime::{
        StatusCode,
        http::{AppServer, HeadersIter, Server, ServerHandle, ServiceConfig},
    };
}

/// The manifest, `extension.yaml`: what an extension declares to Kiket.
#[doc(alias = "extension.yaml")]
#[doc(alias = "YAML")]
pub mod manifest {
    pub use kiket_runtime::manifest::{DeclaredEvent, Form, Manifest, Reference, Setting};
}

/// Middleware: code around every handler, which can stop a delivery, see its outcome, and put values into it.
///
/// [`ExtensionBuilder::middleware`] adds it around all handlers, [`Handler::middleware`] around one.
#[doc(alias = "layer")]
#[doc(alias = "from_fn")]
#[doc(alias = "interceptor")]
pub mod middleware {
    #[doc(alias = "Extension")]
    pub use kiket_runtime::handler::FromMiddleware;
    pub use kiket_runtime::handler::{HandlerOutcome, Middleware, MiddlewareFn, Next};
}

/// Startup: the errors that keep an extension from starting, each with its place and its fix, and the report of a start.
pub mod startup {
    #[cfg(feature = "inbox")]
    pub use kiket_runtime::extension::{LaterReport, ScheduleReport};
    pub use kiket_runtime::{
        error::{Place, Problem, ProblemId, ProblemIdError, StartupError},
        extension::{HandlerReport, Report},
    };
}

/// Telemetry and logging: records of deliveries, counters, and the log of `kiket::main!`.
///
/// Traces for OpenTelemetry are a crate of their own, [`kiket-otel`](https://docs.rs/kiket-otel).
#[doc(alias = "logging")]
#[doc(alias = "metrics")]
#[doc(alias = "tracing")]
#[doc(alias = "OpenTelemetry")]
pub mod telemetry {
    pub use kiket_runtime::telemetry::{
        Record, RecordStatus, Stats, init_logging, install_panic_hook, log_writer,
    };
}

/// The names that nearly every handler uses, with serde's derives and `json!`.
///
/// It has no `Error` and no `Builder`, which would collide with those of std and tokio. Its [`Context`] collides with
/// `anyhow::Context`: import that one as `_`.
///
/// ```
/// use kiket::prelude::*;
///
/// #[derive(Deserialize)]
/// struct IssueCreated {
///     title: String,
/// }
///
/// async fn on_issue_created(payload: Payload<IssueCreated>, context: Context) -> kiket::Result<Reply> {
///     Ok(Reply::json(json!({ "title": payload.title, "event": context.event() })))
/// }
/// # let _ = on_issue_created;
/// ```
pub mod prelude {
    pub use kiket_runtime::{
        Context, Decision, Extension, ExtensionBuilder, HandlerError, Headers, Json, Payload, RawBody, Reply,
        Settings, State, StatusCode,
    };
    #[cfg(feature = "postgres")]
    pub use kiket_runtime::{params, transaction::Tx};
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::json;
}

/// The program around the handlers: sets the log up, reads the manifest, collects the annotated functions, checks
/// that all fit together, and serves until SIGTERM or one of its like.
///
/// ```no_run
/// # #[kiket::webhook("issue.created", version = "v1")]
/// # async fn on_issue_created() {}
/// kiket::main!();
/// ```
///
/// Four keys, in any order, are optional:
///
/// ```no_run
/// use kiket::prelude::*;
///
/// struct Pool;
///
/// #[kiket::webhook("issue.created", version = "v1")]
/// async fn on_issue_created(pool: State<Pool>) {}
///
/// async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
///     Ok(builder.state(Pool).strict(true))
/// }
///
/// kiket::main!(setup = setup);
/// ```
///
/// - `setup`: an `async fn(ExtensionBuilder) -> kiket::Result<ExtensionBuilder>` for state, options and handlers without the
///   attribute.
/// - `init`: a `fn()` that runs first, before the program has a TLS provider, for example to install another one. A log
///   subscriber and a panic hook of your own can be set there or in `setup`.
/// - `crates = [handlers_lib]`: the crates whose annotated functions belong to the extension, besides the one
///   that `main!` is in. It also links them: a crate that is named in `Cargo.toml` and nowhere else is dropped by
///   the linker, with its handlers. The handlers of any other crate stop the start. Where `Cargo.toml` renames a
///   crate, write both names, `crates = [h1 = "my_handlers"]`: the name in this program, then the crate's own.
/// - `crate = company::kiket`: the path to this crate, where `Cargo.toml` renames it or another crate re-exports it.
///
/// It expands to `fn main() -> std::process::ExitCode`: success after a drained shutdown, failure when deliveries were cut
/// off, and when the extension does not start, with every reason printed.
///
/// Where the first argument is `kiket`, the program carries out a [command](cli) of the developer tool instead: `kiket check` and
/// `kiket handlers`, without `init` and `setup`.
///
/// In a test build it also generates a test, `the_manifest_fits_the_handlers`: see [`manifest_test!`].
///
/// Before `setup` it installs a [panic hook](telemetry::install_panic_hook), and a TLS provider of rustls unless `init`
/// installed one; after `setup` the log subscriber of [`init_logging`](telemetry::init_logging), unless there is one.
#[macro_export]
macro_rules! main {
    ($($keys:tt)*) => {
        $crate::__main!([] [] [] [] $($keys)*);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __main {
    ([] $crates:tt $init:tt $setup:tt) => {
        $crate::__main!([$crate] $crates $init $setup);
    };
    ($kiket:tt $crates:tt [] $setup:tt) => {
        $crate::__main!($kiket $crates [|| {}] $setup);
    };
    ($kiket:tt $crates:tt $init:tt []) => {
        $crate::__main!($kiket $crates $init [false, $crate::__private::no_setup]);
    };
    ([$kiket:path] [$($krate:ident = $name:expr,)*] [$init:expr] [$has_setup:literal, $setup:expr]) => {
        $(use $krate as _;)*

        fn main() -> ::std::process::ExitCode {
            use $kiket as __kiket;

            let program = $crate::__program!(__kiket $has_setup $($name,)*);
            __kiket::__private::main(&program, $init, $setup)
        }

        $crate::__manifest_test!([$kiket] $has_setup $($name,)*);
    };
    ($kiket:tt [] $init:tt $setup:tt crates = [$($krate:ident $(= $name:literal)?),* $(,)?] $(, $($rest:tt)*)?) => {
        $crate::__main!($kiket [$($krate = $crate::__crate_name!($krate $($name)?),)*] $init $setup $($($rest)*)?);
    };
    ($kiket:tt $crates:tt [] $setup:tt init = $init:expr $(, $($rest:tt)*)?) => {
        $crate::__main!($kiket $crates [$init] $setup $($($rest)*)?);
    };
    ($kiket:tt $crates:tt $init:tt [] setup = $setup:expr $(, $($rest:tt)*)?) => {
        $crate::__main!($kiket $crates $init [true, $setup] $($($rest)*)?);
    };
    ([] $crates:tt $init:tt $setup:tt crate = $kiket:path $(, $($rest:tt)*)?) => {
        $crate::__main!([$kiket] $crates $init $setup $($($rest)*)?);
    };
    ($kiket:tt $crates:tt $init:tt $setup:tt $($other:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "`kiket::main!` takes `crates = [a_crate]`, `setup = a_function`, `init = a_function` and `crate = a_path`, \
             each at most once, not `",
            ::core::stringify!($($other)*), "`"
        ));

        // One mistake is not followed by "`main` function not found".
        fn main() {}
    };
}

/// A test that the manifest of the package declares what the handlers handle, as `kiket::main!` makes one: for programs that
/// have a `main` of their own.
///
/// ```
/// # #[kiket::webhook("issue.created", version = "v1")]
/// # async fn on_issue_created() {}
/// kiket::manifest_test!();
/// ```
///
/// It takes `crates = [handlers_lib]` and `crate = company::kiket`, as [`main!`](macro@main) does. It fails with what the start
/// would report: a misspelt hook, two handlers of one event, a manifest that is no YAML. What handlers of the builder could
/// mend does not fail, and is printed. Without a manifest in the folder of the package it passes, and says so.
#[macro_export]
macro_rules! manifest_test {
    ($($keys:tt)*) => {
        $crate::__manifest_test_of!([] [] $($keys)*);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __manifest_test_of {
    ([] $crates:tt) => {
        $crate::__manifest_test_of!([$crate] $crates);
    };
    ($kiket:tt [$($krate:ident = $name:expr,)*]) => {
        $(#[cfg(test)] use $krate as _;)*
        $crate::__manifest_test!($kiket true $($name,)*);
    };
    ($kiket:tt [] crates = [$($krate:ident $(= $name:literal)?),* $(,)?] $(, $($rest:tt)*)?) => {
        $crate::__manifest_test_of!(
            $kiket [$($krate = $crate::__crate_name!($krate $($name)?),)*] $($($rest)*)?
        );
    };
    ([] $crates:tt crate = $kiket:path $(, $($rest:tt)*)?) => {
        $crate::__manifest_test_of!([$kiket] $crates $($($rest)*)?);
    };
    ($kiket:tt $crates:tt $($other:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "`kiket::manifest_test!` takes `crates = [a_crate]` and `crate = a_path`, each at most once, not `",
            ::core::stringify!($($other)*), "`"
        ));
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __manifest_test {
    ([$kiket:path] $has_setup:literal $($name:expr,)*) => {
        #[cfg(test)]
        #[::core::prelude::v1::test]
        fn the_manifest_fits_the_handlers() {
            use $kiket as __kiket;

            $crate::__program!(__kiket $has_setup $($name,)*).test();
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __program {
    ($kiket:ident $has_setup:literal $($name:expr,)*) => {
        $kiket::__private::Program {
            module: ::core::module_path!(),
            crates: &[$($name),*],
            setup: $has_setup,
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __crate_name {
    ($krate:ident) => {
        ::core::stringify!($krate)
    };
    ($krate:ident $name:literal) => {
        $name
    };
}

// The code of README, of every page in `docs`, and of the documentation of the macros, as doctests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;

    #[doc = include_str!("../docs/authentication.md")]
    struct Authentication;

    #[doc = include_str!("../docs/background-tasks.md")]
    struct BackgroundTasks;

    #[doc = include_str!("../docs/calling-kiket.md")]
    struct CallingKiket;

    #[doc = include_str!("../docs/calling-other-apis.md")]
    struct CallingOtherApis;

    #[doc = include_str!("../docs/deduplication.md")]
    struct Deduplication;

    #[cfg(feature = "inbox")]
    #[doc = include_str!("../docs/deferred-work.md")]
    struct DeferredWork;

    #[doc = include_str!("../docs/deployment.md")]
    struct Deployment;

    #[doc = include_str!("../docs/events.md")]
    struct Events;

    #[doc = include_str!("../docs/extractors-and-replies.md")]
    struct ExtractorsAndReplies;

    #[doc = include_str!("../docs/manifest-and-settings.md")]
    struct ManifestAndSettings;

    #[doc = include_str!("../docs/metrics.md")]
    struct Metrics;

    #[doc = include_str!("../docs/middleware.md")]
    struct Middleware;

    #[doc = include_str!("../docs/migrating.md")]
    struct Migrating;

    #[doc = include_str!("../docs/operations.md")]
    struct Operations;

    #[doc = include_str!("../docs/own-routes.md")]
    struct OwnRoutes;

    #[cfg(all(feature = "inbox", feature = "postgres"))]
    #[doc = include_str!("../docs/problems.md")]
    struct Problems;

    #[doc = include_str!("../docs/retries-and-errors.md")]
    struct RetriesAndErrors;

    #[doc = include_str!("../docs/testing.md")]
    struct Testing;

    #[doc = include_str!("../docs/wire-contract.md")]
    struct WireContract;

    #[doc = include_str!("../kiket-macros/docs/event.md")]
    struct DeriveEvent;

    #[doc = include_str!("../kiket-macros/docs/model.md")]
    struct DeriveModel;

    #[doc = include_str!("../kiket-macros/docs/replay.md")]
    struct Replay;

    #[doc = include_str!("../kiket-macros/docs/retry.md")]
    struct DeriveRetry;

    #[cfg(feature = "inbox")]
    #[doc = include_str!("../kiket-macros/docs/schedule.md")]
    struct Schedule;

    #[doc = include_str!("../kiket-macros/docs/webhook.md")]
    struct Webhook;
}
