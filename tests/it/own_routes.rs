//! Routes of an extension's own, beside deliveries (wire contract, own-routes).

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use actix_web::{
    App, HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::{Next, from_fn},
    web::{self, ServiceConfig},
};
use kiket::{
    ExtensionBuilder, HandlerError, Reply, Settings, State,
    client::Client,
    startup::StartupError,
    testing::{TestExtension, delivery},
};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::running::{Logged, PATIENCE, PRINTED, Running, builder, head, request, sign, signed, until};

/// An extension with a handler and these routes.
fn with_routes(configure: impl Fn(&mut ServiceConfig) + Send + Sync + 'static) -> ExtensionBuilder {
    builder().on("issue.created", "v1", async || Reply::ok()).routes(configure)
}

fn get(path: &str) -> Vec<u8> {
    head("GET", path, [])
}

fn post(path: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let headers = [("content-length", length.to_string()), ("content-type", "application/json".to_owned())];
    [head("POST", path, &headers.map(|(name, value)| (name.to_owned(), value))), body.to_vec()].concat()
}

#[tokio::test]
async fn own_routes_share_the_state_of_handlers() {
    async fn visit(visits: State<AtomicUsize>) -> String {
        visits.fetch_add(1, Ordering::SeqCst).to_string()
    }
    let builder = builder()
        .state(AtomicUsize::new(7))
        .on("issue.created", "v1", async |visits: State<AtomicUsize>| {
            Reply::json(json!({ "visits": visits.load(Ordering::SeqCst) }))
        })
        .routes(|config| {
            config.route("/visit", web::get().to(visit));
        })
        .routes(|config| {
            config.service(web::scope("/pages").route("/{name}", web::get().to(async || "a page")));
        });
    let running = Running::start(builder);
    assert_eq!(running.ask(&get("/visit")).await.text(), "7");
    assert_eq!(running.ask(&get("/pages/1")).await.text(), "a page");
    let delivered = running.ask(&request(&signed(&json!({ "id": 1 })))).await;
    assert_eq!(delivered.json(), json!({ "visits": 8 }));
    for (path, status, code) in [("/other", 404, "not_found"), ("/pages", 404, "not_found")] {
        let response = running.ask(&get(path)).await;
        assert_eq!((response.status, &*response.code()), (status, code), "{path}");
    }
    assert_eq!(running.ask(&get("/health")).await.json()["registered_events"], json!(["issue.created"]));
    running.stop().await;
}

#[tokio::test]
async fn a_test_calls_own_routes_with_any_method_and_body() {
    async fn any(
        request: HttpRequest,
        body: web::Bytes,
        settings: Settings,
        client: Client,
    ) -> impl Responder {
        let header = request.headers().get("x-a").map(|value| value.to_str().unwrap_or_default().to_owned());
        HttpResponse::Accepted().json(json!({
            "method": request.method().as_str(),
            "query": request.query_string(),
            "header": header,
            "bytes": body.len(),
            "setting": settings.get::<String>("REGION").ok(),
            "base": client.base_url(),
        }))
    }
    let builder = with_routes(|config| {
        config.route("/any/{tail:.*}", web::route().to(any));
    });
    let builder = builder.setting("REGION", "eu").client(|client| client.base_url("http://127.0.0.1:9"));
    let extension = TestExtension::new(builder).unwrap();
    let response = extension.call("PROPFIND", "/any/x/y?a=%20b").header("x-a", "1").body("four").await;
    assert_eq!(response.status(), 202);
    assert_eq!(
        response.json(),
        json!({ "method": "PROPFIND", "query": "a=%20b", "header": "1", "bytes": 4, "setting": "eu",
                "base": "http://127.0.0.1:9" })
    );
    let response = extension.call("PUT", "/any/").json(&json!({ "a": 1 })).await;
    assert_eq!(response.json()["bytes"], 7);
    assert_eq!(extension.call("DELETE", "/nowhere").await.status(), 404);
    assert_eq!(extension.call("PUT", "/webhook").await.status(), 405);
    assert_eq!(extension.deliver(delivery("issue.created", "v1", &json!({ "id": 1 }))).await.status(), 200);
}

