//! Extractors: optional ones, those that wait, and the moments in which they run.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use kiket::{
    Delivery, Error, Extension, ExtensionBuilder, FromDelivery, Handler, HandlerError, Json, Payload,
    RawBody, State,
    error::PayloadRejection,
    handler::{RequiredSecret, SecretKey},
    http::StatusCode,
    middleware::{HandlerOutcome, Next},
    testing::{TestExtension, TestResponse, delivery},
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Created {
    title: String,
}

fn builder() -> ExtensionBuilder {
    Extension::builder().without_collected().without_manifest()
}

async fn deliver(extension: &TestExtension, body: &Value) -> TestResponse {
    extension.deliver(delivery("issue.created", "v1", body)).await
}

#[tokio::test]
async fn an_optional_payload_is_none_where_it_does_not_decode() {
    let handler = async |payload: Option<Payload<Created>>| Json(payload.map(|payload| payload.0.title));
    let extension = TestExtension::new(builder().on("issue.created", "v1", handler)).unwrap();
    assert_eq!(deliver(&extension, &json!({ "id": 1, "title": "T" })).await.json(), json!("T"));
    assert_eq!(deliver(&extension, &json!({ "id": 2 })).await.json(), json!(null));
}

#[tokio::test]
async fn a_rejection_is_given_to_a_handler_that_takes_it() {
    async fn handler(payload: Result<Payload<Created>, PayloadRejection>) -> kiket::Result<Json<String>> {
        match payload {
            Ok(Payload(created)) => Ok(Json(created.title)),
            Err(rejection) if rejection.to_string().contains("title") => Ok(Json(rejection.to_string())),
            Err(rejection) => Err(rejection.into()),
        }
    }
    async fn any(payload: Result<Payload<Created>, HandlerError>) -> kiket::Result<Json<String>> {
        Ok(Json(payload?.0.title))
    }
    let builder = builder().on("issue.created", "v1", handler).on("issue.created", "v2", any);
    let extension = TestExtension::new(builder).unwrap();
    assert_eq!(deliver(&extension, &json!({ "id": 1, "title": "T" })).await.json(), json!("T"));
    let response = deliver(&extension, &json!({ "id": 2 })).await;
    assert_eq!((response.status(), response.json()), (200, json!("missing field `title`")));
    let response = extension.deliver(delivery("issue.created", "v2", &json!({ "id": 3, "title": 3 }))).await;
    assert_eq!((response.status(), &response.json()["code"]), (500, &json!("undecodable_payload")));
    assert_eq!(response.json()["error"], "title: invalid type: integer `3`, expected a string");
}

#[tokio::test]
async fn an_optional_state_and_secret_are_not_required_at_the_start() {
    struct Token;
    impl SecretKey for Token {
        const KEY: &'static str = "TOKEN";
    }
    async fn handler(
        given: Option<State<u8>>,
        absent: Option<State<u16>>,
        error: Result<State<u32>, Error>,
        secret: Option<RequiredSecret<Token>>,
    ) -> Json<Value> {
        let error = error.map(|_| ()).map_err(|error| error.to_string());
        Json(json!([given.map(|state| *state), absent.is_none(), error.is_err(), secret.is_none()]))
    }
    let extension = TestExtension::new(builder().state(7_u8).on("issue.created", "v1", handler)).unwrap();
    assert_eq!(deliver(&extension, &json!({ "id": 1 })).await.json(), json!([7, true, true, true]));
}

#[tokio::test]
async fn extractors_destructure() {
    async fn handler(
        State(shared): State<AtomicUsize>,
        Payload(created): Payload<Created>,
        RawBody(bytes): RawBody,
    ) -> Json<Value> {
        let shared: Arc<AtomicUsize> = shared;
        Json(json!([shared.load(Ordering::SeqCst), created.title, bytes.len()]))
    }
    let extension =
        TestExtension::new(builder().state(AtomicUsize::new(3)).on("issue.created", "v1", handler)).unwrap();
    let body = json!({ "title": "T" });
    let length = body.to_string().len();
    assert_eq!(deliver(&extension, &body).await.json(), json!([3, "T", length]));
}

/// Counts its extractions, in the state, and waits.
struct Waiting(usize);

impl FromDelivery<'_> for Waiting {
    type Rejection = Error;

    async fn from_delivery(delivery: &Delivery) -> Result<Self, Error> {
        tokio::task::yield_now().await;
        let State(count) = State::<AtomicUsize>::from_delivery(delivery).await?;
        if delivery.headers().get("x-refuse").is_some() {
            return Err(Error::reject(StatusCode::CONFLICT, "refused"));
        }
        Ok(Self(count.fetch_add(1, Ordering::SeqCst) + 1))
    }
}

#[tokio::test]
async fn an_extractor_that_waits_runs_after_the_claim() {
    let handler = async |waiting: Waiting, _: Payload<Created>| Json(waiting.0);
    let builder = builder().state(AtomicUsize::new(0)).on("issue.created", "v1", handler);
    let extension = TestExtension::new(builder).unwrap();
    for replayed in [None, Some("true")] {
        let response = deliver(&extension, &json!({ "id": 1, "title": "T" })).await;
        assert_eq!((response.status(), response.json()), (200, json!(1)));
        assert_eq!(response.headers().get("x-kiket-replayed"), replayed);
    }
    // It does not run for a payload that does not decode, wherever that is among the arguments.
    assert_eq!(deliver(&extension, &json!({ "id": 2 })).await.status(), 500);
    assert_eq!(deliver(&extension, &json!({ "id": 3, "title": "T" })).await.json(), json!(2));
}

#[tokio::test]
async fn a_rejection_is_the_outcome_that_middleware_sees() {
    async fn soften(_: &Delivery, next: Next<'_>) -> HandlerOutcome {
        next.run().await.map_err(|error| HandlerError::permanent(format!("softened: {error}")))
    }
    let handler = Handler::new("issue.created", "v1", async |_: Waiting| ()).middleware(soften);
    let extension = TestExtension::new(builder().state(AtomicUsize::new(0)).handler(handler)).unwrap();
    let refused = delivery("issue.created", "v1", &json!({ "id": 1 })).header("x-refuse", "1");
    let response = extension.deliver(refused).await;
    assert_eq!((response.status(), &response.json()["error"]), (422, &json!("softened: refused")));
}

#[tokio::test]
async fn options_of_a_handler_are_those_of_the_attribute() {
    let wrong = Handler::new("no event", "latest", async || ()).scopes(["a b", "issues:read"]);
    let error = TestExtension::new(builder().handler(wrong)).unwrap_err().to_string();
    for what in ["`no event` is not the name", "`latest` is not the version", "`a b` is not a scope"] {
        assert!(error.contains(what), "{error}");
    }
    let scoped = Handler::new("issue.created", "v1", async || ()).scopes(["issues:read"]);
    let error = TestExtension::new(builder().handler(scoped)).unwrap_err().to_string();
    assert!(error.contains("requires scopes"), "{error}");
    let again = Handler::new("issue.created", "v1", async |State(count): State<AtomicUsize>| {
        Json(count.fetch_add(1, Ordering::SeqCst))
    });
    let extension =
        TestExtension::new(builder().state(AtomicUsize::new(0)).handler(again.dedupe(false))).unwrap();
    for run in 0..2 {
        assert_eq!(deliver(&extension, &json!({ "id": 1 })).await.json(), json!(run));
    }
}
