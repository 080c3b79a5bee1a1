//! The routes of an extension (wire contract, delivery-routes).

use std::{borrow::Cow, rc::Rc, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    dev::{AppService, HttpServiceFactory, ResourceDef, ServiceRequest, fn_service},
    guard,
    http::Method,
    web::{self, Payload, ServiceConfig},
};
use serde_json::json;

use super::{
    body::{Bounds, take},
    path::{Form, tidied},
    respond::{closing, json, leave_unread, method_not_allowed, reject, respond},
};
#[cfg(feature = "inbox")]
use crate::worker::Workers;
use crate::{
    auth::signature::SIGNATURE_HEADER,
    delivery::{Request, Target},
    error::Rejection,
    http::options::Options,
    pipeline::Pipeline,
    types::{EventName, Headers},
};

/// The routes: the paths of deliveries, and the health checks.
#[derive(Clone)]
pub(crate) struct Routes {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) options: Options,
    /// Absent where no handler runs later.
    #[cfg(feature = "inbox")]
    pub(crate) workers: Option<Arc<Workers>>,
    /// The body of `/health`: no secrets; event names sorted, each once (wire contract, health).
    health: bytes::Bytes,
}

impl Routes {
    /// The routes of the extension `id`.
    pub(crate) fn new(
        pipeline: Arc<Pipeline>,
        options: Options,
        id: Option<&str>,
        version: Option<&str>,
    ) -> Self {
        let mut routes = Self {
            pipeline,
            options,
            #[cfg(feature = "inbox")]
            workers: None,
            health: bytes::Bytes::new(),
        };
        let health = json!({
            "status": "ok",
            "extension_id": id,
            "extension_version": version,
            "registered_events": routes.events(),
        });
        routes.health = health.to_string().into();
        routes
    }

    /// The events that have a handler, sorted, each once.
    pub(crate) fn events(&self) -> Vec<&str> {
        let routes = self.pipeline.registry.routes().into_iter();
        let mut events: Vec<_> = routes.map(|route| route.key.event.as_str()).collect();
        events.dedup();
        events
    }

    /// The same with the workers of an inbox.
    #[cfg(feature = "inbox")]
    pub(crate) fn with_workers(self, workers: Option<Workers>) -> Self {
        Self { workers: workers.map(Arc::new), ..self }
    }

    /// Those of a process that works and gets no deliveries: the health checks. `None` where there is nothing to work on.
    #[cfg(feature = "inbox")]
    pub(crate) fn of_worker(mut self) -> Option<Self> {
        self.workers.as_ref()?.require();
        self.options.deliveries = false;
        Some(self)
    }

    /// Waits until a drained extension has nothing that runs.
    pub(crate) async fn drained(&self) {
        self.pipeline.concurrency.drained().await;
        #[cfg(feature = "inbox")]
        if let Some(workers) = &self.workers {
            workers.ended().await;
            // What deferred deliveries detached.
            self.pipeline.concurrency.drained().await;
        }
    }

    /// Ends the workers at the end of the grace period.
    #[allow(clippy::unused_async)] // without the inbox there are none
    pub(super) async fn cut_off_workers(&self) {
        #[cfg(feature = "inbox")]
        if let Some(workers) = &self.workers {
            workers.cut_off().await;
        }
    }