#[tokio::test]
async fn bodies_of_own_routes_have_the_limits_of_deliveries() {
    async fn count(body: web::Bytes) -> String {
        body.len().to_string()
    }
    async fn read(body: web::Json<Value>) -> String {
        body.to_string().len().to_string()
    }
    let limited = |timeout| {
        let builder = with_routes(|config| {
            config.route("/bytes", web::post().to(count)).route("/json", web::post().to(read));
        });
        Running::start(builder.http(|http| http.body_limit(3 * 1024 * 1024).body_timeout(timeout)))
    };
    let (patient, impatient) = (limited(PATIENCE), limited(Duration::from_millis(1)));
    // More than the extractors of actix-web take unless they are configured.
    let body = format!("\"{}\"", "x".repeat(3 * 1024 * 1024 - 2)).into_bytes();
    for path in ["/bytes", "/json"] {
        assert_eq!(patient.ask(&post(path, body.len(), &body)).await.text(), body.len().to_string());
        let response = patient.ask(&post(path, body.len() + 1, b"")).await;
        assert_eq!((response.status, &*response.code()), (413, "body_too_large"), "{path}");
        let response = impatient.ask(&post(path, 10, b"less")).await;
        assert_eq!((response.status, &*response.code()), (503, "body_too_slow"), "{path}");
    }
    patient.stop().await;
    impatient.stop().await;
}

/// A route that says when it has begun, and waits until it may end.
struct Slow {
    begun: AtomicUsize,
    may_end: Semaphore,
}

async fn slow(slow: State<Arc<Slow>>) -> &'static str {
    slow.begun.fetch_add(1, Ordering::SeqCst);
    slow.may_end.acquire().await.unwrap().forget();
    "done"
}

fn with_slow_route() -> (ExtensionBuilder, Arc<Slow>) {
    let state = Arc::new(Slow { begun: AtomicUsize::new(0), may_end: Semaphore::new(0) });
    let builder = with_routes(|config| {
        config.route("/slow", web::get().to(slow)).route("/quick", web::get().to(async || "quick"));
    });
    (builder.state(Arc::clone(&state)), state)
}

#[tokio::test]
async fn a_drain_refuses_own_requests_and_waits_for_running_ones() {
    let (builder, state) = with_slow_route();
    let running = Running::start(builder);
    let (mut begun, mut later) = (running.connect().await, running.connect().await);
    begun.send(&get("/slow")).await;
    later.send(&get("/quick")).await;
    assert_eq!(later.response().await.text(), "quick");
    until(|| state.begun.load(Ordering::SeqCst) == 1).await;
    running.begin_to_stop();
    until(|| running.extension().is_draining()).await;
    later.send(&get("/quick")).await;
    let refused = later.response().await;
    assert_eq!((refused.status, &*refused.code()), (503, "draining"));
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    assert!(later.end().await.is_empty(), "the connection is closed");
    state.may_end.add_permits(1);
    assert_eq!(begun.response().await.text(), "done");
    running.stopped().await;
}

#[tokio::test]
async fn own_requests_have_a_limit_and_leave_deliveries_theirs() {
    let (builder, state) = with_slow_route();
    let builder = builder.on("slow.delivery", "v1", async |slow: State<Arc<Slow>>| {
        slow.begun.fetch_add(1, Ordering::SeqCst);
        slow.may_end.acquire().await.unwrap().forget();
        Reply::ok()
    });
    let running = Running::start(builder.concurrency_limit(1));
    // Deliveries at their limit leave own requests theirs.
    let mut delivered = running.connect().await;
    delivered.send(&request(&sign(delivery("slow.delivery", "v1", &json!({ "id": 1 }))))).await;
    until(|| state.begun.load(Ordering::SeqCst) == 1).await;
    assert_eq!(running.ask(&get("/quick")).await.text(), "quick");
    state.may_end.add_permits(1);
    assert_eq!(delivered.response().await.status, 200);

    let mut first = running.connect().await;
    first.send(&get("/slow")).await;
    until(|| state.begun.load(Ordering::SeqCst) == 2).await;
    let refused = running.ask(&get("/quick")).await;
    assert_eq!((refused.status, &*refused.code()), (503, "overloaded"));
    assert_eq!(running.ask(&request(&signed(&json!({ "id": 2 })))).await.status, 200);
    until(|| running.extension().in_flight() == 0).await;
    state.may_end.add_permits(1);
    assert_eq!(first.response().await.text(), "done");
    assert_eq!(running.ask(&get("/quick")).await.text(), "quick");
    running.stop().await;
}

