//! Tells Restate where the endpoint is.

use std::time::Duration;

use kiket_runtime::extension::Shutdown;
use reqwest::Client;
use serde_json::json;

use crate::connect::shown;

/// Where the endpoint is registered.
pub(crate) struct Registration {
    pub(crate) client: Client,
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
    pub(crate) async fn register(&self, shutdown: &Shutdown) {
        let (mut wait, endpoint) = (AGAIN.0, shown(&self.endpoint));
        loop {
            let tried = tokio::select! {
                biased;
                () = shutdown.requested() => return,
                tried = self.once() => tried,
            };
            let Err(error) = tried else { break };
            tracing::warn!(error, endpoint, "Restate did not register the endpoint: trying again");
            if !shutdown.sleep(wait).await {
                return;
            }
            wait = (wait * 2).min(AGAIN.1);
        }
        tracing::info!(endpoint, "the endpoint is registered with Restate");
    }

    async fn once(&self) -> Result<(), String> {
        let body = json!({ "uri": self.endpoint, "force": true }).to_string();
        let request = self.client.post(format!("{}/deployments", self.admin)).timeout(REGISTERING);
        let request = request.header("content-type", "application/json").body(body);
        let response = request.send().await.map_err(|error| error.without_url().to_string())?;
        if response.status().is_success() {
            return Ok(());
        }
        let status = response.status();
        // It may quote the endpoint.
        let said = response.text().await.unwrap_or_default().replace(&self.endpoint, &shown(&self.endpoint));
        Err(format!("{status}: {}", said.chars().take(500).collect::<String>()))
    }
}

#[cfg(test)]
mod tests {
    use kiket_runtime::Extension;
    use tokio::net::TcpListener;

    use super::*;
    use crate::connect::client;

    #[tokio::test]
    async fn a_shutdown_does_not_wait_for_restate() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = format!("http://{}", listener.local_addr().unwrap());
        let registration = Registration {
            client: client(&admin).unwrap(),
            admin,
            endpoint: "http://127.0.0.1:9080".to_owned(),
        };
        let builder = Extension::builder().without_manifest().without_collected().environment([("", ""); 0]);
        let extension = builder.webhook_secret("s").on("x", "v1", async || ()).build().unwrap();
        let shutdown = extension.shutdown();
        let registering = registration.register(&shutdown);
        let shutting_down = async {
            let _silent = listener.accept().await.unwrap();
            extension.drain();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = registering => {}
            () = shutting_down => {}
            () = tokio::time::sleep(REGISTERING / 2) => panic!("it waits"),
        }
    }
}
