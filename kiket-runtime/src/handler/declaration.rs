//! `Handler`: a handler with its options, as the builder takes it.

use std::{any::type_name, borrow::Cow, panic::Location, sync::Arc, time::Duration};

use crate::{
    delivery::{Delivery, HandlerKey},
    error::{Place, Problem, ProblemId, Result},
    handler::{
        extract::Requirements,
        function::{AsyncHandler, HandlerFuture},
        middleware::Middleware,
    },
    types::{Scope, setters},
};
#[cfg(feature = "inbox")]
use crate::{handler::later::Later, types::schedule::ScheduleTimes};

/// A handler with its options, declared without the attribute.
///
/// ```
/// use std::time::Duration;
/// use kiket_runtime::{Extension, Handler, Payload, Reply};
///
/// async fn on_issue_created(payload: Payload) -> Reply {
///     Reply::json(&payload["issue"]["title"])
/// }
///
/// let handler = Handler::new("issue.created", "v1", on_issue_created)
///     .timeout(Duration::from_secs(5))
///     .dedupe(false);
/// let extension = Extension::builder().webhook_secret("sh_123").handler(handler).build()?;
/// assert_eq!(extension.events(), ["issue.created"]);
/// # Ok::<(), kiket_runtime::StartupError>(())
/// ```
#[must_use = "a handler gets no deliveries until it is given to the builder"]
pub struct Handler {
    /// Absent where a problem says why.
    pub(crate) key: Option<HandlerKey>,
    pub(crate) problems: Vec<Problem>,
    /// The path of the function.
    pub(crate) function: Cow<'static, str>,
    pub(crate) place: &'static Location<'static>,
    pub(crate) requirements: Requirements,
    pub(crate) call: HandlerFn,
    pub(crate) timeout: Option<Duration>,
    pub(crate) scopes: Cow<'static, [Scope]>,
    pub(crate) dedupe: bool,
    pub(crate) middleware: Vec<Arc<dyn Middleware>>,
    /// Present where its deliveries are acknowledged first.
    #[cfg(feature = "inbox")]
    pub(crate) later: Option<Later>,
    /// Present where it runs at times, and not at deliveries.
    #[cfg(feature = "inbox")]
    pub(crate) schedule: Option<ScheduleTimes>,
    /// Whether the function returns more than `()`, where the attribute has not judged that.
    #[cfg(feature = "inbox")]
    pub(crate) has_reply: bool,
}

/// Prepares the extractors of a handler, and leaves it ready to run.
pub(crate) type HandlerFn = Box<dyn for<'d> Fn(&'d Delivery) -> Result<HandlerFuture<'d>> + Send + Sync>;

impl Handler {
    /// A handler of `event` in `version`, which are checked when the extension is built.
    #[track_caller]
    pub fn new<A, F: AsyncHandler<A>>(event: &str, version: &str, function: F) -> Self {
        let mut requirements = Requirements::default();
        F::requirements(&mut requirements);
        let mut handler = Self {
            key: None,
            problems: Vec::new(),
            function: Cow::Borrowed(type_name::<F>()),
            place: Location::caller(),
            requirements,
            call: Box::new(move |delivery| function.call(delivery)),
            timeout: None,
            scopes: Cow::Borrowed(&[]),
            dedupe: true,
            middleware: Vec::new(),
            #[cfg(feature = "inbox")]
            later: None,
            #[cfg(feature = "inbox")]
            schedule: None,
            #[cfg(feature = "inbox")]
            has_reply: F::HAS_REPLY,
        };
        let (name, number) = (event.parse(), version.parse());
        if let Err(error) = &name {
            handler.problem(ProblemId::HandlerEvent, format!("`{event}` is not the name of an event"), error);
        }
        if let Err(error) = &number {
            handler.problem(
                ProblemId::HandlerVersion,
                format!("`{version}` is not the version of an event"),
                error,
            );
        }
        handler.key = name.ok().zip(number.ok()).map(|(event, version)| HandlerKey { event, version });
        handler
    }

    fn problem(&mut self, id: ProblemId, what: String, rule: &(impl ToString + ?Sized)) {
        self.problems.push(Problem::new(id, what).at(Place::from(self.place)).mend(rule.to_string()));
    }

    setters! {
        /// Limits how long the handler may run, from 1 ms to an hour, instead of the manifest and
        /// [`ExtensionBuilder::handler_timeout`](crate::ExtensionBuilder::handler_timeout).
        timeout(timeout: Duration) => |handler| handler.timeout = Some(timeout);
        /// Whether a delivery that is sent again gets the stored reply, and the handler does not run again; `true` unless set.
        #[doc(alias = "idempotency")]
        dedupe(dedupe: bool) => |handler| handler.dedupe = dedupe;
        /// Adds [middleware](Middleware) around the handler, inside that of the extension. The first one added is the outermost.
        middleware(middleware: impl Middleware) => |handler| handler.middleware.push(Arc::new(middleware));
    }

    /// Stores deliveries durably, acknowledges them with 202, and runs the handler afterwards, with retries of its own. The
    /// function returns `()` or a `Result<(), E>`, for the response was sent before.
    #[cfg(feature = "inbox")]
    pub fn later(mut self, later: Later) -> Self {
        if self.has_reply {
            self.problem(
                ProblemId::LaterReply,
                format!(
                    "`{}` is a `later` handler and returns a reply, which has no receiver",
                    self.function
                ),
                "return `()`, or a `Result<(), E>`: Kiket has its response before the handler runs",
            );
        }
        if !later.has_valid_lane() {
            self.problem(
                ProblemId::LaterLane,
                format!("`{}` is not a lane", later.lane.as_deref().unwrap_or_default()),
                "a lane is a path in the body: one to eight keys of letters, digits, `_` and `-` joined by dots, like `issue.id`",
            );
        }
        self.later = Some(later);
        self
    }

    /// The scopes that a delivery needs, else its response is 403. They need a mode of
    /// [authentication](crate::ExtensionBuilder::authentication) with runtime tokens.
    pub fn scopes<S: AsRef<str>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        for text in scopes {
            match text.as_ref().parse() {
                Ok(scope) => self.scopes.to_mut().push(scope),
                Err(_) => self.problem(
                    ProblemId::HandlerScope,
                    format!("`{}` is not a scope", text.as_ref()),
                    "a scope is visible ASCII without spaces, at most 128 bytes, like `issues:read`",
                ),
            }
        }
        self
    }
}
