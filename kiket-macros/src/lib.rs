//! The macros of `kiket`. Use them through that crate: `#[kiket::webhook(..)]`, `#[derive(kiket::Event)]`.

mod attributes;
mod diagnostics;
mod krate;
mod model;
mod parts;
mod retry;
mod spans;
mod webhook;

use proc_macro::TokenStream;

/// Makes an `async fn` the handler of an event.
///
/// The attribute does not change the function: you can call it and test it like any other. It only registers the function
/// for `kiket::main!` and `Extension::builder`, which build the extension.
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
/// keys    = "version"    "=" string                required
///         / "timeout"    "=" string
///         / "scopes"     "=" "[" [string *("," string) [","]] "]"
///         / "dedupe"     "=" ("true" / "false")
///         / "middleware" "=" "[" [expression *("," expression) [","]] "]"
///         / "crate"      "=" path
/// ```
///
/// | Part | Like | Means |
/// |---|---|---|
/// | event | `"issue.created"` | the name of the event: one to eight segments of letters, digits, `_` and `-`, joined by dots, at most 128 bytes |
/// | | `events::IssueCreated` | the event of the type: one of Kiket's own in `kiket::events`, or yours |
/// | `version` | `"v1"`, `"2"`, `"1.1"` | the shape of the event; `1`, `v1`, `1.0` and `v1.0` are one version |
/// | `timeout` | `"5s"`, `"250ms"`, `"2m"` | how long the handler may run, up to an hour; without it the manifest decides, and else it is 10 s |
/// | `scopes` | `["issues:read"]` | the permissions that a delivery must carry |
/// | `dedupe` | `false` | whether a delivery that comes again is answered from memory, without running the handler; without it `true` |
/// | `middleware` | `[audit]`, `[Limit::new(5)]` | middleware around this handler, inside that of the extension, the first outermost: functions, and values of types that implement `kiket::middleware::Middleware`, made for each extension |
/// | `crate` | `company::kiket` | the path to this crate, where `Cargo.toml` renames it or another crate re-exports it |
///
/// The other values are literals, and all of it is checked when the program is compiled. A function may have several of these
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
/// At most eight extractors, in any order: types that implement `FromDelivery`, like `Payload<T>` (`Payload` alone is the
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
/// Arguments are extracted in their order, before the function is called. When an extractor fails, for instance because the
/// payload does not decode, the function is not called, and its rejection is the response.
///
/// # Replies
///
/// Any type that implements `IntoReply`: `()`, `Reply`, `Json<T>`, `serde_json::Value`, and `Option` and `Result` of
/// those. The error of a `Result` is any type that converts into `kiket::HandlerError`; it decides whether Kiket retries.
///
/// # Functions
///
/// The function is `async`, in any module, private or not, without `self`, generic or lifetime parameters, `where`,
/// `unsafe` or `extern`. Its future is `Send`. Under a `#[cfg(..)]` the handler is registered only if the function exists.
/// To use the handlers of a library, name the library: `kiket::main!(crates = [my_handlers])`.
///
/// # Mistakes
///
/// All mistakes are reported in one build, each under the tokens to change. The function stays visible to the rest of
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

/// Implements `kiket::Event` for the payload type of an event, so that the type names the event.
///
/// ```
/// use kiket::{Event, prelude::*};
///
/// #[derive(serde::Deserialize, Event)]
/// #[event(name = "ship.arrived")]
/// struct ShipArrived {
///     ship: String,
/// }
///
/// #[kiket::webhook(ShipArrived, version = "v1")]
/// async fn on_ship_arrived(event: Payload<ShipArrived>) -> Json<bool> {
///     Json(event.ship == "Beagle")
/// }
///
/// assert_eq!(ShipArrived::NAME.as_str(), "ship.arrived");
/// ```
///
/// | Key | Means |
/// |---|---|
/// | `name = "ship.arrived"` | the name of the event, checked at compile time; required, except with `model` |
/// | `model` | also derives what [`Model`] does, see below |
/// | `crate = path` | the path to `kiket`, where `Cargo.toml` renames it or another crate re-exports it |
///
/// # Lenient payloads
///
/// Without `model` you implement serde's traits, or derive them. With it the derive implements them as for a [`Model`],
/// with the same keys at the fields, in `#[event(..)]`. The payload is read like those in `kiket::events`: members may be
/// at the top of the body or below `data`, `id` and `occurred_at` are those of the delivery, and the fields that kiket
/// reads itself (`authentication`, `secrets`, `secret_status`, `api`) are not kept. The struct must have the fields
/// `id: Option<Id>` and `occurred_at: Option<Timestamp>`.
///
/// ```
/// use kiket::{Event, events::Actor, model::{Extra, Id, Timestamp}};
/// use serde_json::json;
///
/// #[derive(Debug, Clone, Default, PartialEq, Event)]
/// #[event(name = "ship.arrived", model)]
/// pub struct ShipArrived {
///     #[event(new, alias = "vessel", lenient)]
///     pub ship: Option<String>,
///     #[event(alias = ["captain_id", "master"])]
///     pub captain: Option<Actor>,
///     pub id: Option<Id>,
///     pub occurred_at: Option<Timestamp>,
///     pub extra: Extra,
/// }
///
/// let body = json!({ "id": 9, "data": { "vessel": { "key": "beagle" }, "captainId": 7, "berth": 3 } });
/// let event: ShipArrived = serde_json::from_value(body)?;
/// assert_eq!(event, ShipArrived::new("beagle").captain(7).id(9).extra("berth", 3));
/// assert_eq!(
///     serde_json::to_value(&event)?,
///     json!({ "event": "ship.arrived", "id": 9, "ship": "beagle", "captain": { "id": 7 }, "berth": 3 }),
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    model::event(input.into()).into()
}

