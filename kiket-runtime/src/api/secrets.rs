//! The secrets that Kiket stores for an extension.

use std::sync::atomic::Ordering;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

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
///     tracing::info!("{} characters", token.expose().len());
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
        struct Found {
            value: String,
        }

        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Response {
            Found(Found),
            Within { secret: Found },
        }

        let request = self.request(Method::GET, Some(key))?;
        match self.client.send(request).await {
            Ok(Response::Found(found) | Response::Within { secret: found }) => {
                Ok(Some(Secret::new(found.value)))
            }
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores `value` under `key`, in place of an earlier one.
    ///
    /// Platforms differ in the call for it (wire contract, secrets-dialect): which one it takes is remembered until the process ends.
    pub async fn set(&self, key: &str, value: impl Into<Secret>) -> Result<(), ClientError> {
        self.store(key, &value.into()).await
    }

    async fn store(&self, key: &str, value: &Secret) -> Result<(), ClientError> {
        let in_collection = self.client.secrets_in_collection();
        let usual = in_collection.load(Ordering::Relaxed);
        let stored = self.store_at(usual, key, value).await;
        if !has_status(&stored, &[404, 405, 501]) {
            return stored;
        }
        let elsewhere = self.store_at(!usual, key, value).await;
        if elsewhere.is_ok() {
            in_collection.store(!usual, Ordering::Relaxed);
        }
        // Where neither call is known, the first says why.
        if has_status(&elsewhere, &[404, 405, 501]) { stored } else { elsewhere }
    }

    async fn store_at(&self, in_collection: bool, key: &str, value: &Secret) -> Result<(), ClientError> {
        if !in_collection {
            return self.put(Method::POST, key, value).await;
        }
        let secret = json!({ "secret": { "key": key, "value": value.expose() } });
        let request = self.request(Method::POST, None)?.named(key, "the key").confidential();
        self.send(request.json(&secret), value).await
    }

    /// Replaces the value under `key`. The old one is not deleted first: if the rotation fails, it stays.
    pub async fn rotate(&self, key: &str, new: impl Into<Secret>) -> Result<(), ClientError> {
        let new = new.into();
        let rotated = self.put(Method::PATCH, key, &new).await;
        // A platform without rotation takes the new value as a first one.
        if has_status(&rotated, &[405, 501]) { self.store(key, &new).await } else { rotated }
    }

    /// Deletes the secret `key`.
    pub async fn delete(&self, key: &str) -> Result<(), ClientError> {
        self.client.execute(self.request(Method::DELETE, Some(key))?).await
    }

    async fn put(&self, method: Method, key: &str, value: &Secret) -> Result<(), ClientError> {
        let request = self.request(method, Some(key))?;
        self.send(request.json(&json!({ "value": value.expose() })), value).await
    }

    async fn send(&self, request: Request, value: &Secret) -> Result<(), ClientError> {
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

fn has_status(called: &Result<(), ClientError>, statuses: &[u16]) -> bool {
    let status = called.as_ref().err().and_then(ClientError::status);
    status.is_some_and(|status| statuses.contains(&status.as_u16()))
}
