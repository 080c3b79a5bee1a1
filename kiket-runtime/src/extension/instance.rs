//! An extension that is ready: its handlers, its configuration, and how it is served.

use std::{fmt, mem, sync::Arc, time::Duration};

use crate::{
    api::Endpoints,
    client::Client,
    config::Config,
    error::{Error, Result, StartupError},
    extension::report::{Report, announce},
    handler::State,
    http::{Announce, AppServer, Routes, Server, ServiceConfig},
    metrics::Stats,
    pipeline::Pipeline,
    telemetry::dropped_lines,
    types::Mutex,
};
#[cfg(feature = "inbox")]
use crate::{
    delivery::InboxHandle,
    store::inbox::{ClaimedWork, NotRunError, WorkEnd},
    worker::{UNREADABLE, Workers},
};

/// An extension that is ready to serve: its handlers, secrets and settings are known and checked.
///
/// [`kiket::main!`](https://docs.rs/kiket/latest/kiket/macro.main.html) makes and serves one. By hand it can be
/// served with [`serve`](Self::serve), mounted into an actix-web `App` with [`routes`](Self::routes), or tested in
/// process with [`TestExtension`](https://docs.rs/kiket/latest/kiket/testing/struct.TestExtension.html). It is cheap to
/// clone, and the clones are the same extension.
///
/// ```
/// use kiket_runtime::{Extension, Reply};
///
/// async fn on_issue_created() -> Reply {
///     Reply::ok()
/// }
///
/// let extension = Extension::builder()
///     .webhook_secret("sh_123")
///     .on("issue.created", "v1", on_issue_created)
///     .build()?;
/// assert_eq!(extension.events(), ["issue.created"]);
/// # Ok::<(), kiket_runtime::error::StartupError>(())
/// ```
#[derive(Clone)]
pub struct Extension(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) routes: Routes,
    pub(crate) config: Config,
    pub(crate) report: Report,
    /// The background tasks that have not started.
    pub(crate) background: Mutex<Vec<Start>>,
}

/// Starts a background task.
pub(crate) type Start = Box<dyn FnOnce(Extension) + Send>;

impl Extension {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    pub(crate) fn pipeline(&self) -> &Arc<Pipeline> {
        &self.0.routes.pipeline
    }

    /// Starts the workers of the inbox.
    #[cfg(feature = "inbox")]
    pub(super) fn start_workers(&self) {
        if let Some(workers) = &self.0.routes.workers {
            workers.start();
        }
    }

    /// The workers of the inbox.
    #[cfg(feature = "inbox")]
    pub(crate) fn workers(&self) -> Option<&Workers> {
        self.0.routes.workers.as_deref()
    }

    /// Takes the background tasks that have not started.
    pub(super) fn take_background(&self) -> Vec<Start> {
        mem::take(&mut *self.0.background.lock())
    }

    /// The report of the start: the handlers, and the warnings.
    pub fn report(&self) -> &Report {
        &self.0.report
    }

    /// The configuration, with every layer applied.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The id of the extension, if the builder or the manifest has one.
    pub fn id(&self) -> Option<&str> {
        self.0.config.extension_id()
    }

    /// The version of the extension, if the builder or the manifest has one.
    pub fn version(&self) -> Option<&str> {
        self.0.config.extension_version()
    }

    /// The client for calls outside of a delivery, for example from a background task.
    pub fn client(&self) -> Client {
        self.pipeline().services.client.clone()
    }

    /// The typed calls to Kiket, outside of a delivery.
    pub fn endpoints(&self) -> Endpoints {
        self.client().into()
    }

    /// The inbox, to schedule work for `later` handlers outside of a delivery.
    #[cfg(feature = "inbox")]
    pub fn inbox(&self) -> InboxHandle {
        InboxHandle::new(Arc::clone(&self.pipeline().services))
    }

