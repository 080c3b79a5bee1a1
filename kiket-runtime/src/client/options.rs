//! The options of a client: base URLs, tokens, timeouts and limits.

use std::time::Duration;

use crate::types::{BaseUrl, Secret};

/// The options of a client: by default Kiket's own address, and no tokens.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientOptions {
    pub(crate) base_url: BaseUrl,
    /// Other base URLs that may receive the tokens.
    pub(crate) allowed_base_urls: Vec<BaseUrl>,
    pub(crate) workspace_token: Option<Secret>,
    pub(crate) extension_api_key: Option<Secret>,
    pub(crate) extension_id: Option<String>,
    pub(crate) limits: ClientLimits,
}

/// The timeouts and limits of calls.
#[derive(Debug, Clone)]
pub(crate) struct ClientLimits {
    pub(crate) connect_timeout: Duration,
    /// The timeout of a call, with its retries and backoff.
    pub(crate) call_timeout: Duration,
    pub(crate) calls_per_minute: u32,
    pub(crate) concurrent_calls: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connect_timeout: CONNECT_TIMEOUT,
            call_timeout: Duration::from_secs(15),
            // The platform's rate limit, until a response lowers it.
            calls_per_minute: 600,
            concurrent_calls: 64,
        }
    }
}

/// The timeout of connecting.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    /// Wire contract, connect-timeout and call-timeout.
    #[test]
    fn connecting_and_calling_have_limits_by_default() {
        let limits = ClientLimits::default();
        assert_eq!(limits.connect_timeout, Duration::from_secs(5));
        assert_eq!(limits.call_timeout, Duration::from_secs(15));
    }
}
