//! Routes of an extension's own, beside those of deliveries: configured as in any actix-web app.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::{Ready, ready},
    panic::Location,
    sync::Arc,
};

use actix_web::{
    App, FromRequest, HttpRequest, HttpResponse, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{self, ResourceMap, Service as _, ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{ConnectionType, StatusCode},
    middleware::{Next, from_fn},
    test::{TestRequest, init_service},
    web::{self, Payload, ServiceConfig},
};
use futures_util::FutureExt as _;

use super::{
    body::{Bounds, take},
    respond::{Keeping, closing, leave_unread, reject},
};
use crate::{
    client::Client,
    config::Settings,
    delivery::{HandlerKey, Services},
    error::{Error, HandlerError, Place, Problem, ProblemId, Rejection},
    handler::State,
    pipeline::Pipeline,
    types::{EventVersion, Redactor, caught, caught_to_end},
};

/// The functions that configure the routes of the extension's own.
#[derive(Clone, Default)]
pub(crate) struct OwnRoutes(Vec<(Configure, Place)>);

type Configure = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;

impl OwnRoutes {
    pub(crate) fn add(
        &mut self,
        configure: impl Fn(&mut ServiceConfig) + Send + Sync + 'static,
        place: &Location<'_>,
    ) {
        self.0.push((Arc::new(configure), place.into()));
    }

    /// Adds the routes to an app, behind those of deliveries: their scope takes every path that is left.
    pub(super) fn configure(&self, pipeline: &Arc<Pipeline>, bounds: Bounds, config: &mut ServiceConfig) {
        if self.0.is_empty() {
            return;
        }
        let admitting = Arc::clone(pipeline);
        let scope = web::scope("")
            .app_data(Arc::clone(&pipeline.services))
            .app_data(web::PayloadConfig::new(bounds.bytes))
            .app_data(web::JsonConfig::default().limit(bounds.bytes))
            .app_data(web::FormConfig::default().limit(bounds.bytes))
            .wrap(from_fn(move |request, next| admit(Arc::clone(&admitting), bounds, request, next)));
        config.service(self.0.iter().fold(scope, |scope, (configure, _)| scope.configure(&**configure)));
    }

    /// Problems of routes that have a path of the extension's other routes: they would never be served (wire contract,
    /// own-routes). `shown` is how the panic of one that cannot be checked may be printed.
    pub(crate) fn collisions<'k>(
        &self,
        prefix: &str,
        shown: impl Fn(String) -> String,
        endpoints: impl IntoIterator<Item = &'k String>,
        handlers: impl IntoIterator<Item = &'k HandlerKey>,
    ) -> Vec<Problem> {
        let mut known = vec!["/webhook".to_owned()];
        known.extend(endpoints.into_iter().cloned());
        for HandlerKey { event, version } in handlers {
            known.extend([format!("/webhooks/{event}"), format!("/v/{version}/webhooks/{event}")]);
        }
        let checked = self.0.iter().flat_map(|(configure, place)| {
            let found = match caught(|| colliding(configure, prefix, &known)) {
                Ok(Some(found)) => found.into_iter().map(collision).collect(),
                Ok(None) => vec![
                    Problem::new(
                        ProblemId::OwnRoutes,
                        "the own routes cannot be checked: a middleware of theirs is not ready at once",
                    )
                    .mend("make what it waits for in `setup`, and give it to the middleware"),
                ],
                Err(panic) => {
                    let panic = shown(panic);
                    let what = format!("the function that configures the own routes panicked: {panic}");
                    let mend = "correct what it names, or make it in `setup`";
                    vec![Problem::new(ProblemId::OwnRoutes, what).mend(mend)]
                }
            };
            found.into_iter().map(|problem| problem.at(place.clone()))
        });
        checked.collect()
    }
}

fn collision((route, path): (String, String)) -> Problem {
    Problem::new(ProblemId::RouteTaken, format!("the own route `{route}` has the path `{path}`, where the extension takes deliveries or health checks"))
        .mend("give it another path; or move those of the extension: `builder.http(|http| http.prefix(\"/kiket\"))`")
}

/// The routes that collide with those of the extension, each with a path of both. `None` where a middleware is not ready at once.
fn colliding(configure: &Configure, prefix: &str, known: &[String]) -> Option<Vec<(String, String)>> {
    /// The first route that matches serves: no other has this path.
    const ASKED: &str = "/kiket-asks-for-the-patterns";

    let asked = web::resource(ASKED).to(HttpResponse::Ok);
    let app = App::new().service(asked).configure(&**configure);
    let app = init_service(app).now_or_never()?;
    let response = app.call(TestRequest::with_uri(ASKED).to_request()).now_or_never()?.ok()?;
    let patterns = response.request().resource_map();
    let mut found = BTreeMap::new();
    let probes = ["/health", "/health/live", "/health/ready"].map(str::to_owned);
    let deliveries = known.iter().cloned().chain(named_paths(patterns));
    // A slash at the end of a delivery's path counts for nothing.
    for path in deliveries.flat_map(|path| [format!("{path}/"), path]).chain(probes) {
        let full = format!("{prefix}{path}");
        let has_more = path.ends_with('/')
            && patterns.match_pattern(&format!("{full}kiket-asks")) == patterns.match_pattern(&full);
        // What has other paths, too, like `/{page}`, is behind the routes of the extension, and not in their place.
        let (_, rest) =
            path[1..].split_once('/').map_or(("", ""), |(first, _)| path.split_at(first.len() + 1));
        let other = format!("{prefix}/kiket-asks{rest}");
        let pattern = patterns.match_pattern(&full);
        let is_wide = patterns.has_resource(&other) && patterns.match_pattern(&other) == pattern;
        if patterns.has_resource(&full) && !is_wide && !has_more {
            found.entry(pattern).or_insert(full);
        }
    }
    Some(found.into_iter().map(|(pattern, path)| (pattern.unwrap_or_else(|| path.clone()), path)).collect())
}

