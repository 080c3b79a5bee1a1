//! The attribute macro of the `kiket` framework; use it through `kiket`, as `#[kiket::webhook(..)]`.

mod diagnostics;
mod krate;
mod parts;
mod spans;
mod webhook;

use proc_macro::TokenStream;

/// Makes an `async fn` the handler of an event.
///
/// The function stays the function that was written: it can be called and tested like any other. The attribute only
/// adds it to the list from which `kiket::main!` or `Extension::builder` builds the extension.
///
/// ```no_run
/// use kiket::prelude::*;
/// use serde_json::json;
///
/// #[derive(serde::Deserialize)]
/// struct IssueCreated {
///     title: String,
/// }
///
/// /// Greets every new issue.
/// #[kiket::webhook("issue.created", version = "v1")]
/// async fn on_issue_created(issue: Payload<IssueCreated>, context: Context) -> kiket::Result<Reply> {
///     let greeting: String = context.settings().get("GREETING")?;
///     Ok(Reply::json(json!({ "comment": format!("{greeting}: {}", issue.title) })))
/// }
///
/// kiket::main!();
/// ```
///
/// # The attribute
///
/// ```text
/// webhook = event "," keys [","]                   the event first, the keys in any order, each once
/// event   = string / type                          a type that implements `kiket::Event` has the name
/// keys    = "version" "=" string                   required
///         / "timeout" "=" string
///         / "scopes"  "=" "[" [string *("," string) [","]] "]"
///         / "dedupe"  "=" ("true" / "false")
///         / "crate"   "=" path
/// ```
///
/// | Part | Like | Means |
/// |---|---|---|
/// | event | `"issue.created"` | the name of the event: one to eight segments of letters, digits, `_` and `-`, joined by dots, at most 128 bytes |
/// | | `events::IssueCreated` | the name of the event that the type stands for: one of Kiket's own in `kiket::events`, or yours |
/// | `version` | `"v1"`, `"2"`, `"1.1"` | the shape of the event; `1`, `v1`, `1.0` and `v1.0` are one version |
/// | `timeout` | `"5s"`, `"250ms"`, `"2m"` | how long the handler may run, up to an hour; without it the manifest decides, and else it is 10 s |
/// | `scopes` | `["issues:read"]` | the permissions that a delivery must carry |
/// | `dedupe` | `false` | whether a delivery that comes again is answered from memory, without running the handler; without it `true` |
/// | `crate` | `company::kiket` | the path to this crate, where `Cargo.toml` renames it or another crate re-exports it |
///
/// Everything else is a literal, and all of it is checked when the program is compiled. A function may have several of these
/// attributes, and is then the handler of several events or versions. For the same event and version there is one handler.
///
/// ```
/// use kiket::{events::IssueTransitioned, prelude::*};
///
/// #[kiket::webhook(IssueTransitioned, version = "v1")]
/// async fn on_transition(event: Payload<IssueTransitioned>) -> Json<bool> {
///     Json(event.transition.to.as_deref() == Some("done"))
/// }
/// ```
///
/// # Arguments
///
/// Nought to eight, in any order, each of a type that implements `FromDelivery`: `Payload<T>` (`Payload` alone is the
/// JSON value), `Context`, `State<T>`, `Settings`, `Headers`, `RawBody`, or one of your own. Patterns work, and so do
/// types that borrow from the delivery:
///
/// ```
/// # use kiket::prelude::*;
/// # struct Index;
/// # impl Index {
/// #     async fn rename(&self, _title: &str) {}
/// # }
/// #[derive(serde::Deserialize)]
/// struct IssueRef<'a> {
///     title: &'a str,
/// }
///
/// #[kiket::webhook("issue.updated", version = "v1", timeout = "500ms")]
/// async fn on_issue_updated(Payload(issue): Payload<IssueRef<'_>>, index: State<Index>) {
///     index.rename(issue.title).await;
/// }
/// ```
///
/// Arguments are taken in the order in which they stand, before the function is called. When one cannot be had, for
/// instance because the payload does not decode, the function is not called and the delivery is answered with the error.
///
/// # Answers
///
/// Any type that implements `IntoReply`: `()`, `Reply`, `Json<T>`, `serde_json::Value`, and `Option` and `Result` of
/// those. The error of a `Result` is anything that `?` turns into `kiket::Error`; it decides whether Kiket tries again.
///
/// # Where it can stand
///
/// Above a function of any module, private or not, that is `async`, has no `self`, no generic or lifetime parameters, no
/// `where`, `unsafe` or `extern`. Its future is `Send`. Under a `#[cfg(..)]` the handler is registered where the function
/// exists. Handlers of a library belong to the extension when the library is named: `kiket::main!(crates = [my_handlers])`.
///
/// # Mistakes
///
/// All mistakes are reported in one build, each under what must change, and the function stays visible to the rest of
/// the program:
///
/// ```text
/// error: a webhook names the version of its event, like `version = "v1"`
///  --> src/main.rs:3:1
///   |
/// 3 | #[kiket::webhook("issue.created")]
///   | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
///
/// error: a webhook handler is an `async fn`, like `async fn on_issue_created(payload: Payload)`
///  --> src/main.rs:4:1
///   |
/// 4 | fn on_issue_created(payload: Payload<IssueCreated>) {}
///   | ^^
/// ```
#[proc_macro_attribute]
pub fn webhook(args: TokenStream, item: TokenStream) -> TokenStream {
    webhook::webhook(args.into(), item.into()).into()
}
