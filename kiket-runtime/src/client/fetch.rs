//! Fetches a document that Kiket publishes: without a token, for it is for everybody.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::{
    CONNECT_TIMEOUT, USER_AGENT,
    transport::{Http, Options, Outgoing, Transport, Trouble},
};
use crate::types::BaseUrl;

/// Fetches one document.
pub(crate) struct Fetcher {
    transport: Box<dyn Transport>,
    url: String,
}

impl Fetcher {
    /// Fetches `path` below `base`.
    pub(crate) fn new(base: &BaseUrl, path: &str) -> Self {
        let options = Options { connect_timeout: CONNECT_TIMEOUT, host: base.host().to_owned() };
        Self::over(Box::new(Http::new(options)), format!("{base}{path}"))
    }

    pub(crate) fn over(transport: Box<dyn Transport>, url: String) -> Self {
        Self { transport, url }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The document, or why it cannot be had. Whoever asks limits the time.
    pub(crate) async fn fetch(&self) -> Result<Bytes, String> {
        let headers = [
            (header::USER_AGENT, HeaderValue::from_static(USER_AGENT)),
            (header::ACCEPT, HeaderValue::from_static("application/json")),
        ];
        let (method, url, headers) = (Method::GET, self.url.clone(), HeaderMap::from_iter(headers));
        match self.transport.send(Outgoing { method, url, headers, body: None }).await {
            Ok(answer) if answer.status == StatusCode::OK => Ok(answer.body),
            Ok(answer) => Err(format!("it was answered with {}", answer.status)),
            Err(Trouble::Timeout) => Err("no answer came in time".to_owned()),
            Err(Trouble::TooLarge) => Err("the answer is too large".to_owned()),
            Err(Trouble::Unusable(why) | Trouble::Connect(why) | Trouble::Interrupted(why)) => Err(why),
        }
    }
}
