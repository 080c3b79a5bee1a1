//! The calendar: its account, its tokens, and what is asked of it.

use std::time::Duration;

use kiket::{Secret, prelude::*};
use serde::de::DeserializeOwned;
use tokio::{sync::watch, time::Instant};

/// Who the extension is at the calendar.
pub(crate) struct Account {
    pub(crate) url: String,
    pub(crate) id: String,
    pub(crate) secret: String,
    /// Where browsers come back to.
    pub(crate) redirect: String,
}

impl Account {
    pub(crate) fn of(settings: &Settings) -> kiket::Result<Self> {
        let public: String = settings.get("PUBLIC_URL")?;
        Ok(Self {
            url: settings.get("CALENDAR_URL")?,
            id: settings.get("CALENDAR_CLIENT_ID")?,
            secret: settings.get("CALENDAR_CLIENT_SECRET")?,
            redirect: format!("{public}/oauth/callback"),
        })
    }
}

/// An entry of the calendar.
#[derive(Serialize)]
pub(crate) struct Entry {
    pub(crate) title: String,
    pub(crate) at: String,
}

/// The calendar, shared by deliveries, own routes and the background task: one HTTP client, and the tokens.
///
/// The tokens are in memory here; one that a restart must survive belongs into `context.secrets()` or a database.
pub(crate) struct Calendar {
    http: reqwest::Client,
    tokens: watch::Sender<Option<Tokens>>,
}

#[derive(Clone)]
struct Tokens {
    access: Secret,
    refresh: Secret,
    /// When they should be refreshed.
    due: Instant,
}

/// A token is refreshed when it has no more than this.
const MARGIN: Duration = Duration::from_secs(60);
/// A token that expires within the margin is refreshed after this: at once would be again and again.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// How long a call may take, so that the reply is in time.
const TIMEOUT: Duration = Duration::from_secs(4);

impl Calendar {
    pub(crate) fn new() -> kiket::Result<Self> {
        let http = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        Ok(Self { http, tokens: watch::Sender::new(None) })
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.tokens.borrow().is_some()
    }

    /// Exchanges the code of a consent for tokens.
    pub(crate) async fn connect(&self, account: &Account, code: &str) -> kiket::Result<()> {
        let grant =
            [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &account.redirect)];
        self.take_tokens(account, &grant).await
    }

    /// Exchanges the refresh token for new ones.
    pub(crate) async fn refresh(&self, account: &Account) -> kiket::Result<()> {
        let Some(tokens) = self.tokens.borrow().clone() else { return Ok(()) };
        let grant = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.expose())];
        self.take_tokens(account, &grant).await
    }

    /// Waits until the tokens, which may be replaced meanwhile, should be refreshed.
    pub(crate) async fn refresh_is_due(&self) {
        let mut tokens = self.tokens.subscribe();
        loop {
            let due = tokens.borrow_and_update().as_ref().map(|tokens| tokens.due);
            let is_due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = is_due => return,
                _ = tokens.changed() => {}
            }
        }
    }

    /// Adds an entry, once for each `key`. Returns its id.
    pub(crate) async fn add(&self, account: &Account, entry: &Entry, key: &str) -> kiket::Result<String> {
        #[derive(Deserialize)]
        struct Added {
            id: String,
        }

        let Some(tokens) = self.tokens.borrow().clone() else {
            return Err(HandlerError::retry_after(
                Duration::from_secs(60),
                "connect the calendar at /oauth/start",
            ));
        };
        let request = self
            .http
            .post(format!("{}/entries", account.url))
            .bearer_auth(tokens.access.expose())
            .header("idempotency-key", key)
            .header("content-type", "application/json")
            .body(serde_json::to_vec(entry)?);
        let Added { id } = read(request.send().await?).await?;
        Ok(id)
    }

    async fn take_tokens(&self, account: &Account, grant: &[(&str, &str)]) -> kiket::Result<()> {
        #[derive(Deserialize)]
        struct Granted {
            access_token: String,
            refresh_token: String,
            expires_in: u32,
        }

        let client = [("client_id", &*account.id), ("client_secret", &*account.secret)];
        let request = self
            .http
            .post(format!("{}/token", account.url))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form(&[&client, grant].concat()));
        let granted: Granted = read(request.send().await?).await?;
        self.tokens.send_replace(Some(Tokens {
            access: granted.access_token.into(),
            refresh: granted.refresh_token.into(),
            due: Instant::now() + until_refresh(granted.expires_in),
        }));
        Ok(())
    }
}

/// How long a token that expires in so many seconds is left alone.
fn until_refresh(expires_in: u32) -> Duration {
    Duration::from_secs(expires_in.into()).saturating_sub(MARGIN).max(SOON)
}

/// A response as a `T`. When the calendar is busy, Kiket sends the delivery again after the time that the calendar names.
async fn read<T: DeserializeOwned>(response: reqwest::Response) -> kiket::Result<T> {
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        let seconds =
            response.headers().get("retry-after").and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        let delay = Duration::from_secs(seconds.unwrap_or(30).clamp(1, 3_600));
        return Err(HandlerError::retry_after(delay, "the calendar is busy"));
    }
    // The error would name the URL; a token never belongs into one.
    Ok(serde_json::from_slice(&response.error_for_status()?.bytes().await?)?)
}

/// Pairs as a form, or as the query of a URL.
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params("form:", pairs);
    url.ok().and_then(|url| url.query().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_expires_at_once_makes_no_loop() {
        for (expires_in, seconds) in [(0, 10), (30, 10), (60, 10), (70, 10), (71, 11), (3_600, 3_540)] {
            assert_eq!(until_refresh(expires_in), Duration::from_secs(seconds), "{expires_in}");
        }
    }
}