#[tokio::test]
async fn a_panic_in_an_own_route_is_a_500_and_the_worker_lives_on() {
    async fn panics() -> &'static str {
        tokio::task::yield_now().await;
        panic!("the text of a panic")
    }
    let running = Running::start(with_routes(|config| {
        config.route("/panics", web::get().to(panics)).route("/quick", web::get().to(async || "quick"));
    }));
    for _ in 0..2 {
        let response = running.ask(&get("/panics")).await;
        assert_eq!((response.status, &*response.code()), (500, "handler_panicked"));
        assert!(!response.text().contains("the text of a panic"), "{response:?}");
        assert_eq!(running.ask(&get("/quick")).await.text(), "quick");
    }
    running.stop().await; // no permit was lost
}

#[tokio::test]
async fn errors_of_own_routes_have_the_status_of_kiket() {
    async fn busy() -> kiket::Result<&'static str> {
        Err(HandlerError::retry_after(Duration::from_millis(1_500), "the calendar is busy"))
    }
    async fn converted() -> kiket::Result<&'static str> {
        "x".parse::<u32>()?;
        Ok("parsed")
    }
    async fn rejected() -> Result<&'static str, kiket::Error> {
        Err(kiket::Error::reject(kiket::http::StatusCode::FORBIDDEN, "not yours"))
    }
    async fn without_state(_: State<Notify>) -> &'static str {
        "unreachable"
    }
    let extension = TestExtension::new(with_routes(|config| {
        config
            .route("/busy", web::get().to(busy))
            .route("/converted", web::get().to(converted))
            .route("/rejected", web::get().to(rejected))
            .route("/without-state", web::get().to(without_state));
    }));
    let extension = extension.unwrap();
    for (path, status, error) in [
        ("/busy", 503, "the calendar is busy"),
        ("/converted", 500, "handler failed"),
        ("/rejected", 403, "not yours"),
        ("/without-state", 500, "a state is missing"),
    ] {
        let response = extension.get(path).await;
        assert_eq!((response.status(), &response.json()["error"]), (status, &json!(error)), "{path}");
        assert_eq!(response.headers().get("retry-after"), (status == 503).then_some("2"), "{path}");
    }
}

/// Texts of strangers, like those of another API, may have any length, and may quote what was sent.
#[tokio::test]
async fn errors_of_own_routes_are_cut_and_without_secrets() {
    fn text() -> String {
        format!("refused {}{}", format!("{PRINTED} ").repeat(300), "x".repeat(1 << 20))
    }
    async fn failed() -> kiket::Result<&'static str> {
        Err(HandlerError::retry(text()))
    }
    async fn panics() -> &'static str {
        panic!("{}", text())
    }
    async fn fails_before(
        _: ServiceRequest,
        _: Next<BoxBody>,
    ) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
        Err(HandlerError::retry(text()).into())
    }
    async fn renders(
        request: ServiceRequest,
        next: Next<BoxBody>,
    ) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
        let response = next.call(request).await?;
        Ok(response.map_body(|_, _| BoxBody::new("a page of their own")))
    }
    let builder = with_routes(|config| {
        let before = web::resource("/before").wrap(from_fn(fails_before)).get(failed);
        let rendered = web::resource("/rendered").wrap(from_fn(renders)).get(failed);
        config.route("/failed", web::get().to(failed)).route("/panics", web::get().to(panics));
        config.service(before).service(rendered);
    });
    let extension = TestExtension::new(builder.webhook_secret(PRINTED)).unwrap();
    for path in ["/failed", "/before", "/panics", "/rendered"] {
        let (logged, _log) = Logged::here();
        let response = extension.get(path).await;
        assert_eq!(response.status(), 500, "{path}");
        let (body, line) = (response.text(), logged.line("own route "));
        for text in [body, &*line] {
            assert!(text.len() < 4_400 && !text.contains(PRINTED), "{path}: {} bytes", text.len());
        }
        assert!(line.contains("refused … … "), "{path}: {line}");
        match path {
            "/panics" => assert!(!body.contains("refused"), "{body}"),
            "/rendered" => assert_eq!(body, "a page of their own"),
            _ => assert!(body.contains("refused … … ") && body.contains("handler_failed"), "{path}: {body}"),
        }
    }
}

