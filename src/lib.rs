//! Extensions for the [Kiket](https://kiket.dev) platform: an annotated `async fn` is an extension.
//!
//! ```no_run
//! use kiket::prelude::*;
//! use serde_json::json;
//!
//! #[derive(serde::Deserialize)]
//! struct IssueCreated {
//!     issue: Issue,
//! }
//!
//! #[derive(serde::Deserialize)]
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
//! type, run within a deadline, and answered so that Kiket retries what should be retried and nothing else.
//!
//! # Where to look
//!
//! - [`webhook`]: the attribute, what it takes, and what a handler may look like.
//! - [`main!`]: the program around the handlers.
//! - [`Payload`], [`Context`], [`State`], [`Settings`], [`Headers`], [`RawBody`]: the arguments of a handler.
//! - [`events`]: Kiket's own events as types; [`Event`](trait@Event) and [`Model`] for those of your own.
//! - [`RequiredSecret`], [`Context::secret`]: secrets, from the delivery or the environment.
//! - [`Authentication`], [`TokenRules`], [`Auth`]: what proves a delivery, and what it may do.
//! - [`Reply`], [`Json`], [`Error`]: its answers; [`Retry`](derive@Retry) for errors of your own; [`Decision`] of a guard, [`Actions`] for Kiket.
//! - [`notification`]: messages that the extension delivers for Kiket.
//! - [`external_webhook`]: webhooks of others, which Kiket passes on, and their signatures.
//! - [`Endpoints`]: the typed calls to Kiket; [`api`]: what they take and give; [`Client`] for any other.
//! - [`Extension`], [`Builder`]: the same without macros, to configure, mount or embed.
//! - [`testing`]: signed deliveries, the whole stack in process, contexts for handlers called alone, a Kiket of your own.
//! - [`dedupe`]: stores that remember deliveries, so that nothing is done twice.
//! - [`merkle`]: whether an audit record is in a published tree, checked without asking anybody.
//! - [`signature`]: `sign` and `verify`, without the server.
//!
//! If you know another SDK of Kiket: [its code beside ours, and what behaves differently][coming], and [where each feature
//! of the six is here][features].
//!
//! [coming]: https://github.com/kiket-dev/kiket-rust-sdk/blob/main/docs/coming-from-another-sdk.md
//! [features]: https://github.com/kiket-dev/kiket-rust-sdk/blob/main/docs/features.md

pub use kiket_macros::{Event, Model, Retry, webhook};
pub use kiket_runtime::{
    Action, ActionKind, Actions, Answering, Auth, Authentication, Builder, Client, ClientError,
    ClientErrorKind, Clock, Config, Context, Decision, DeclaredEvent, Delivery, Endpoints, Error, ErrorKind,
    Event, EventName, EventVersion, Extension, FieldError, Form, FromDelivery, Handler, HandlerReport,
    Headers, Id, IntoReply, InvalidEventName, InvalidEventVersion, Json, Level, Manifest, Needs, Payload,
    Place, Problem, RawBody, Record, RecordStatus, Reference, Reply, Report, RequiredSecret, Result, Retry,
    Scope, Secret, SecretKey, Server, ServerHandle, Setting, SettingError, Settings, StartupError, State,
    StatusCode, Timeout, Timestamp, TokenRules, UnknownAuthentication, Verdict, api, dedupe, events,
    external_webhook, init_logging, merkle, model, notification, signature, testing,
};

#[doc(hidden)]
pub use kiket_runtime::private as __private;

/// What nearly every handler names.
///
/// ```
/// use kiket::prelude::*;
///
/// async fn on_issue_created(payload: Payload, context: Context) -> kiket::Result<Reply> {
///     Ok(Reply::ok())
/// }
/// # let _ = on_issue_created;
/// ```
pub mod prelude {
    pub use kiket_runtime::{
        Builder, Context, Error, Extension, Headers, Json, Payload, RawBody, Reply, Settings, State,
        StatusCode,
    };
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::json;
}

/// The program around the handlers: sets the log up, reads the manifest, collects the annotated functions, checks
/// that all fit together, and serves until SIGTERM or SIGINT.
///
/// ```no_run
/// # #[kiket::webhook("issue.created", version = "v1")]
/// # async fn on_issue_created() {}
/// kiket::main!();
/// ```
///
/// Three keys, in any order, are optional:
///
/// ```no_run
/// use kiket::prelude::*;
///
/// struct Pool;
///
/// #[kiket::webhook("issue.created", version = "v1")]
/// async fn on_issue_created(pool: State<Pool>) {}
///
/// async fn setup(builder: Builder) -> kiket::Result<Builder> {
///     Ok(builder.state(Pool).strict(true))
/// }
///
/// kiket::main!(setup = setup);
/// ```
///
/// - `setup`: an `async fn(Builder) -> kiket::Result<Builder>` for state, options and handlers without the
///   attribute.
/// - `crates = [handlers_lib]`: the crates whose annotated functions belong to the extension, besides the one
///   that `main!` is in. It also links them: a crate that is named in `Cargo.toml` and nowhere else is dropped by
///   the linker, with its handlers. The handlers of any other crate stop the start. Where `Cargo.toml` renames a
///   crate, write both names, `crates = [h1 = "my_handlers"]`: the name in this program, then the crate's own.
/// - `crate = company::kiket`: the path to this crate, where `Cargo.toml` renames it or another crate re-exports it.
///
/// It expands to `fn main() -> std::process::ExitCode`: success after a drained shutdown, failure when the
/// extension does not start, with every reason printed.
#[macro_export]
macro_rules! main {
    ($($keys:tt)*) => {
        $crate::__main!([] [] [] $($keys)*);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __main {
    ([] $crates:tt $setup:tt) => {
        $crate::__main!([$crate] $crates $setup);
    };
    ($kiket:tt $crates:tt []) => {
        $crate::__main!($kiket $crates [$crate::__private::no_setup]);
    };
    ([$kiket:path] [$($krate:ident = $name:expr,)*] [$setup:expr]) => {
        $(use $krate as _;)*

        fn main() -> ::std::process::ExitCode {
            use $kiket as __kiket;

            __kiket::__private::main(::core::module_path!(), &[$($name),*], $setup)
        }
    };
    ($kiket:tt [] $setup:tt crates = [$($krate:ident $(= $name:literal)?),* $(,)?] $(, $($rest:tt)*)?) => {
        $crate::__main!($kiket [$($krate = $crate::__crate_name!($krate $($name)?),)*] $setup $($($rest)*)?);
    };
    ($kiket:tt $crates:tt [] setup = $setup:expr $(, $($rest:tt)*)?) => {
        $crate::__main!($kiket $crates [$setup] $($($rest)*)?);
    };
    ([] $crates:tt $setup:tt crate = $kiket:path $(, $($rest:tt)*)?) => {
        $crate::__main!([$kiket] $crates $setup $($($rest)*)?);
    };
    ($kiket:tt $crates:tt $setup:tt $($other:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "`kiket::main!` takes `crates = [a_crate]`, `setup = a_function` and `crate = a_path`, each at most once, not `",
            ::core::stringify!($($other)*), "`"
        ));

        // One mistake is not followed by "`main` function not found".
        fn main() {}
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

/// The README's code, as doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The code of the page for those who know another SDK, as doctests.
#[cfg(doctest)]
#[doc = include_str!("../docs/coming-from-another-sdk.md")]
struct ComingFromAnotherSdk;
