//! Reads the body of a request, within a size limit, a timeout, and the budget of all bodies that are arriving.

use std::{
    cell::{Cell, OnceCell},
    future::poll_fn,
    pin::{Pin, pin},
    time::Duration,
};

use actix_web::{
    HttpRequest,
    error::PayloadError,
    http::header::{CONTENT_ENCODING, HeaderMap, TRANSFER_ENCODING, UPGRADE},
    web::{Bytes, Payload},
};
use futures_core::Stream as _;

use super::connection::{announced_length, body_received};
use crate::{
    error::Rejection,
    pipeline::{Arrivals, Arriving, Pipeline},
    types::unless,
};

/// The size limit and the timeout of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) bytes: usize,
    pub(super) wait: Duration,
}

/// Reads the body of a request (wire contract, response-overload, response-body-limit).
pub(super) async fn take(
    pipeline: &Pipeline,
    request: &HttpRequest,
    payload: &mut Payload,
    bounds: Bounds,
) -> Result<Bytes, Rejection> {
    let arriving = pipeline.concurrency.try_arrive()?;
    let body = read(request.headers(), payload, bounds, &pipeline.concurrency.arrivals).await;
    drop(arriving);
    let body = body?;
    body_received(request);
    Ok(body)
}

/// How many announced bytes are given memory before they have arrived: a sender may announce much and send little.
const AHEAD: usize = 64 * 1024;

/// Reads a body to its end, or rejects it.
async fn read(
    headers: &HeaderMap,
    payload: &mut Payload,
    bounds: Bounds,
    arrivals: &Arrivals,
) -> Result<Bytes, Rejection> {
    let announced = announced_length(headers);
    if announced.is_some_and(|length| length > bounds.bytes) {
        return Err(Rejection::body_too_large(bounds.bytes));
    }
    let (kept, announced) = (Kept::default(), announced.unwrap_or_default());
    let end = if ends_by_length(headers) { announced } else { usize::MAX };
    let arriving = pin!(collect(payload, end, announced.min(AHEAD), bounds.bytes, &kept));
    // Polled twice before it counts as one that waits, which most bodies do not: actix-web calls the service first, and then
    // passes on what it has read of the body.
    let arrived = unless(arriving, 2, || {
        let (arriving, ended) = arrivals.admit(kept.bytes.get());
        let _ = kept.arriving.set(arriving);
        async move {
            tokio::select! {
                () = tokio::time::sleep(bounds.wait) => Rejection::BODY_TOO_SLOW,
                () = ended => Rejection::OVERLOADED,
            }
        }
    });
    let body = arrived.await.unwrap_or_else(Err)?;
    if is_encoded(headers) { Err(Rejection::ENCODED_BODY) } else { Ok(body) }
}

/// What is in memory of a body, and its place among those that wait.
#[derive(Default)]
struct Kept<'a> {
    bytes: Cell<usize>,
    arriving: OnceCell<Arriving<'a>>,
}

impl Kept<'_> {
    fn set(&self, bytes: usize) {
        self.bytes.set(bytes);
        if let Some(arriving) = self.arriving.get() {
            arriving.grew(bytes);
        }
    }
}

/// Reads up to `end`, which is at most `limit` if it is known, or to the end of the payload.
async fn collect(
    payload: &mut Payload,
    end: usize,
    ahead: usize,
    limit: usize,
    kept: &Kept<'_>,
) -> Result<Bytes, Rejection> {
    if end == 0 {
        return Ok(Bytes::new());
    }
    let Some(mut first) = next(payload).await? else { return Ok(Bytes::new()) };
    if first.len() >= end {
        return Ok(first.split_to(end));
    }
    if first.len() > limit {
        return Err(Rejection::body_too_large(limit));
    }
    kept.set(first.len());
    // Most bodies arrive in one chunk, which needs no copy.
    let Some(second) = next(payload).await? else { return Ok(first) };
    let mut body = Vec::with_capacity(first.len().max(ahead));
    body.extend_from_slice(&first);
    let mut chunk = Some(second);
    while let Some(bytes) = chunk {
        if bytes.len() >= end - body.len() {
            body.extend_from_slice(bytes.get(..end - body.len()).unwrap_or_default());
            break;
        }
        if bytes.len() > limit - body.len() {
            return Err(Rejection::body_too_large(limit));
        }
        body.extend_from_slice(&bytes);
        kept.set(body.capacity());
        chunk = next(payload).await?;
    }
    Ok(body.into())
}

async fn next(payload: &mut Payload) -> Result<Option<Bytes>, Rejection> {
    let chunk = poll_fn(|context| Pin::new(&mut *payload).poll_next(context)).await;
    chunk.transpose().map_err(|error| match error {
        PayloadError::Overflow => Rejection::body_too_large(0),
        _ => Rejection::BODY_INCOMPLETE,
    })
}

/// Whether the body ends by its length, and not with the payload: with `Upgrade: websocket`, actix-http passes everything
/// on that follows the head (wire contract, upgrade).
fn ends_by_length(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE) && !headers.contains_key(TRANSFER_ENCODING)
}

/// Whether the body has an encoding: its bytes are then not those that were signed.
fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).any(|encoding| {
        let encoding = encoding.as_bytes().trim_ascii();
        !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity")
    })
}
