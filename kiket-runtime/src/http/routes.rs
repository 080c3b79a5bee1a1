//! The routes of an extension (wire contract, delivery-routes).

use std::{rc::Rc, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    dev::{AppService, HttpServiceFactory, ResourceDef, ServiceRequest, fn_service},
    guard,
    http::Method,
    web::{self, Payload, ServiceConfig},
};
use serde_json::json;

use super::{
    body::{self, Bounds},
    path::Form,
    respond::{closing, json, leave_unread, method_not_allowed, not_found, reject, respond},
};
use crate::{
    delivery::{Request, Target},
    http::options::Options,
    pipeline::Pipeline,
    types::Headers,
};

/// The routes: the paths of deliveries, and the health checks.
#[derive(Clone)]
pub(crate) struct Routes {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) options: Options,
    /// The body of `/health`.
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
        let health = health(id, version, &events(&pipeline)).into();
        Self { pipeline, options, health }
    }

    /// The events that have a handler, sorted, each once.
    pub(crate) fn events(&self) -> Vec<&str> {
        events(&self.pipeline)
    }

    /// Adds the routes to an app.
    pub(crate) fn configure(&self, config: &mut ServiceConfig) {
        let Options { prefix, body_limit, body_timeout, .. } = &self.options;
        let bounds = Bounds { bytes: *body_limit, wait: *body_timeout };
        let at = |path: &str| format!("{prefix}{path}");
        for form in Form::ALL {
            let pipeline = Arc::clone(&self.pipeline);
            config.service(Deliveries { form, beginning: at(form.beginning()), pipeline, bounds });
        }
        config
            .service(web::resource(at("/health")).to(probe(self.health.clone(), || false)))
            .service(web::resource(at("/health/live")).to(probe(ALIVE.into(), || false)))
            .service(web::resource(at("/health/ready")).to({
                let pipeline = Arc::clone(&self.pipeline);
                probe(READY.into(), move || pipeline.concurrency.is_draining())
            }));
        self.options.own_routes.configure(&self.pipeline, bounds, config);
    }
}

const ALIVE: &str = r#"{"status":"ok"}"#;
const READY: &str = r#"{"status":"ready"}"#;
const DRAINING: &str = r#"{"status":"draining"}"#;

/// The route of the paths of one form.
struct Deliveries {
    form: Form,
    /// How the path begins, with the prefix.
    beginning: String,
    pipeline: Arc<Pipeline>,
    bounds: Bounds,
}

impl HttpServiceFactory for Deliveries {
    fn register(self, config: &mut AppService) {
        let form = self.form;
        let path = match form {
            Form::Bare => ResourceDef::new(&*self.beginning),
            _ => ResourceDef::root_prefix(&self.beginning),
        };
        let route = Rc::new(self);
        let guard = {
            let beginning = route.beginning.clone();
            guard::fn_guard(move |context| form.read(context.head().uri.path(), &beginning).is_some())
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
}

impl Deliveries {
    async fn respond(&self, request: &HttpRequest, mut payload: Payload) -> HttpResponse {
        let Some(target) = self.target(request) else { return not_found(payload).await };
        if request.method() != Method::POST {
            return leave_unread(method_not_allowed("POST"), payload);
        }
        let pipeline = &self.pipeline;
        let response = match take(pipeline, request, &mut payload, self.bounds).await {
            Ok(body) => respond(pipeline.handle(Request { target, headers: headers(request), body }).await),
            Err(rejection) => {
                tracing::debug!(code = rejection.code, "delivery refused");
                leave_unread(reject(&rejection), payload)
            }
        };
        if pipeline.concurrency.is_draining() { closing(response) } else { response }
    }

    /// The segments as they were sent. Those that actix-web matches are decoded except for `%25`, and a segment that is decoded
    /// twice could name another event.
    fn target<'r>(&self, request: &'r HttpRequest) -> Option<Target<'r>> {
        let target = self.form.read(request.uri().path(), &self.beginning)?;
        // `Form::read` reads from the end: there may be more segments behind the beginning.
        let slashes = request.match_info().unprocessed().bytes().filter(|byte| *byte == b'/').count();
        (slashes == self.form.segments()).then_some(Target { query: request.query_string(), ..target })
    }
}

/// Reads the body (wire contract, response-overload, response-body-limit). The body of a shed delivery is read, too: a
/// connection with an unread body cannot be used again.
pub(super) async fn take(
    pipeline: &Pipeline,
    request: &HttpRequest,
    payload: &mut Payload,
    bounds: Bounds,
) -> Result<bytes::Bytes, crate::error::Rejection> {
    let arriving = pipeline.concurrency.try_arrive()?;
    let shed = pipeline.concurrency.sheds();
    let body = body::read(request.headers(), payload, bounds).await;
    drop(arriving);
    match shed {
        Some(rejection) => Err(rejection),
        None => body,
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

fn events(pipeline: &Pipeline) -> Vec<&str> {
    let mut events: Vec<_> =
        pipeline.registry.routes().iter().map(|route| route.key.event.as_str()).collect();
    events.dedup();
    events
}

/// The body of `/health`: no secrets; event names sorted, each once (wire contract, health).
fn health(id: Option<&str>, version: Option<&str>, events: &[&str]) -> String {
    json!({
        "status": "ok",
        "extension_id": id,
        "extension_version": version,
        "registered_events": events,
    })
    .to_string()
}

/// A health check: responds to `GET` with `body`, or with 503 while `unavailable`.
fn probe(
    body: bytes::Bytes,
    unavailable: impl Fn() -> bool + Clone + 'static,
) -> impl Fn(HttpRequest, Payload) -> std::future::Ready<HttpResponse> + Clone {
    move |request, payload| {
        std::future::ready(match *request.method() {
            Method::GET | Method::HEAD if unavailable() => {
                json(http::StatusCode::SERVICE_UNAVAILABLE, DRAINING)
            }
            Method::GET | Method::HEAD => json(http::StatusCode::OK, body.clone()),
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