    /// Adds the routes to an app.
    pub(crate) fn configure(&self, config: &mut ServiceConfig) {
        let Options { prefix, body_limit, body_timeout, .. } = &self.options;
        let bounds = Bounds { bytes: *body_limit, wait: *body_timeout };
        let at = |path: &str| format!("{prefix}{path}");
        let endpoints = self.options.endpoints.iter().map(|(path, event)| (at(path), event.clone()));
        let endpoints: Vec<_> = endpoints.collect();
        let deliveries = Rc::new(Deliveries { routes: self.clone(), bounds });
        let forms = Form::ALL.map(|form| (form, at(form.beginning())));
        if self.options.deliveries {
            for (form, beginning) in forms.clone() {
                config.service(Exact { form, beginning, deliveries: Rc::clone(&deliveries) });
            }
            for (path, event) in endpoints.clone() {
                config.service(Endpoint { path, event, deliveries: Rc::clone(&deliveries) });
            }
        }
        config
            .service(web::resource(at("/health")).to(probe(self.health.clone(), || None)))
            .service(web::resource(at("/health/live")).to(probe(ALIVE.into(), || None)))
            .service(web::resource(at("/health/ready")).to({
                let pipeline = Arc::clone(&self.pipeline);
                probe(READY.into(), move || {
                    let draining = pipeline.concurrency.is_draining().then_some(DRAINING);
                    draining.or_else(|| pipeline.watch.all_blocked().then_some(BLOCKED))
                })
            }));
        if self.options.deliveries {
            config.service(Aliases { forms, endpoints, deliveries });
            self.options.own_routes.configure(&self.pipeline, bounds, config);
        }
        self.pipeline.watch.join();
    }

    /// The response to a request that matches no route. Kiket does not retry a 404, so that the event of a signed one is lost; a
    /// process that only works has Kiket send it again.
    pub(super) fn unrouted(&self, request: &HttpRequest, payload: Payload) -> HttpResponse {
        /// How much of the path is logged.
        const CHARS: usize = 256;

        let is_post = request.method() == Method::POST;
        let works_only = is_post && !self.options.deliveries;
        let Pipeline { metrics, recorder, .. } = &*self.pipeline;
        let (refusals, why, rejection) = if works_only {
            (&metrics.works_only, WORKS_ONLY, Rejection::WORKS_ONLY)
        } else {
            (&metrics.unrouted, UNROUTED, Rejection::NOT_FOUND)
        };
        let is_noted = works_only || is_post && request.headers().contains_key(SIGNATURE_HEADER);
        if let Some(count) = is_noted.then(|| refusals.count(recorder.clock.unix_seconds())).flatten() {
            let path: String = request.uri().path().chars().take(CHARS).collect();
            tracing::warn!(path, count, "delivery refused: {why}");
        }
        leave_unread(reject(&rejection), payload)
    }
}

const WORKS_ONLY: &str = "this process only works (`kiket work`), and Kiket sends it again: let the service or load balancer \
                          select the processes that take deliveries alone";
const UNROUTED: &str = "no route has its path, and Kiket does not send it again: the callback URL ends with \
                        `/webhooks/{event}`, `/v/{version}/webhooks/{event}`, `/webhook` or the `endpoint` of a hook";
const ALIVE: &str = r#"{"status":"ok"}"#;
const READY: &str = r#"{"status":"ready"}"#;
const DRAINING: &str = r#"{"status":"draining"}"#;
const BLOCKED: &str = r#"{"status":"blocked"}"#;

/// The route of the paths of one form.
struct Exact {
    form: Form,
    /// How the path begins, with the prefix.
    beginning: String,
    deliveries: Rc<Deliveries>,
}

/// The route of the endpoint of a hook (wire contract, hook-endpoints).
struct Endpoint {
    /// With the prefix.
    path: String,
    event: Option<EventName>,
    deliveries: Rc<Deliveries>,
}

/// The route of the same paths with slashes that mean nothing (wire contract, route-slashes).
struct Aliases {
    /// The forms, and how their paths begin.
    forms: [(Form, String); Form::ALL.len()],
    /// The paths of endpoints with the prefix, and their events.
    endpoints: Vec<(String, Option<EventName>)>,
    deliveries: Rc<Deliveries>,
}

/// The handling of deliveries, shared by all their routes.
struct Deliveries {
    routes: Routes,
    bounds: Bounds,
}

/// A route that finds deliveries by more than actix-web matches.
trait Route: 'static {
    fn matches(&self, path: &str) -> bool {
        let _ = path;
        true
    }

    async fn respond(&self, request: &HttpRequest, payload: Payload) -> HttpResponse;
}

