use kiket::prelude::*;
use kiket::{HandlerError, error::PayloadRejection, http::StatusCode, middleware::FromMiddleware};

use crate::registered;

#[derive(Deserialize)]
struct IssueCreated<'a> {
    #[serde(borrow)]
    title: std::borrow::Cow<'a, str>,
}

struct Pool;
struct Tenant;

#[kiket::webhook("a.destructured", version = "v1")]
async fn destructured(
    State(_pool): State<Pool>,
    Payload(event): Payload<IssueCreated<'_>>,
    RawBody(bytes): RawBody,
    FromMiddleware(_tenant): FromMiddleware<Tenant>,
) -> (StatusCode, Json<Value>) {
    (StatusCode::ACCEPTED, Json(json!({ "title": event.title, "bytes": bytes.len() })))
}

#[kiket::webhook("a.optional", version = "v1")]
async fn optional(
    event: Option<Payload<IssueCreated<'_>>>,
    tenant: Option<FromMiddleware<Tenant>>,
) -> Option<Reply> {
    tenant.map(|_| Reply::json(event.map(|event| event.0.title.into_owned())))
}

#[kiket::webhook("a.result", version = "v1")]
async fn result(
    event: Result<Payload<IssueCreated<'_>>, PayloadRejection>,
    tenant: Result<FromMiddleware<Tenant>, HandlerError>,
) -> kiket::Result<(StatusCode, Reply)> {
    let _: FromMiddleware<Tenant> = tenant?;
    Ok((StatusCode::CREATED, Reply::json(&*event?.title)))
}

use serde_json::Value;

#[test]
fn extractors_may_be_optional() {
    assert_eq!(
        registered::registered(module_path!(), |builder| builder.state(Pool)),
        ["a.destructured v1 destructured", "a.optional v1 optional", "a.result v1 result"]
    );
}