/// Derives lenient deserialization, serialization and setters for a struct.
///
/// The derive implements `serde::Deserialize` and `serde::Serialize` and adds methods. The struct has named fields,
/// `Default` and `PartialEq`, and a field `extra: kiket::model::Extra` for unknown members. To use models in an event of your
/// own, see [`Event`](macro@Event).
///
/// ```
/// use kiket::{Model, events::Actor, model::{Extra, Id}};
/// use serde_json::json;
///
/// #[derive(Debug, Clone, Default, PartialEq, Model)]
/// #[model(expecting = "a ship, as an object or its id", plain = Self::take_plain)]
/// pub struct Ship {
///     #[model(new, alias = "ship_id")]
///     pub id: Option<Id>,
///     #[model(lenient)]
///     pub state: Option<String>,
///     pub captain: Option<Actor>,
///     pub ports: Vec<String>,
///     pub extra: Extra,
/// }
///
/// impl Ship {
///     fn take_plain(&mut self, plain: Id) -> bool {
///         self.id = Some(plain);
///         true
///     }
/// }
///
/// let ship: Ship = serde_json::from_value(json!({ "shipId": 42, "state": { "key": "at_sea" }, "captain": null }))?;
/// let captain: Option<&str> = None;
/// assert_eq!(ship, Ship::new(42).state("at_sea").captain(captain));
/// assert_eq!(serde_json::from_value::<Ship>(json!(42))?, Ship::new(42));
/// assert_eq!(serde_json::to_value(&ship)?, json!({ "id": 42, "state": "at_sea" }));
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Reading
///
/// Names are compared in snake case: `projectId` is `project_id`. An absent or `null` member does not change its field. The
/// type of a field decides how it is read:
///
/// | Type | Is read from |
/// |---|---|
/// | `Option<T>` of a text, number, `bool`, `Id`, `Value` | one value |
/// | `Option<M>`, `M` of another model | an object, or a value that its `plain` takes; several members are merged |
/// | `Vec<T>` | a list |
/// | `serde_json::Map<String, Value>` | an object |
/// | `serde_json::Value` | any value |
///
/// # Keys
///
/// | Above the struct | Means |
/// |---|---|
/// | `expecting = "a ship"` | the expected value, for error messages |
/// | `plain = path` | a `fn(&mut Self, Id) -> bool` that takes a number or a text in place of an object; `false` refuses it |
/// | `crate = path` | the path to `kiket`, where `Cargo.toml` renames it or another crate re-exports it |
///
/// | At a field | Means |
/// |---|---|
/// | `alias = "ship_id"` | another name of the member, or an array of names; may be repeated |
/// | `lenient` | an `Option<String>` or `Vec<String>` whose texts may be numbers, or objects, which are read as their `key`, else their `name` |
/// | `serde` | an `Option<T>` that is read by the type's own `Deserialize` |
/// | `flatten` | members of this model may also be beside it |
/// | `flatten(key = "ship_key")` | only these members may, each under a name (or an array of names) |
/// | `inside = ship` | the member may also be inside of the member `ship` |
/// | `new` | the field is an argument of `new` |
///
/// # Methods
///
/// Each field has a setter with its name. That of an `Option<T>` takes a value that converts into a `T`, or an `Option` of
/// one; that of a `Vec<T>` an iterator of such values; that of a `Map` extends it; all others take a value that converts.
/// `extra` adds a member.
#[proc_macro_derive(Model, attributes(model))]
pub fn derive_model(input: TokenStream) -> TokenStream {
    model::model(input.into()).into()
}

/// Derives the retry advice of an error type. Kiket retries a delivery by the advice of the first error in the source
/// chain of what the handler failed with that has some.
///
/// ```
/// use kiket::Retry;
///
/// #[derive(Debug, Retry)]
/// enum MailError {
///     /// Kiket does not send the delivery again.
///     #[retry(never)]
///     UnknownAddress,
///     /// Kiket sends it again, not before 30 seconds have passed.
///     #[retry(after = "30s")]
///     Busy,
///     /// The response has this status, and Kiket does not send the delivery again.
///     #[retry(status = 409)]
///     Duplicate,
///     /// Without advice an error is retried.
///     Disconnected(std::io::Error),
/// }
/// # impl std::fmt::Display for MailError {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
/// #         f.write_str("the mail was not sent")
/// #     }
/// # }
/// # impl std::error::Error for MailError {}
///
/// assert!(MailError::Busy.retry().is_some());
/// assert!(MailError::Disconnected(std::io::ErrorKind::BrokenPipe.into()).retry().is_none());
/// ```
///
/// Write the advice of an enum above its variants, that of a struct above the struct:
///
/// | Key | Means |
/// |---|---|
/// | `never` | Kiket does not send the delivery again |
/// | `after = "30s"` | Kiket sends the delivery again after this delay, from `1ms` to an hour, written like a timeout of [`macro@webhook`] |
/// | `status = 409` | the response has this status, from 400 to 499, and Kiket does not send the delivery again |
/// | `crate = path` | above the type: the path to `kiket`, where `Cargo.toml` renames it or another crate re-exports it |
///
/// Delays and statuses are checked at compile time. You implement `std::error::Error` for the type, for instance with
/// `thiserror`. It has no type or lifetime parameters, because errors in a source chain are found by their type: implement
/// `kiket::Retry` by hand for a generic type, and name each of its concrete types with `builder.classify`.
#[proc_macro_derive(Retry, attributes(retry))]
pub fn derive_retry(input: TokenStream) -> TokenStream {
    retry::retry(input.into()).into()
}
