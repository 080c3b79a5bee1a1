//! Sends telemetry, with its own connections and rate limit, so that handlers' calls do not wait for it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    credentials::{API_KEY, bearer, sensitive},
    options::{CONNECT_TIMEOUT, ClientOptions},
    rate_limit::RateLimiter,
    transport::{HttpTransport, Outgoing, Transport, USER_AGENT},
};
use crate::{
    error::{ClientError, ClientErrorKind},
    types::BaseUrl,
};

/// Sends records to the telemetry address.
pub(crate) struct Reporter {
    transport: Box<dyn Transport>,
    url: String,
    headers: HeaderMap,
    rate_limiter: RateLimiter,
}

/// Half of an extension's rate limit. The other half is for its handlers.
const RECORDS_PER_MINUTE: u32 = 300;
/// The timeout of one record.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Reporter {
    /// A reporter; `None` where Kiket would refuse its records, which is without a workspace token.
    pub(crate) fn new(options: &ClientOptions, address: &BaseUrl) -> Option<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, USER_AGENT);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // Another address than Kiket's gets records, and no token.
        if address.has_origin_of(&options.base_url) {
            let token = options.workspace_token.as_ref()?;
            headers.insert(header::AUTHORIZATION, bearer(token).ok()?);
            if let Some(key) = &options.extension_api_key {
                headers.insert(API_KEY, sensitive(key.expose()).ok()?);
            }
        }
        let text = address.as_str();
        let url = if text.ends_with("/telemetry") { text.to_owned() } else { format!("{text}/telemetry") };
        let transport = Box::new(HttpTransport::new(address, CONNECT_TIMEOUT));
        let rate_limiter = RateLimiter::new(RECORDS_PER_MINUTE, 1);
        Some(Self { transport, url, headers, rate_limiter })
    }

    /// Sends one record; `None` if the rate limit holds it back until `hurried` is over.
    pub(crate) async fn send(
        &self,
        record: &impl Serialize,
        hurried: impl Future<Output = ()>,
    ) -> Option<Result<(), ClientError>> {
        let far = Instant::now() + Duration::from_secs(3600);
        let _permit = tokio::select! {
            biased;
            permit = self.rate_limiter.acquire(far) => permit.ok()?,
            () = hurried => return None,
        };
        Some(self.send_now(record).await)
    }

    async fn send_now(&self, record: &impl Serialize) -> Result<(), ClientError> {
        let failed = |kind, message: &str| ClientError::new(kind, "POST telemetry", message);
        let body =
            serde_json::to_vec(record).map_err(|_| failed(ClientErrorKind::InvalidRequest, "not JSON"))?;
        let outgoing = Outgoing {
            method: Method::POST,
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: Some(Bytes::from(body)),
        };
        match tokio::time::timeout(TIMEOUT, self.transport.send(outgoing)).await {
            Ok(Ok(response)) if response.status.is_success() => Ok(()),
            Ok(Ok(response)) => Err(ClientError::of_response("POST telemetry", response.status, b"", None)),
            Ok(Err(error)) => Err(failed(ClientErrorKind::Connect, &format!("{error:?}"))),
            Err(_) => Err(failed(ClientErrorKind::Timeout, "no response in time")),
        }
    }
}
