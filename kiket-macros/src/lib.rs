//! The macros of the `kiket` framework; use them through `kiket`, as `#[kiket::webhook(..)]` and `#[derive(kiket::Event)]`.

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
/// | | `events::IssueCreated` | the name of the event that the type stands for: one of Kiket's own in `kiket::events`, or yours |
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

/// Makes a type stand for an event: it implements `kiket::Event`, whose constant is the event's name.
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
/// | `name = "ship.arrived"` | the name of the event, checked when the program is compiled; required, except with `model` |
/// | `model` | the type is a model too, see below |
/// | `crate = path` | the path to `kiket`, where `Cargo.toml` renames it or another crate re-exports it |
///
/// # Payloads that are read leniently
///
/// How the type is read and written is the business of serde, unless `model` says otherwise. Then the struct is read,
/// written and built as [`Model`] describes, with the same keys at its fields (in `#[event(..)]`), and it is read as
/// the payloads in `kiket::events` are: members may stand at the top of the body or below `data`, `id` and
/// `occurred_at` are those of the delivery, and what the framework reads for itself (`authentication`, `secrets`,
/// `secret_status`, `api`) is not kept. Its fields `id: Option<Id>` and `occurred_at: Option<Timestamp>` are required.
///
/// ```
/// use kiket::{Event, Id, Timestamp, events::Actor};
/// use serde_json::{Map, Value, json};
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
///     pub extra: Map<String, Value>,
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

/// Makes a struct a model: it is read leniently, written in one shape, and built field by field.
///
/// The derive implements `serde::Deserialize` and `serde::Serialize` and adds methods. The struct has named fields,
/// `Default` and `PartialEq`, and a field `extra: serde_json::Map<String, serde_json::Value>` for members without a
/// meaning. To use models inside of an event of your own, see [`Event`](macro@Event).
///
/// ```
/// use kiket::{Id, Model, events::Actor};
/// use serde_json::{Map, Value, json};
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
///     pub extra: Map<String, Value>,
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
/// Names are compared in snake case: `projectId` is `project_id`. What is absent or `null` leaves its field alone. How a
/// field is read follows from its type:
///
/// | Type | Is read from |
/// |---|---|
/// | `Option<T>` of a text, number, `bool`, `Id`, `Value` | one value |
/// | `Option<M>`, `M` of another model | an object, or what its `plain` takes; several members complete one another |
/// | `Vec<T>` | a list |
/// | `serde_json::Map<String, Value>` | an object |
/// | `serde_json::Value` | any value |
///
/// # Keys
///
/// | Above the struct | Means |
/// |---|---|
/// | `expecting = "a ship"` | what an error says was expected |
/// | `plain = path` | a `fn(&mut Self, Id) -> bool` that takes a number or a text that stands for the whole; `false` refuses it |
/// | `crate = path` | the path to `kiket`, where `Cargo.toml` renames it or another crate re-exports it |
///
/// | At a field | Means |
/// |---|---|
/// | `alias = "ship_id"` | another name of the member, or an array of names; may be repeated |
/// | `lenient` | an `Option<String>` or `Vec<String>` whose texts may be numbers, or objects of which the `key` counts, else the `name` |
/// | `serde` | an `Option<T>` that is read by the type's own `Deserialize` |
/// | `flatten` | members of this model may stand beside it |
/// | `flatten(key = "ship_key")` | only these of its members may, each under a name (or an array of names) |
/// | `inside = ship` | the member may stand inside of the member `ship` too |
/// | `new` | the field is an argument of `new` |
///
/// # Methods
///
/// Each field has a method with its name, which sets it: an `Option<T>` takes what converts into a `T` and any `Option`
/// of that, a `Vec<T>` takes what iterates over values that convert, a `Map` is extended, anything else takes what
/// converts. `extra` adds a member.
#[proc_macro_derive(Model, attributes(model))]
pub fn derive_model(input: TokenStream) -> TokenStream {
    model::model(input.into()).into()
}

/// Says which errors of a type are retried: the handlers of a program fail with the type, or with an error whose
/// chain of sources has it.
///
/// ```
/// use kiket::Retry;
///
/// #[derive(Debug, Retry)]
/// enum MailError {
///     /// Kiket does not send the delivery again.
///     #[retry(never)]
///     UnknownAddress,
///     /// Kiket sends it again, after 30 seconds.
///     #[retry(after = "30s")]
///     Busy,
///     /// The response has this status, and Kiket does not send the delivery again.
///     #[retry(status = 409)]
///     SentBefore,
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
/// The advice of an enum stands above its variants, that of a struct above the struct:
///
/// | Key | Means |
/// |---|---|
/// | `never` | Kiket does not send the delivery again |
/// | `after = "30s"` | Kiket sends it again after a while, from `1ms` to an hour, written like a timeout of [`macro@webhook`] |
/// | `status = 409` | the response has this status, from 400 to 499, and Kiket does not send the delivery again |
/// | `crate = path` | above the type: the path to `kiket`, where `Cargo.toml` renames it or another crate re-exports it |
///
/// Delays and statuses are checked when the program is compiled. The type implements `std::error::Error`, which the
/// derive leaves to you (or to `thiserror`). It has no type or lifetime parameters, because an error is looked for in
/// the chain by its type: implement `kiket::Retry` for a generic one by hand, and name each of its types with
/// `builder.classify`.
#[proc_macro_derive(Retry, attributes(retry))]
pub fn derive_retry(input: TokenStream) -> TokenStream {
    retry::retry(input.into()).into()
}
