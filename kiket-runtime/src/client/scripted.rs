//! Reads `Retry-After` and lists over scripted responses, for fuzz targets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderValue, StatusCode, header::RETRY_AFTER};
use serde_json::Value;

use super::{
    Client, ClientOptions, Page, Paginator, Request,
    retry::retry_after,
    transport::{Outgoing, Response, Sending, Transport, TransportError},
};
use crate::{
    error::ClientError,
    types::{Clock, Secret},
};

/// The delay of a `Retry-After`, as its value is sent.
pub fn read_retry_after(value: &[u8]) -> Option<Duration> {
    retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_bytes(value).ok()?)]))
}

/// What came of reading a list.
#[derive(Debug)]
pub struct ListRead {
    /// The number of items.
    pub items: usize,
    /// The number of requests, with those that were made again.
    pub requests: usize,
    /// The error that ended it.
    pub error: Option<ClientError>,
}

/// Reads a list to its end, where the responses are these: status, `Retry-After`, body. The last one is that of all further
/// requests.
pub async fn read_list(responses: Vec<(u16, Option<Vec<u8>>, Vec<u8>)>) -> ListRead {
    let script = Script { responses, requests: Arc::default() };
    let requests = Arc::clone(&script.requests);
    let options =
        ClientOptions { extension_api_key: Some(Secret::new("ek_test")), ..ClientOptions::default() };
    let client = Client::over(Box::new(script), options, Clock::system(), Arc::default());
    let list = Request::get(&["ext", "list"]);
    let mut pages = Paginator::<Value>::new(client, list, |json| Page::read(json, "items"));
    let (mut items, mut error) = (0, None);
    while let Some(item) = pages.next().await {
        match item {
            Ok(_) => items += 1,
            Err(failed) => error = Some(failed),
        }
    }
    ListRead { items, requests: requests.load(Ordering::Relaxed), error }
}

struct Script {
    responses: Vec<(u16, Option<Vec<u8>>, Vec<u8>)>,
    requests: Arc<AtomicUsize>,
}

impl Transport for Script {
    fn send(&self, _: Outgoing) -> Sending<'_> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let response =
            self.responses.get(number).or(self.responses.last()).and_then(|(status, delay, body)| {
                let delay = delay.as_ref().and_then(|delay| HeaderValue::from_bytes(delay).ok());
                let headers = delay.into_iter().map(|delay| (RETRY_AFTER, delay)).collect();
                Some(Response {
                    status: StatusCode::from_u16(*status).ok()?,
                    headers,
                    body: body.clone().into(),
                })
            });
        Box::pin(std::future::ready(response.ok_or(TransportError::Timeout)))
    }
}
