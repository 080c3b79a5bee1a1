//! The secrets that Kiket keeps for an extension.

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use crate::types::Secret;
use crate::{
    client::{Client, Request},
    error::ClientError,
};

/// The secrets that Kiket keeps for the extension, by key.
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
#[derive(Debug, Clone)]
pub struct Secrets {
    client: Client,
}

/// A secret as the list shows it: everything but its value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct SecretEntry {
    /// Its key.
    pub key: String,
    /// When it was made, as Kiket writes it.
    #[serde(default)]
    pub created_at: Option<String>,
    /// When it was changed last, as Kiket writes it.
    #[serde(default)]
    pub updated_at: Option<String>,
}

#[derive(Serialize)]
struct Value<'v> {
    value: &'v str,
}

impl Secrets {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// All secrets, without their values.
    ///
    /// # Errors
    ///
    /// When the extension has no id, or the call fails.
    pub async fn list(&self) -> Result<Vec<SecretEntry>, ClientError> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Answer {
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
        let (Answer::Keys { keys: items } | Answer::Entries(items)) = self.client.send(request).await?;
        let entry = |item| match item {
            Item::Key(key) => SecretEntry { key, created_at: None, updated_at: None },
            Item::Entry(entry) => entry,
        };
        Ok(items.into_iter().map(entry).collect())
    }

    /// The secret `key`; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When the extension has no id, `key` is empty, `.` or `..`, or the call fails otherwise than with 404.
    pub async fn get(&self, key: &str) -> Result<Option<Secret>, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            value: Option<String>,
        }

        let request = self.request(Method::GET, Some(key))?;
        match self.client.send::<Answer>(request).await {
            Ok(answer) => Ok(answer.value.map(Secret::new)),
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps `value` under `key`, whether there was one or not.
    ///
    /// # Errors
    ///
    /// When the extension has no id, `key` is empty, `.` or `..`, or the call fails.
    pub async fn set(&self, key: &str, value: impl Into<Secret>) -> Result<(), ClientError> {
        self.put(Method::POST, key, &value.into()).await
    }

    /// Replaces the value under `key`. The old one is never deleted first: a rotation that fails keeps it.
    ///
    /// # Errors
    ///
    /// When the extension has no id, `key` is empty, `.` or `..`, or the call fails.
    pub async fn rotate(&self, key: &str, new: impl Into<Secret>) -> Result<(), ClientError> {
        let new = new.into();
        match self.put(Method::PATCH, key, &new).await {
            // A platform that knows no rotation takes the new value as it takes a first one.
            Err(error) if matches!(error.status().map(|s| s.as_u16()), Some(405 | 501)) => {
                self.put(Method::POST, key, &new).await
            }
            rotated => rotated,
        }
    }

    /// Deletes the secret `key`.
    ///
    /// # Errors
    ///
    /// When the extension has no id, `key` is empty, `.` or `..`, or the call fails.
    pub async fn delete(&self, key: &str) -> Result<(), ClientError> {
        self.client.execute(self.request(Method::DELETE, Some(key))?).await
    }

    async fn put(&self, method: Method, key: &str, value: &Secret) -> Result<(), ClientError> {
        let request = self.request(method, Some(key))?.json(&Value { value: value.expose() })?;
        // Kiket may send back what it was sent.
        let told = self.client.execute(request.idempotent()).await;
        told.map_err(|error| error.without(value.expose()))
    }

    fn request(&self, method: Method, key: Option<&str>) -> Result<Request, ClientError> {
        let id = self.client.extension_id(&format!("{method} /api/v1/extensions/{{id}}/secrets"))?;
        let segments = ["extensions", id, "secrets"];
        Ok(match key {
            Some(key) => Request::new(method, &[&segments[..], &[key]].concat())?.confidential(),
            None => Request::new(method, &segments)?,
        })
    }
}
