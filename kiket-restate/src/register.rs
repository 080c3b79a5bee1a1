//! Tells Restate where the endpoint is.

use std::time::Duration;

use kiket_runtime::extension::Shutdown;
use reqwest::Client;
use serde_json::json;

/// Where the endpoint is registered.
pub(crate) struct Registration {
    /// The URL of Restate's admin API, without a slash at the end.
    pub(crate) admin: String,
    /// The URL at which Restate reaches the endpoint.
    pub(crate) endpoint: String,
}

/// How long Restate may take: it asks the endpoint what it has.
const REGISTERING: Duration = Duration::from_secs(30);
/// The times between two tries.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

impl Registration {
    /// Registers the endpoint, until Restate has accepted that or the shutdown begins. What was registered at the same URL
    /// is replaced.
    pub(crate) async fn register(&self, client: &Client, shutdown: &Shutdown) {
        let mut wait = AGAIN.0;
        while let Err(error) = self.once(client).await {
            tracing::warn!(
                error,
                endpoint = self.endpoint,
                "Restate did not register the endpoint: trying again"
            );
            if !shutdown.sleep(wait).await {
                return;
            }
            wait = (wait * 2).min(AGAIN.1);
        }
        tracing::info!(endpoint = self.endpoint, "the endpoint is registered with Restate");
    }

    async fn once(&self, client: &Client) -> Result<(), String> {
        let body = json!({ "uri": self.endpoint, "force": true }).to_string();
        let request = client.post(format!("{}/deployments", self.admin)).timeout(REGISTERING);
        let request = request.header("content-type", "application/json").body(body);
        let response = request.send().await.map_err(|error| error.without_url().to_string())?;
        if response.status().is_success() {
            return Ok(());
        }
        let status = response.status();
        let said: String = response.text().await.unwrap_or_default().chars().take(500).collect();
        Err(format!("{status}: {said}"))
    }
}
