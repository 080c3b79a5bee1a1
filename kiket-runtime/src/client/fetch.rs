//! Fetches a document that Kiket publishes, without credentials.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::{
    options::CONNECT_TIMEOUT,
    transport::{HttpTransport, Outgoing, Transport, TransportError, USER_AGENT},
};
use crate::types::BaseUrl;

/// Fetches one document.
pub(crate) struct Fetcher {
    transport: Box<dyn Transport>,
    pub(crate) url: String,
}

impl Fetcher {
    /// Fetches `path` below `base`.
    pub(crate) fn new(base: &BaseUrl, path: &str) -> Self {
        Self::over(Box::new(HttpTransport::new(base, CONNECT_TIMEOUT)), format!("{base}{path}"))
    }

    pub(crate) fn over(transport: Box<dyn Transport>, url: String) -> Self {
        Self { transport, url }
    }

    /// Runs `work` in the background, where no handler can block it.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.transport.spawn(Box::pin(work));
    }

    /// The document, or why it cannot be fetched. The caller limits the time.
    pub(crate) async fn fetch(&self) -> Result<Bytes, String> {
        let headers = [
            (header::USER_AGENT, USER_AGENT),
            (header::ACCEPT, HeaderValue::from_static("application/json")),
        ];
        let (method, url, headers) = (Method::GET, self.url.clone(), HeaderMap::from_iter(headers));
        let outgoing =
            || Outgoing { method: method.clone(), url: url.clone(), headers: headers.clone(), body: None };
        let sent = match self.transport.send(outgoing()).await {
            // Also a connection that was idle, and is closed.
            Err(TransportError::Interrupted(_)) => self.transport.send(outgoing()).await,
            sent => sent,
        };
        match sent {
            Ok(response) if response.status == StatusCode::OK => match response.unreadable() {
                None => Ok(response.body.slice_ref(response.text())),
                Some(reason) => Err(format!("the response cannot be read: {reason}")),
            },
            Ok(response) => Err(format!("the response has status {}", response.status)),
            Err(error) => Err(error.to_string()),
        }
    }
}