/// Registers `route` for the paths that `path` matches.
fn register(route: impl Route, path: ResourceDef, config: &mut AppService) {
    let route = Rc::new(route);
    let guard = {
        let route = Rc::clone(&route);
        guard::fn_guard(move |context| route.matches(context.head().uri.path()))
    };
    let service = fn_service(move |mut request: ServiceRequest| {
        let route = Rc::clone(&route);
        async move {
            let payload = request.extract::<Payload>().await?;
            let response = route.respond(request.request(), payload).await;
            Ok(request.into_response(response))
        }
    });
    config.register_service(path, Some(vec![Box::new(guard)]), service, None);
}

impl HttpServiceFactory for Exact {
    fn register(self, config: &mut AppService) {
        let path = match self.form {
            Form::Bare => ResourceDef::new(&*self.beginning),
            _ => ResourceDef::root_prefix(&self.beginning),
        };
        register(self, path, config);
    }
}

impl Route for Exact {
    fn matches(&self, path: &str) -> bool {
        self.form.read(path, &self.beginning).is_some()
    }

    async fn respond(&self, request: &HttpRequest, payload: Payload) -> HttpResponse {
        self.deliveries.respond(request, self.target(request), payload).await
    }
}

impl Exact {
    /// The segments as they were sent. Those that actix-web matches are decoded except for `%25`, and a segment that is decoded
    /// twice could name another event.
    fn target<'r>(&self, request: &'r HttpRequest) -> Option<Target<'r>> {
        let target = self.form.read(request.uri().path(), &self.beginning)?;
        // `Form::read` reads from the end: there may be more segments behind the beginning.
        (slashes(request.match_info().unprocessed()) == self.form.segments()).then_some(target)
    }
}

impl HttpServiceFactory for Endpoint {
    fn register(self, config: &mut AppService) {
        let path = ResourceDef::new(&*self.path);
        register(self, path, config);
    }
}

impl Route for Endpoint {
    async fn respond(&self, request: &HttpRequest, payload: Payload) -> HttpResponse {
        self.deliveries.respond(request, Some(endpoint(self.event.as_ref())), payload).await
    }
}

fn endpoint(event: Option<&EventName>) -> Target<'_> {
    Target { event: event.map(EventName::as_str), ..Target::default() }
}

/// The segment of the pattern of [`careless`], which is all of the path. A scope around the extension has none of this name.
const ALL: &str = "kiket_path";

impl HttpServiceFactory for Aliases {
    fn register(self, config: &mut AppService) {
        let forms = self.forms.iter().map(|(form, beginning)| careless(&form.pattern(beginning)));
        let endpoints = self.endpoints.iter().map(|(path, _)| careless(path));
        let paths: Vec<_> = forms.chain(endpoints).collect();
        register(self, ResourceDef::new(paths), config);
    }
}

/// The pattern of `path` with more slashes, where `*` is any segment.
fn careless(path: &str) -> String {
    format!("{{{ALL}:{}/*}}", path.replace('.', r"\.").replace('/', "/+").replace('*', "[^/]+"))
}

impl Route for Aliases {
    async fn respond(&self, request: &HttpRequest, payload: Payload) -> HttpResponse {
        let path = tidy(request.uri().path());
        self.deliveries.respond(request, self.target(request, &path), payload).await
    }
}

impl Aliases {
    /// The target of `path`. What is before the routes of the extension, like a scope of the app's, does not count.
    fn target<'p>(&'p self, request: &HttpRequest, path: &'p str) -> Option<Target<'p>> {
        let matched = tidy(request.match_info().get(ALL)?);
        if let Some((_, event)) = self.endpoints.iter().find(|(endpoint, _)| *endpoint == matched) {
            return Some(endpoint(event.as_ref()));
        }
        let (form, beginning) = self.forms.iter().find(|(form, beginning)| {
            let segments = slashes(beginning) + form.segments();
            matched.starts_with(&**beginning) && slashes(&matched) == segments
        })?;
        form.read(path, beginning)
    }
}

fn tidy(path: &str) -> Cow<'_, str> {
    tidied(path).map_or(Cow::Borrowed(path), Cow::Owned)
}

fn slashes(path: &str) -> usize {
    path.bytes().filter(|byte| *byte == b'/').count()
}

