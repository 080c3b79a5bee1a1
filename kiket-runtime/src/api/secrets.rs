//! The secrets that Kiket stores for an extension.

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use crate::{
    client::{Client, Request},
    error::ClientError,
    types::{Secret, Timestamp},
};

/// The secrets that Kiket stores for the extension, by key.
///
/// ```no_run
/// # async fn example(context: kiket_runtime::Context) -> kiket_runtime::Result<()> {
/// let secrets = context.secrets();
/// secrets.set("WEBHOOK_TOKEN", "abc123").await?;
/// if let Some(token) = secrets.get("WEBHOOK_TOKEN").await? {
///     println!("{} characters", token.expose().len());
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Its functions fail when the extension has no id; when a key is empty, `.` or `..`; and when the call fails.
#[derive(Debug, Clone)]
pub struct Secrets {
    pub(super) client: Client,
}

/// An entry of the list of secrets: everything but the value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct SecretEntry {
    /// The key.
    pub key: String,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct Value<'v> {
    value: &'v str,
}

impl Secrets {
    /// All secrets, without their values.
    pub async fn list(&self) -> Result<Vec<SecretEntry>, ClientError> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Response {
            Keys { keys: Vec<Item> },
            Entries(Vec<Item>),
        }

        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Item {
            Key(String),
            Entry(SecretEntry),
        }

        let request = self.request(Method::GET, None)?;
        let (Response::Keys { keys: items } | Response::Entries(items)) = self.client.send(request).await?;
        let entry = |item| match item {
            Item::Key(key) => SecretEntry { key, created_at: None, updated_at: None },
            Item::Entry(entry) => entry,
        };
        Ok(items.into_iter().map(entry).collect())
    }

    /// The secret `key`; `None` if there is none.
    pub async fn get(&self, key: &str) -> Result<Option<Secret>, ClientError> {
        #[derive(Deserialize)]
        struct Response {
            value: Option<String>,
        }

        let request = self.request(Method::GET, Some(key))?;
        match self.client.send::<Response>(request).await {
            Ok(response) => Ok(response.value.map(Secret::new)),
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores `value` under `key`, in place of an earlier one.
    pub async fn set(&self, key: &str, value: impl Into<Secret>) -> Result<(), ClientError> {
        self.put(Method::POST, key, &value.into()).await
    }

    /// Replaces the value under `key`. The old one is not deleted first: if the rotation fails, it stays.
    pub async fn rotate(&self, key: &str, new: impl Into<Secret>) -> Result<(), ClientError> {
        let new = new.into();
        match self.put(Method::PATCH, key, &new).await {
            // A platform without rotation takes the new value as a first one.
            Err(error) if matches!(error.status().map(|s| s.as_u16()), Some(405 | 501)) => {
                self.put(Method::POST, key, &new).await
            }
            rotated => rotated,
        }
    }

    /// Deletes the secret `key`.
    pub async fn delete(&self, key: &str) -> Result<(), ClientError> {
        self.client.execute(self.request(Method::DELETE, Some(key))?).await
    }

    async fn put(&self, method: Method, key: &str, value: &Secret) -> Result<(), ClientError> {
        let request = self.request(method, Some(key))?.json(&Value { value: value.expose() });
        // Kiket may send back what it was sent.
        let sent = self.client.execute(request.idempotent()).await;
        sent.map_err(|error| error.without(value.expose()))
    }

    fn request(&self, method: Method, key: Option<&str>) -> Result<Request, ClientError> {
        let id = self.client.extension_id(&format!("{method} /api/v1/extensions/{{id}}/secrets"))?;
        let segments = ["extensions", id, "secrets"];
        Ok(match key {
            Some(key) => Request::new(method, &[&segments[..], &[key]].concat()).confidential(),
            None => Request::new(method, &segments),
        })
    }
}