    /// Runs the handler of work once, and returns how the attempt ended: for an [`Inbox`](crate::inbox::Inbox) of yours whose
    /// work is not claimed, since a queue or an engine hands it out. The attempt is logged and counted as that of a worker is. To
    /// stop the handler at its current `.await`, drop the future.
    ///
    /// An attempt beyond those of the handler does not run; what the work has of a lease and of crashes is not looked at. Handlers that
    /// block hold the thread that polls the future.
    ///
    /// # Errors
    ///
    /// When this build cannot run the work now: it has no such handler, or no key that opens its content, or its schedule was
    /// changed. That counts as no attempt.
    #[cfg(feature = "inbox")]
    pub async fn run_work(&self, work: &ClaimedWork) -> Result<WorkEnd, NotRunError> {
        match self.workers() {
            Some(workers) => workers.runner().run_once(work).await,
            None => Err(NotRunError { delay: UNREADABLE }),
        }
    }

    /// The value of type `T` that the builder was given as [`state`](crate::ExtensionBuilder::state), for background tasks.
    /// Handlers and own routes take it as [`State<T>`].
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<State<T>> {
        self.pipeline().services.states.get().map(State)
    }

    /// The events that have a handler, sorted, each once.
    pub fn events(&self) -> Vec<&str> {
        self.0.routes.events()
    }

    /// How many deliveries are running.
    pub fn in_flight(&self) -> usize {
        self.pipeline().concurrency.in_flight()
    }