impl Deliveries {
    async fn respond(
        &self,
        request: &HttpRequest,
        target: Option<Target<'_>>,
        mut payload: Payload,
    ) -> HttpResponse {
        let Some(target) = target else {
            return self.routes.unrouted(request, payload);
        };
        if request.method() != Method::POST {
            return leave_unread(method_not_allowed("POST"), payload);
        }
        let pipeline = &self.routes.pipeline;
        let target = Target { query: request.query_string(), ..target };
        let shed = pipeline.concurrency.sheds();
        // That of a request that is shed is read, too: a connection with an unread body cannot be used again.
        let body = take(pipeline, request, &mut payload, self.bounds).await;
        let response = match shed.map_or(body, Err) {
            Ok(body) => respond(pipeline.handle(Request { target, headers: headers(request), body }).await),
            Err(rejection) => {
                pipeline.metrics.refused.add(rejection.code);
                tracing::debug!(code = rejection.code, "delivery refused");
                leave_unread(reject(&rejection), payload)
            }
        };
        if pipeline.concurrency.is_draining() { closing(response) } else { response }
    }
}

fn headers(request: &HttpRequest) -> Headers {
    /// More than the names and values of a usual request take.
    const USUAL_BYTES: usize = 512;

    let all = request.headers();
    let mut headers = Headers::with_capacity(all.len_keys(), USUAL_BYTES);
    for (name, value) in all {
        headers.push(name.as_str(), value.as_bytes());
    }
    headers
}

/// A health check: responds to `GET` with `body`, or with 503 and another body while that is `unavailable`.
fn probe(
    body: bytes::Bytes,
    unavailable: impl Fn() -> Option<&'static str> + Clone + 'static,
) -> impl Fn(HttpRequest, Payload) -> std::future::Ready<HttpResponse> + Clone {
    move |request, payload| {
        std::future::ready(match *request.method() {
            Method::GET | Method::HEAD => match unavailable() {
                Some(why) => json(http::StatusCode::SERVICE_UNAVAILABLE, why),
                None => json(http::StatusCode::OK, body.clone()),
            },
            _ => leave_unread(method_not_allowed("GET, HEAD"), payload),
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, test};

    use super::*;
    use crate::{extension::Extension, types::Clock};

    #[tokio::test]
    async fn the_app_gets_paths_that_only_resemble_deliveries() {
        const NOW: u64 = 1_700_000_000;
        let builder = Extension::builder().webhook_secret("sh_123").clock(Clock::fixed(NOW));
        let extension = builder.without_manifest().on("a.b", "v1", async || {}).build().unwrap();
        let own = || async { HttpResponse::NoContent().finish() };
        let scope = web::scope("/api").configure(extension.routes());
        let app = App::new().service(scope.default_service(web::to(own)));
        let app = test::init_service(app).await;

        for (path, status) in [
            ("/api/v/v1/webhooks/a.b", 200),
            ("/api/v/1%2E0/webhooks/a%2Eb", 200),
            ("/api/webhooks/a.b?version=1", 200),
            ("/api/v/v1/webhooks", 204),
            ("/api/v/v1/webhooks/", 204),
            ("/api/v/v1/hooks/a.b", 204),
            ("/api/v1/webhooks/a.b", 204),
            ("/api/webhooks", 204),
            ("/api/webhooks/a.b/c", 204),
            ("/api/webhooks/c/webhooks/a.b", 404),
            ("/api/webhook/a.b", 204),
            ("/api/v/v1/webhooks/a.b/", 200),
            ("/api//v/v1//webhooks/a.b", 200),
            ("/api/v/V1/webhooks/a.b", 200),
            ("/api//own/", 204),
            ("/api/webhooks//", 204),
        ] {
            let delivery = kiket_testing::delivery("a.b", "v1", &json!({})).sign("sh_123", NOW);
            let request = delivery
                .headers
                .into_iter()
                .fold(test::TestRequest::post().uri(path), test::TestRequest::append_header)
                .set_payload(delivery.body);
            let response = test::call_service(&app, request.to_request()).await;
            assert_eq!(response.status().as_u16(), status, "{path}");
        }
    }
}
