//! Sends telemetry: with a pool, a pace and a patience of its own, so that calls of handlers never wait for it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    CONNECT_TIMEOUT, USER_AGENT,
    rate_limit::Pace,
    sensitive,
    transport::{Http, Options, Outgoing, Transport},
};
use crate::config::Config;
use crate::error::{ClientError, ClientErrorKind};

/// Sends records to the telemetry address.
pub(crate) struct Reporter {
    transport: Box<dyn Transport>,
    url: String,
    headers: HeaderMap,
    pace: Pace,
}

/// How many records a minute are sent: half of an extension's calls, the other half is for its handlers.
const RECORDS_PER_MINUTE: u32 = 300;
/// How long one record may take.
const PATIENCE: Duration = Duration::from_secs(5);

impl Reporter {
    /// A reporter, unless telemetry is off or nobody would take it: Kiket takes it with a token.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        if !config.telemetry {
            return None;
        }
        let address = &config.telemetry_url;
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // Another address than Kiket's gets records, and no token.
        if address.has_origin_of(&config.base_url) {
            let token = config.workspace_token.as_ref()?;
            headers.insert(header::AUTHORIZATION, sensitive(&format!("Bearer {}", token.expose())).ok()?);
            if let Some(key) = &config.extension_api_key {
                headers.insert(crate::client::API_KEY_HEADER, sensitive(key.expose()).ok()?);
            }
        }
        let text = address.as_str();
        let url = if text.ends_with("/telemetry") { text.to_owned() } else { format!("{text}/telemetry") };
        let options = Options { connect_timeout: CONNECT_TIMEOUT, host: address.host().to_owned() };
        let pace = Pace::new(RECORDS_PER_MINUTE, 1);
        Some(Self { transport: Box::new(Http::new(options)), url, headers, pace })
    }

    /// Sends one record.
    pub(crate) async fn send(&self, record: &impl Serialize) -> Result<(), ClientError> {
        let failed = |kind, message: &str| ClientError::new(kind, "POST telemetry", message);
        let body =
            serde_json::to_vec(record).map_err(|_| failed(ClientErrorKind::InvalidRequest, "not JSON"))?;
        let far = Instant::now() + Duration::from_secs(3600);
        let Ok(_turn) = self.pace.turn(far).await else {
            return Err(failed(ClientErrorKind::RateLimited, "no turn for it"));
        };
        let outgoing = Outgoing {
            method: Method::POST,
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: Some(Bytes::from(body)),
        };
        let response = tokio::time::timeout(PATIENCE, self.transport.send(outgoing)).await;
        match response {
            Ok(Ok(response)) if response.status.is_success() => Ok(()),
            Ok(Ok(response)) => Err(ClientError::answered("POST telemetry", response.status, b"", None)),
            Ok(Err(trouble)) => Err(failed(ClientErrorKind::Connect, &format!("{trouble:?}"))),
            Err(_) => Err(failed(ClientErrorKind::Timeout, "no answer in time")),
        }
    }
}