fn not_started(configure: impl Fn(&mut ServiceConfig) + Send + Sync + 'static) -> StartupError {
    with_routes(configure).build().expect_err("it does not start")
}

#[test]
fn a_route_with_a_path_of_kiket_stops_the_start() {
    for path in [
        "/health",
        "/health/{probe}",
        "/webhook",
        "/webhooks/issue.created",
        "/webhooks/github", // an event that has no handler yet
        "/webhooks/{provider}",
        "/v/{version}/webhooks/{event}",
        "/v/2/webhooks/github",
        "/v/v1/{kind}/issue.created",
    ] {
        let error = not_started(move |config| {
            config
                .route("/page", web::get().to(HttpResponse::Ok))
                .route(path, web::get().to(HttpResponse::Ok));
        });
        let text = error.to_string();
        assert!(text.contains(&format!("`{path}`")) && text.contains("own_routes.rs"), "{path}: {text}");
        assert_eq!(error.problems().len(), 1, "{text}");
        // A prefix moves kiket's routes away.
        let moved = with_routes(move |config| _ = config.route(path, web::get().to(HttpResponse::Ok)));
        assert!(moved.http(|http| http.prefix("/kiket")).build().is_ok(), "{path}");
    }
    let nested = not_started(|config| {
        let inner = web::scope("/webhooks").service(web::resource(["/a/b", "/slack"]).to(HttpResponse::Ok));
        config.service(web::scope("/v/{version}").service(inner));
    });
    assert!(nested.to_string().contains("/webhooks/slack"), "{nested}");
    let error = with_routes(|config| _ = config.route("/kiket/health", web::get().to(HttpResponse::Ok)))
        .http(|http| http.prefix("/kiket"))
        .build();
    assert!(error.expect_err("it does not start").to_string().contains("`/kiket/health`"));
}

#[test]
fn a_route_with_the_endpoint_of_a_hook_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("extension.yaml");
    let text = "extension: { id: a.b, hooks: [{ event: issue.created, endpoint: /hooks/created }] }";
    std::fs::write(&manifest, text).unwrap();
    let built = |path: &'static str| {
        let routes = with_routes(move |config| _ = config.route(path, web::get().to(HttpResponse::Ok)));
        routes.manifest(&manifest).build()
    };
    let error = built("/hooks/created").expect_err("it does not start").to_string();
    assert!(error.contains("`/hooks/created`") && error.contains("own route"), "{error}");
    for path in ["/hooks/created/", "/webhook/", "/webhooks/issue.created/", "/v/v1/webhooks/issue.created/"]
    {
        assert!(built(path).is_err(), "a slash at the end counts for nothing: {path}");
    }
    for path in [
        "/hooks/other",
        "/hooks/other/",
        "/health/",
        "/x/hooks/created/",
        "/webhook/{tail:.*}",
        "/hooks/created/{tail:.*}",
    ] {
        assert!(built(path).is_ok(), "{path}");
    }
}

#[tokio::test]
async fn own_routes_may_end_like_those_of_deliveries() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("extension.yaml");
    let text = "extension: { id: a.b, hooks: [{ event: issue.created, endpoint: /created.v1 }] }";
    std::fs::write(&manifest, text).unwrap();
    let own =
        ["/slack/created.v1", "/slack/created.v1/", "/x/webhooks/a/", "/x/webhook/", "/x/v/v1/webhooks/a/"];
    for prefix in ["", "/kiket"] {
        let builder = with_routes(move |config| {
            for path in own {
                config.route(path, web::to(async || "own"));
            }
        });
        let extension =
            TestExtension::new(builder.manifest(&manifest).http(|http| http.prefix(prefix))).unwrap();
        for path in own {
            assert_eq!(extension.call("POST", path).await.text(), "own", "{path}");
        }
        for path in ["/created.v1", "/created.v1/", "//created.v1", "/webhooks//issue.created/"] {
            let path = format!("{prefix}{path}?version=v1");
            let created = delivery("issue.created", "v1", &json!({ "id": 1 })).path(&path);
            assert_eq!(extension.deliver(created).await.status(), 200, "{path}");
        }
        for path in ["/created-v1", "/created.v1/x", "/a/created.v1"] {
            let created =
                delivery("issue.created", "v1", &json!({ "id": 1 })).path(format!("{prefix}{path}"));
            assert_eq!(extension.deliver(created).await.status(), 404, "{path}");
        }
        assert_eq!(extension.call("GET", &format!("{prefix}/created.v1")).await.status(), 405);
    }
}

