//! Raw events and evidence, handed to Kiket with a key of their own.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderName, Method};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value};

use super::raw_event::{Evidence, RawEvent, StoredRawEvent};
use crate::types::Secret;
use crate::{
    client::{CallerCredentials, Client, Credentials, Idempotency, Request},
    error::{ClientError, ClientErrorKind},
};

/// The ingestion of raw events and evidence into an organisation.
///
/// Its calls carry the API key and the organisation that it was made with, and none of the extension's tokens; no other
/// call carries those.
///
/// ```no_run
/// # async fn example(context: kiket_runtime::Context, key: kiket_runtime::Secret) -> kiket_runtime::Result<()> {
/// use std::time::Duration;
/// use kiket_runtime::api::RawEvent;
/// use serde_json::json;
///
/// let ingestion = context.endpoints().ingestion(key, "org-1");
/// let event = RawEvent::new("github", "pull_request", "github:1", json!({ "action": "closed" }));
/// if ingestion.ingest(&event).await?.duplicate {
///     println!("Kiket has it already");
/// }
/// for claimed in ingestion.claim(10, Duration::from_secs(60)).await? {
///     ingestion.submit(&claimed.id, &json!({ "title": claimed.payload["title"] })).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Ingestion {
    client: Client,
    /// Or why there are none.
    credentials: Result<Credentials, &'static str>,
}

/// What became of a raw event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Ingested {
    /// The event, as Kiket keeps it.
    pub raw_event: StoredRawEvent,
    /// Whether Kiket had one with this idempotency key before, which this is.
    #[serde(default)]
    pub duplicate: bool,
    /// What this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const ORGANIZATION: HeaderName = HeaderName::from_static("x-organization-id");

impl Ingestion {
    pub(crate) fn new(client: Client, api_key: Secret, organization_id: &str) -> Self {
        let credentials = if api_key.is_blank() {
            Err("the API key of the ingestion is blank")
        } else if organization_id.trim().is_empty() {
            Err("the id of the organisation is blank")
        } else {
            CallerCredentials::new((API_KEY, api_key), [(ORGANIZATION, organization_id)])
                .map(|credentials| Credentials::Caller(Arc::new(credentials)))
                .map_err(
                    |_| "the API key or the id of the organisation has characters that a header cannot carry",
                )
        };
        Self { client, credentials }
    }

    /// What Kiket expects of those who ingest.
    ///
    /// # Errors
    ///
    /// When key or organisation cannot be sent, or the call fails.
    pub async fn contract(&self) -> Result<Value, ClientError> {
        self.client.send(self.request(Method::GET, &["extension-ingestion", "contract"])?).await
    }

    /// Hands a raw event to Kiket. Its own key keeps it from being there twice, however often this is called.
    ///
    /// # Errors
    ///
    /// When key or organisation cannot be sent, or the call fails.
    pub async fn ingest(&self, event: &RawEvent) -> Result<Ingested, ClientError> {
        self.client.send(self.request(Method::POST, &["raw-events"])?.json(event)?.idempotent()).await
    }

    /// Takes a lease on at most `limit` events that nobody works on, for so long, in whole seconds (a part of one counts
    /// as one). What is neither processed nor submitted by then is claimed by others.
    ///
    /// It is tried once, even with an [idempotency key](Client::with_idempotency_key).
    ///
    /// # Errors
    ///
    /// When key or organisation cannot be sent, or the call fails. An answer that was lost may have taken a lease; its
    /// events come back when that expires.
    pub async fn claim(&self, limit: u32, lease: Duration) -> Result<Vec<StoredRawEvent>, ClientError> {
        let seconds = lease.as_secs().saturating_add(u64::from(lease.subsec_nanos() > 0));
        let mut request = self
            .request(Method::GET, &["raw-events", "claim"])?
            .query("limit", &limit.to_string())
            .query("leaseSeconds", &seconds.to_string());
        // It is a `GET` that takes effect. If its answer is lost, another attempt takes a lease on other events, while
        // those of the first lie idle until theirs expires: three attempts may keep three times `limit` from everybody.
        request.idempotency = Idempotency::Never;
        let Claimed(events) = self.client.send(request).await?;
        Ok(events)
    }

    /// Has Kiket process a raw event, and tells what it answered.
    ///
    /// # Errors
    ///
    /// When key or organisation cannot be sent, or the call fails.
    pub async fn process(&self, id: impl fmt::Display) -> Result<Value, ClientError> {
        let request = self.request(Method::POST, &["raw-events", &id.to_string(), "process"])?;
        self.client.send(request.json(&Map::new())?.idempotent()).await
    }

    /// Hands in what became of a claimed raw event, in the form that [`contract`](Self::contract) describes, and tells
    /// what Kiket answered.
    ///
    /// # Errors
    ///
    /// When key or organisation cannot be sent, `normalized` cannot be JSON, or the call fails.
    pub async fn submit(
        &self,
        id: impl fmt::Display,
        normalized: &impl Serialize,
    ) -> Result<Value, ClientError> {
        #[derive(Serialize)]
        struct Submission<'n, N> {
            normalized: &'n N,
        }

        let request = self.request(Method::POST, &["raw-events", &id.to_string(), "submit"])?;
        self.client.send(request.json(&Submission { normalized })?.idempotent()).await
    }

    /// Hands evidence to Kiket, and tells what it answered. Its own key keeps it from being there twice.
    ///
    /// # Errors
    ///
    /// When key or organisation cannot be sent, or the call fails.
    pub async fn evidence(&self, evidence: &Evidence) -> Result<Value, ClientError> {
        self.client.send(self.request(Method::POST, &["evidence"])?.json(evidence)?.idempotent()).await
    }

    fn request(&self, method: Method, segments: &[&str]) -> Result<Request, ClientError> {
        let request = Request::new(method, &[&["platform"], segments].concat())?;
        match &self.credentials {
            Ok(credentials) => Ok(Request { credentials: credentials.clone(), ..request }),
            Err(why) => Err(ClientError::new(ClientErrorKind::NotConfigured, request.call(), *why)),
        }
    }
}

/// Without the key.
impl fmt::Debug for Ingestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ingestion").field(&self.client).finish()
    }
}

/// ```text
/// {"rawEvents": […]}      also "events", or "data", and […]
/// ```
struct Claimed(Vec<StoredRawEvent>);

impl<'de> Deserialize<'de> for Claimed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = match Value::deserialize(deserializer)? {
            Value::Object(mut names) => {
                let list = ["rawEvents", "events", "data"].into_iter().find_map(|name| names.remove(name));
                list.ok_or_else(|| D::Error::missing_field("rawEvents"))?
            }
            list => list,
        };
        serde_json::from_value(list).map(Self).map_err(D::Error::custom)
    }
}
