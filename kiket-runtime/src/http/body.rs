//! Reads the body of a request, within a size limit and a timeout.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    time::Duration,
};

use actix_web::{
    error::PayloadError,
    http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap},
    web::{Bytes, BytesMut, Payload},
};
use futures_core::Stream as _;

use crate::{error::Rejection, types::unless};

/// The size limit and the timeout of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) bytes: usize,
    pub(super) wait: Duration,
}

/// Reads a body to its end, or rejects it.
pub(super) async fn read(
    headers: &HeaderMap,
    payload: &mut Payload,
    bounds: Bounds,
) -> Result<Bytes, Rejection> {
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > bounds.bytes) {
        return Err(Rejection::body_too_large(bounds.bytes));
    }
    let arriving = pin!(collect(payload, announced.unwrap_or_default(), bounds.bytes));
    // Polled twice before a timer is set, which most bodies do not need: actix-web calls the service first, and then passes
    // on what it has read of the body.
    let arrived = unless(arriving, 2, || tokio::time::sleep(bounds.wait)).await;
    let body = arrived.unwrap_or(Err(Rejection::BODY_TOO_SLOW))?;
    if is_encoded(headers) { Err(Rejection::ENCODED_BODY) } else { Ok(body) }
}

async fn collect(payload: &mut Payload, announced: usize, limit: usize) -> Result<Bytes, Rejection> {
    let Some(first) = next(payload).await? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(Rejection::body_too_large(limit));
    }
    // Most bodies arrive in one chunk, which needs no copy.
    let Some(second) = next(payload).await? else { return Ok(first) };
    let mut body = BytesMut::with_capacity(announced.max(first.len()));
    body.extend_from_slice(&first);
    let mut chunk = Some(second);
    while let Some(bytes) = chunk {
        if bytes.len() > limit - body.len() {
            return Err(Rejection::body_too_large(limit));
        }
        body.extend_from_slice(&bytes);
        chunk = next(payload).await?;
    }
    Ok(body.freeze())
}

async fn next(payload: &mut Payload) -> Result<Option<Bytes>, Rejection> {
    let chunk = poll_fn(|context| Pin::new(&mut *payload).poll_next(context)).await;
    chunk.transpose().map_err(|error| match error {
        PayloadError::Overflow => Rejection::body_too_large(0),
        _ => Rejection::BODY_INCOMPLETE,
    })
}

/// Whether the body has an encoding: its bytes are then not those that were signed.
fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).any(|encoding| {
        let encoding = encoding.as_bytes().trim_ascii();
        !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity")
    })
}