#[tokio::test]
async fn routes_beside_and_behind_those_of_kiket_are_served() {
    async fn path(request: HttpRequest) -> String {
        request.match_pattern().unwrap_or_default()
    }
    let extension = TestExtension::new(with_routes(|config| {
        config
            .route("/healthy", web::get().to(path))
            .route("/webhooks/github/push", web::get().to(path))
            .route("/hooks/github", web::get().to(path))
            .route("/{page}", web::get().to(path))
            .default_service(web::to(async || "the default"));
    }));
    let extension = extension.unwrap();
    for (asked, text) in [
        ("/healthy", "/healthy"),
        ("/webhooks/github/push", "/webhooks/github/push"),
        ("/hooks/github", "/hooks/github"),
        ("/about", "/{page}"),
        ("/a/b", "the default"),
    ] {
        assert_eq!(extension.get(asked).await.text(), text, "{asked}");
    }
    assert_eq!(extension.get("/health").await.json()["status"], "ok");
    assert_eq!(extension.call("POST", "/webhook").await.status(), 401);
}

#[test]
fn a_function_of_routes_that_panics_is_a_problem() {
    let error = not_started(|config| {
        config.route("/{unclosed", web::get().to(HttpResponse::Ok));
    });
    let text = error.to_string();
    assert!(text.contains("panicked: ") && text.contains("own_routes.rs"), "{text}");
}

#[tokio::test]
async fn an_app_that_mounts_the_extension_has_its_own_routes_too() {
    let builder = with_routes(|config| _ = config.route("/page", web::get().to(async || "the extension's")));
    let extension = builder.build().unwrap();
    let app = App::new()
        .route("/", web::get().to(async || "the app's"))
        .service(web::scope("/kiket").configure(extension.routes()))
        .default_service(web::to(async || "the app's default"));
    let app = actix_web::test::init_service(app).await;
    for (path, text) in [
        ("/", "the app's"),
        ("/kiket/page", "the extension's"),
        ("/page", "the app's default"),
        ("/kiket/other", "the app's default"),
    ] {
        let request = actix_web::test::TestRequest::with_uri(path).to_request();
        assert_eq!(actix_web::test::call_and_read_body(&app, request).await, text, "{path}");
    }
}

#[tokio::test]
async fn two_extensions_of_one_app_have_two_prefixes() {
    let page = include_str!("../../docs/migrating.md");
    assert!(page.contains("Two extensions in one app need two prefixes"), "the page says so");
    let extension = |event: &str, prefix: &str| {
        let builder = builder().on(event, "v1", async || Reply::ok());
        builder.http(|http| http.prefix(prefix)).build().unwrap()
    };
    let (first, second) = (extension("a.first", ""), extension("b.second", "/second"));
    let app = App::new().configure(first.routes()).configure(second.routes());
    let app = actix_web::test::init_service(app).await;
    for (prefix, event, status) in [
        ("", "a.first", 200),
        ("/second", "b.second", 200),
        ("", "b.second", 404),
        ("/second", "a.first", 404),
    ] {
        let signed = sign(delivery(event, "v1", &json!({})));
        let mut request = actix_web::test::TestRequest::post().uri(&format!("{prefix}{}", signed.path));
        for (name, value) in signed.headers {
            request = request.append_header((name, value));
        }
        let request = request.set_payload(signed.body).to_request();
        let response = actix_web::test::call_service(&app, request).await;
        assert_eq!(response.status(), status, "{prefix} {event}");
    }
}