/// The paths of deliveries of the events that the patterns name: they need no handler to be the extension's.
fn named_paths(patterns: &ResourceMap) -> Vec<String> {
    let printed = format!("{patterns:?}");
    let named = printed.split(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)));
    let named: BTreeSet<_> = named.filter(|name| !name.is_empty()).collect();
    let is_version = |name: &&&str| name.parse::<EventVersion>().is_ok();
    let versions: Vec<_> = ["v1"].into_iter().chain(named.iter().filter(is_version).copied()).collect();
    let paths = named.iter().flat_map(|name| {
        let versioned = versions.iter().map(move |version| format!("/v/{version}/webhooks/{name}"));
        versioned.chain([format!("/webhooks/{name}")])
    });
    paths.collect()
}

/// Serves a request of an own route within the limits of the extension: those of bodies, as many at once as deliveries, and
/// none during a drain.
async fn admit<B: MessageBody + 'static>(
    pipeline: Arc<Pipeline>,
    bounds: Bounds,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse, actix_web::Error> {
    let concurrency = &pipeline.concurrency;
    let mut payload = request.extract::<Payload>().await?;
    let arrived = take(&pipeline, request.request(), &mut payload, bounds).await;
    let admitted = arrived.and_then(|body| Ok((body, concurrency.try_acquire_own()?)));
    let (body, permit) = match admitted {
        Ok(admitted) => admitted,
        Err(rejection) => {
            let response = leave_unread(reject(&rejection), payload);
            let response = if concurrency.is_draining() { closing(response) } else { response };
            return Ok(request.into_response(response));
        }
    };
    request.set_payload(dev::Payload::from(body));
    let name = format!("{} {}", request.method(), request.match_pattern().unwrap_or_default());
    let redactor = &pipeline.responder.redactor;
    let response = match caught_to_end(next.call(request)).await {
        Ok(Ok(response)) => response,
        // Of a middleware of theirs.
        Ok(Err(error)) => {
            log(&name, error.as_response_error().status_code().as_u16(), &error, redactor);
            return Err(match error.as_error::<Failed>() {
                Some(failed) => InternalError::from_response("failed", failed.response(redactor)).into(),
                None => error,
            });
        }
        Err(panic) => {
            tracing::error!(route = name, error = redactor.shown(panic), "own route panicked");
            let response = reject(&Rejection::HANDLER_PANICKED);
            return Err(InternalError::from_response("a panic", response).into());
        }
    };
    let failed = response.response().error().and_then(|error| {
        log(&name, response.status().as_u16(), error, redactor);
        let failed = error.as_error::<Failed>()?;
        let bytes = |response: HttpResponse| response.into_body().try_into_bytes().ok();
        bytes(failed.error_response()).zip(bytes(failed.response(redactor)))
    });
    let mut response = response.map_body(|_, body| {
        let body = match (body.boxed(), failed) {
            (body, None) => body,
            // A middleware of theirs may have put another body in its place.
            (body, Some((raw, shown))) => match body.try_into_bytes() {
                Ok(bytes) => BoxBody::new(if bytes == raw { shown } else { bytes }),
                Err(body) => body,
            },
        };
        BoxBody::new(Keeping::new(body, permit))
    });
    if concurrency.is_draining() {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}

fn log(route: &str, status: u16, error: &actix_web::Error, redactor: &Redactor) {
    let error = redactor.shown(error.to_string());
    if status >= 500 {
        tracing::error!(route, status, error, "own route failed");
    } else {
        tracing::debug!(route, status, error, "own route failed");
    }
}

/// An extractor of own routes: a value of the services of the extension.
macro_rules! extractors {
    ($([$($parameter:ident)?] $type:ty: $find:expr;)*) => {$(
        impl$(<$parameter: Send + Sync + 'static>)? FromRequest for $type {
            type Error = actix_web::Error;
            type Future = Ready<Result<Self, actix_web::Error>>;

            fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
                let services = request.app_data::<Arc<Services>>();
                let found = services.and_then(|services| ($find)(&**services));
                ready(found.ok_or_else(|| {
                    let name = std::any::type_name::<Self>();
                    HandlerError::retry("a state is missing").because(Missing(name)).into()
                }))
            }
        }
    )*};
}

extractors! {
    [T] State<T>: |services: &Services| services.states.get::<T>().map(State);
    [] Client: |services: &Services| Some(services.client.clone());
    [] Settings: |services: &Services| Some(services.settings.clone());
}

#[derive(Debug, thiserror::Error)]
#[error("no `{0}`: is it in `builder.state(…)`, and is the route in `builder.routes(…)`?")]
struct Missing(&'static str);

/// The response is that of a handler with this error: its status, its `Retry-After`, and its text for the caller.
impl From<HandlerError> for actix_web::Error {
    fn from(error: HandlerError) -> Self {
        error.into_error().into()
    }
}

/// The response is that of a handler with this error.
impl From<Error> for actix_web::Error {
    fn from(error: Error) -> Self {
        Failed(error).into()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0:?}")]
struct Failed(Error);

impl Failed {
    fn response(&self, redactor: &Redactor) -> HttpResponse {
        let rejection = Rejection::of_handler(&self.0, http::StatusCode::INTERNAL_SERVER_ERROR);
        reject(&Rejection { text: redactor.shown(rejection.text.into_owned()).into(), ..rejection })
    }
}

impl ResponseError for Failed {
    fn status_code(&self) -> StatusCode {
        self.error_response().status()
    }

    fn error_response(&self) -> HttpResponse {
        self.response(&Redactor::default())
    }
}
