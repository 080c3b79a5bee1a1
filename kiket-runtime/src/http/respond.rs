//! HTTP responses from those of the pipeline and from rejections.

use std::{
    error::Error as StdError,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    http::{
        ConnectionType, StatusCode,
        header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER},
    },
    web::{Bytes, Payload},
};

use crate::{error::Rejection, pipeline::Response, types::retry_seconds};

/// Marks a stored reply (wire contract, response-replayed).
const REPLAYED: HeaderName = HeaderName::from_static("x-kiket-replayed");

/// A response of the pipeline as an HTTP response.
pub(super) fn respond(from: Response) -> HttpResponse {
    let status = StatusCode::from_u16(from.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::with_body(status, BoxBody::new(from.body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if from.replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(delay) = from.retry_after {
        headers.insert(RETRY_AFTER, retry_seconds(delay).into());
    }
    response
}

/// A rejection as an HTTP response.
pub(super) fn reject(rejection: &Rejection) -> HttpResponse {
    respond(Response::rejection(rejection, None))
}

/// A JSON body with a status.
pub(super) fn json(status: http::StatusCode, body: impl Into<bytes::Bytes>) -> HttpResponse {
    respond(Response::new(status, body.into()))
}

/// The response to a method that the path does not have.
pub(super) fn method_not_allowed(allow: &'static str) -> HttpResponse {
    let mut response = reject(&Rejection::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// The response for a path that does not exist.
#[allow(unreachable_pub)] // `internals` exports it
pub async fn not_found(payload: Payload) -> HttpResponse {
    leave_unread(reject(&Rejection::NOT_FOUND), payload)
}

/// The response to a request whose body may not have been read to its end; its connection is then closed.
///
/// If a chunked payload is dropped, actix-web reads on for as long as the client sends. So the payload is held until the
/// response is written.
pub(super) fn leave_unread(response: HttpResponse, payload: Payload) -> HttpResponse {
    response.map_body(|_, body| BoxBody::new(Keeping::new(body, payload)))
}

/// A body that holds a value until it is written.
pub(super) struct Keeping<K> {
    body: BoxBody,
    _kept: K,
}

impl<K> Keeping<K> {
    pub(super) fn new(body: BoxBody, kept: K) -> Self {
        Self { body, _kept: kept }
    }
}

impl<K: Unpin> MessageBody for Keeping<K> {
    type Error = Box<dyn StdError>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(context)
    }
}

/// Asks the client to use another connection for its next request, because this process ends.
pub(super) fn closing(mut response: HttpResponse) -> HttpResponse {
    response.head_mut().set_connection_type(ConnectionType::Close);
    response
}