    /// Listens on the configured address, and serves once [`Server::run`] is called.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub fn bind(&self) -> Result<Server, StartupError> {
        Server::bind(self.0.routes.clone(), self.0.config.host(), self.0.config.port(), self.announcement())
    }

    /// Listens, prints the report of the start, and serves until SIGTERM or one of its like, then shuts down gracefully; see
    /// [`Server::run`]. The report goes to the log, or to standard output if the program has no log subscriber.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on, deliveries had to be cut off, or the operating system fails.
    pub async fn serve(&self) -> Result<(), Error> {
        Ok(self.bind()?.announced(true).await?)
    }

    /// Works on what waits in the inbox, until SIGTERM or one of its like, as [`serve`](Self::serve) does, and serves no deliveries:
    /// what `kiket work` does. It listens where `serve` would, for health checks alone, and drains as `serve` does.
    ///
    /// A process that is to accept deliveries and to leave the work to such workers has
    /// [`workers(0)`](super::InboxOptions::workers).
    ///
    /// # Errors
    ///
    /// When no handler is a `later` handler, the address cannot be listened on, or the operating system fails.
    #[cfg(feature = "inbox")]
    #[doc(alias = "worker")]
    pub async fn work(&self) -> Result<(), Error> {
        let routes = self.0.routes.clone().of_worker();
        let routes = routes.ok_or_else(|| Error::permanent("there is no `later` handler to work for"))?;
        let server = Server::bind(routes, self.0.config.host(), self.0.config.port(), self.announcement())?;
        Ok(server.announced(true).await?)
    }

    /// Runs the server of an actix-web app that the [routes](Self::routes) are mounted into, as [`serve`](Self::serve) runs its
    /// own: prints the report of the start, and shuts down gracefully on SIGTERM and its like.
    ///
    /// Build the server with `disable_signals()`: this method handles them. Requests of the app that outlive the grace
    /// period, or the app's own `shutdown_timeout`, are cut off.
    ///
    /// ```no_run
    /// # use actix_web::{App, HttpServer};
    /// # async fn run(extension: kiket_runtime::Extension) -> Result<(), Box<dyn std::error::Error>> {
    /// let routes = extension.routes();
    /// let server = HttpServer::new(move || App::new().configure(routes.clone()))
    ///     .disable_signals()
    ///     .bind(("127.0.0.1", 8000))?
    ///     .run();
    /// extension.serve_app(server).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the address of metrics cannot be listened on, deliveries had to be cut off, or the operating system fails.
    #[doc(alias = "graceful shutdown")]
    pub async fn serve_app(&self, server: AppServer) -> Result<(), Error> {
        let server = Server::of_app(server, self.0.routes.clone(), self.announcement())?;
        Ok(server.announced(true).await?)
    }

    fn announcement(&self) -> Announce {
        let extension = self.clone();
        Box::new(move |addresses, metrics, always| {
            announce(extension.report(), addresses, metrics, always);
            extension.start_background();
        })
    }

    /// The routes of the extension, to mount into an actix-web `App` of your own:
    ///
    /// ```no_run
    /// # use kiket_runtime::{Extension, Reply};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let extension = Extension::builder()
    ///     .webhook_secret("sh_123")
    ///     .http(|http| http.prefix("/kiket"))
    ///     .on("issue.created", "v1", async || Reply::ok())
    ///     .build()?;
    /// let routes = extension.routes();
    /// let server = actix_web::HttpServer::new(move || actix_web::App::new().configure(routes.clone()))
    ///     .disable_signals()
    ///     .bind(("127.0.0.1", 8000))?
    ///     .run();
    /// extension.serve_app(server).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// With [routes of its own](crate::ExtensionBuilder::routes) the extension takes every path that is left: add the services
    /// of the app before.
    ///
    /// A body is signed as it is sent: do not wrap the routes in a middleware of actix-web that decompresses or reads
    /// it. [`serve_app`](Self::serve_app) runs your server until a signal, and shuts it down gracefully.
    ///
    /// The connections are your server's: [`head_timeout`](super::HttpOptions::head_timeout) does not apply to them, and a client
    /// that sends requests and reads no response is not cut off.
    /// `HttpServer::client_request_timeout` covers the first request of a connection only: a client that stops in the
    /// head of a later request keeps its connection. [`serve`](Self::serve) closes such connections; so does a proxy
    /// in front of your server.
    pub fn routes(&self) -> impl FnOnce(&mut ServiceConfig) + Clone + Send + use<> {
        let routes = self.0.routes.clone();
        move |config| routes.configure(config)
    }

    /// Begins a graceful shutdown: new deliveries and requests of own routes are refused with 503, the readiness probe
    /// fails, background tasks are notified, and what runs completes.
    ///
    /// [`serve`](Self::serve) and [`serve_app`](Self::serve_app) call it on SIGTERM and its like. Call it yourself where your
    /// own server handles signals, before that stops.
    #[doc(alias = "graceful shutdown")]
    pub fn drain(&self) {
        self.pipeline().concurrency.drain();
    }

    /// Whether [`drain`](Self::drain) was called.
    pub fn is_draining(&self) -> bool {
        self.pipeline().concurrency.is_draining()
    }

    /// Waits until a drained extension has no running delivery, deferred ones too, request of an own route, background task or
    /// [detached](crate::Context::detached) context.
    pub async fn drained(&self) {
        self.0.routes.drained().await;
    }

    /// Waits until the records of all deliveries so far reached the feedback hook and Kiket, `timeout` at most. Those above 300 a
    /// minute, which Kiket would get later, are dropped and counted.
    ///
    /// [`serve`](Self::serve) calls it before it ends.
    pub async fn flush(&self, timeout: Duration) {
        self.pipeline().recorder.telemetry.flush(timeout).await;
    }

    /// The counters since the start: refused signatures and tokens, dropped telemetry records.
    ///
    /// ```
    /// # use kiket_runtime::Extension;
    /// # let builder = Extension::builder().webhook_secret("sh_123").on("issue.created", "v1", async || {});
    /// let extension = builder.build()?;
    /// assert!(extension.stats().signature_refusals.is_empty());
    /// # Ok::<(), kiket_runtime::error::StartupError>(())
    /// ```
    #[doc(alias = "metrics")]
    pub fn stats(&self) -> Stats {
        let pipeline = self.pipeline();
        let (metrics, telemetry) = (&pipeline.metrics, &pipeline.recorder.telemetry);
        let occurred = |(_, count): &(&str, u64)| *count > 0;
        Stats {
            signature_refusals: metrics.signature_refusals().filter(occurred).collect(),
            token_refusals: metrics.token_refusals().filter(occurred).collect(),
            dropped_records: telemetry.dropped(),
            dropped_lines: dropped_lines(),
        }
    }
}

impl fmt::Debug for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extension")
            .field("id", &self.id())
            .field("version", &self.version())
            .field("events", &self.events())
            .finish_non_exhaustive()
    }
}
