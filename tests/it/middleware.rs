//! Middleware: its order, what it stops, what it sees and what it gives to handlers.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kiket::{
    Context, Delivery, Extension, ExtensionBuilder, Handler, HandlerError, Json, Payload, Reply,
    error::ErrorKind,
    handler::HandlerFuture,
    http::StatusCode,
    middleware::{FromMiddleware, HandlerOutcome, Middleware, Next},
    testing::{TestExtension, TestResponse, delivery},
};
use serde_json::{Value, json};

use crate::responses::annotated;

fn builder() -> ExtensionBuilder {
    Extension::builder().without_collected().without_manifest()
}

async fn deliver(extension: &TestExtension) -> TestResponse {
    extension.deliver(delivery("issue.created", "v1", &json!({ "id": "d-1", "title": "T" }))).await
}

async fn respond(builder: ExtensionBuilder) -> TestResponse {
    deliver(&TestExtension::new(builder).unwrap()).await
}

/// What happened, in order.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    fn write(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Writes into the journal before and after the rest.
struct Journaling(&'static str, Journal);

impl Middleware for Journaling {
    fn handle<'d>(&'d self, delivery: &'d Delivery, next: Next<'d>) -> HandlerFuture<'d> {
        Box::pin(async move {
            self.1.write(format!("{} before {}", self.0, delivery.event()));
            let outcome = next.run().await;
            self.1.write(format!(
                "{} after {}",
                self.0,
                outcome.as_ref().map_or(0, |reply| reply.status().as_u16())
            ));
            outcome
        })
    }
}

#[tokio::test]
async fn middleware_runs_from_the_outside_in_and_back() {
    let journal = Journal::default();
    let handler = {
        let journal = journal.clone();
        move || {
            journal.write("handler");
            async { (StatusCode::ACCEPTED, ()) }
        }
    };
    let builder = builder()
        .middleware(Journaling("a", journal.clone()))
        .handler(
            Handler::new("issue.created", "v1", handler)
                .middleware(Journaling("c", journal.clone()))
                .middleware(Journaling("d", journal.clone())),
        )
        .middleware(Journaling("b", journal.clone()));
    assert_eq!(respond(builder).await.status(), 202);
    let before = ["a", "b", "c", "d"].map(|name| format!("{name} before issue.created"));
    let after = ["d", "c", "b", "a"].map(|name| format!("{name} after 202"));
    let expected: Vec<_> = before.into_iter().chain(["handler".to_owned()]).chain(after).collect();
    assert_eq!(journal.lines(), expected);
}

/// What a handler that is registered by the attribute leaves for the test that delivers to it.
static ATTRIBUTE: Mutex<Vec<&str>> = Mutex::new(Vec::new());

async fn outer(_: &Delivery, next: Next<'_>) -> HandlerOutcome {
    ATTRIBUTE.lock().unwrap().push("outer");
    next.run().await
}

/// Fails every delivery but the first.
struct First(AtomicUsize);

impl First {
    fn new() -> Self {
        Self(AtomicUsize::new(0))
    }
}

impl Middleware for First {
    fn handle<'d>(&'d self, _: &'d Delivery, next: Next<'d>) -> HandlerFuture<'d> {
        ATTRIBUTE.lock().unwrap().push("first");
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => next.run(),
            _ => Box::pin(async { Err(HandlerError::reject(StatusCode::CONFLICT, "not the first")) }),
        }
    }
}

#[kiket::webhook("middleware.attribute", version = "v1", middleware = [outer, First::new()])]
async fn on_middleware_attribute() -> (StatusCode, ()) {
    ATTRIBUTE.lock().unwrap().push("handler");
    (StatusCode::ACCEPTED, ())
}

#[tokio::test]
async fn middleware_of_the_attribute_runs_inside_that_of_the_builder() {
    let whole = async |_: &Delivery, next: Next<'_>| -> HandlerOutcome {
        ATTRIBUTE.lock().unwrap().push("builder");
        next.run().await
    };
    let extension = TestExtension::new(annotated().middleware(whole)).unwrap();
    for (id, status) in [("d-1", 202), ("d-2", 409)] {
        let delivery = delivery("middleware.attribute", "v1", &json!({ "id": id }));
        assert_eq!(extension.deliver(delivery).await.status(), status);
    }
    let expected = ["builder", "outer", "first", "handler", "builder", "outer", "first"];
    assert_eq!(*ATTRIBUTE.lock().unwrap(), expected);
}

async fn closed(_: &Delivery, _: Next<'_>) -> HandlerOutcome {
    Err(HandlerError::reject(StatusCode::FORBIDDEN, "closed").with_code("closed"))
}

#[tokio::test]
async fn middleware_stops_a_delivery_and_its_outcome_is_stored() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let handler = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async {}
    };
    let extension =
        TestExtension::new(builder().middleware(closed).on("issue.created", "v1", handler)).unwrap();
    for replayed in [None, Some("true")] {
        let response = deliver(&extension).await;
        assert_eq!((response.status(), &response.json()["code"]), (403, &json!("closed")));
        assert_eq!(response.headers().get("x-kiket-replayed"), replayed);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn middleware_sees_no_delivery_that_is_replayed() {
    let journal = Journal::default();
    let builder =
        builder().middleware(Journaling("a", journal.clone())).on("issue.created", "v1", async || ());
    let extension = TestExtension::new(builder).unwrap();
    for _ in 0..3 {
        assert_eq!(deliver(&extension).await.status(), 200);
    }
    assert_eq!(journal.lines().len(), 2);
}

#[tokio::test]
async fn middleware_replaces_the_outcome() {
    let replace = async |_: &Delivery, next: Next<'_>| -> HandlerOutcome {
        let error = next.run().await.unwrap_err();
        Ok(Reply::json(json!({ "kind": format!("{:?}", error.kind()) })))
    };
    let fail = async || Err::<(), _>(std::num::ParseIntError::clone(&"x".parse::<u8>().unwrap_err()));
    let builder = builder()
        .classify(|_: &std::num::ParseIntError| Some(kiket::error::Advice::never()))
        .middleware(replace)
        .on("issue.created", "v1", fail);
    let response = respond(builder).await;
    assert_eq!((response.status(), response.json()), (200, json!({ "kind": "Permanent" })));
}

#[tokio::test]
async fn middleware_sees_a_payload_that_does_not_decode() {
    struct See(Journal);
    impl Middleware for See {
        fn handle<'d>(&'d self, _: &'d Delivery, next: Next<'d>) -> HandlerFuture<'d> {
            Box::pin(async move {
                let outcome = next.run().await;
                if let Err(error) = &outcome {
                    assert_eq!(error.kind(), ErrorKind::Undecodable);
                    self.0.write(error.to_string());
                }
                outcome
            })
        }
    }
    let seen = Journal::default();
    let builder =
        builder().middleware(See(seen.clone())).on("issue.created", "v1", async |_: Payload<u32>| ());
    assert_eq!(respond(builder).await.status(), 500);
    assert_eq!(seen.lines(), ["invalid type: map, expected u32"]);
}

struct Tenant(String);

async fn tenant(delivery: &Delivery, next: Next<'_>) -> HandlerOutcome {
    let context = Context::from(delivery);
    delivery.insert(Tenant(format!("tenant of {}", context.delivery_id().unwrap_or_default())));
    next.run().await
}

#[tokio::test]
async fn a_value_of_middleware_is_extracted() {
    async fn handler(
        FromMiddleware(tenant): FromMiddleware<Tenant>,
        none: Option<FromMiddleware<u8>>,
    ) -> Json<Value> {
        Json(json!([tenant.0, none.is_none()]))
    }
    let response = respond(builder().middleware(tenant).on("issue.created", "v1", handler)).await;
    assert_eq!((response.status(), response.json()), (200, json!(["tenant of d-1", true])));
}

#[tokio::test]
async fn a_value_that_no_middleware_inserted_is_a_retry() {
    let handler = async |_: FromMiddleware<Tenant>| ();
    let response = respond(builder().on("issue.created", "v1", handler)).await;
    assert_eq!((response.status(), &response.json()["error"]), (500, &json!("handler failed")));
}

#[tokio::test]
async fn panics_of_middleware_and_of_its_handler_are_caught() {
    struct Early;
    impl Middleware for Early {
        fn handle<'d>(&'d self, _: &'d Delivery, _: Next<'d>) -> HandlerFuture<'d> {
            panic!("early")
        }
    }
    let panics = async |_: &Delivery, _: Next<'_>| -> HandlerOutcome { panic!("late") };
    let rest = async |_: &Delivery, next: Next<'_>| -> HandlerOutcome { next.run().await };
    let ok = async || ();
    for builder in [
        builder().middleware(Early).on("issue.created", "v1", ok),
        builder().middleware(panics).on("issue.created", "v1", ok),
        builder().middleware(rest).on("issue.created", "v1", async || -> () { panic!("inside") }),
    ] {
        let response = respond(builder).await;
        assert_eq!((response.status(), &response.json()["code"]), (500, &json!("handler_panicked")));
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_that_of_middleware_and_handler_together() {
    let slow = async |_: &Delivery, next: Next<'_>| -> HandlerOutcome {
        tokio::time::sleep(Duration::from_secs(3)).await;
        next.run().await
    };
    let respond_in = async |seconds| {
        let handler = async || tokio::time::sleep(Duration::from_secs(3)).await;
        let handler = Handler::new("issue.created", "v1", handler).timeout(Duration::from_secs(seconds));
        respond(builder().middleware(slow).handler(handler)).await.status()
    };
    assert_eq!(respond_in(5).await, 504);
    assert_eq!(respond_in(7).await, 200);
}
