//! A Kiket of one's own: what extensions call, over HTTP on this machine, with its state in memory.

mod answer;
mod audit;
mod builder;
mod call;
mod contents;
mod credentials;
mod custom_data;
mod deliver;
mod failure;
mod fields;
mod inbound_emails;
mod ingestion;
mod intake_forms;
mod issues;
mod items;
mod orders;
mod pages;
mod post;
mod projects;
mod rate;
mod replies;
mod reports;
mod routes;
mod secrets;
mod seed;
mod server;
mod shared;
mod sla;
mod state;
#[cfg(test)]
mod tests;
mod tokens;
mod tree;
mod webhook_urls;
mod wire;

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use serde_json::{Map, Value};

pub use self::{builder::PlatformBuilder, call::Call, deliver::Attempt, failure::Failure};
use self::{custom_data::Table, pages::written, rate::RateWindow, server::Server, shared::Shared};
use crate::{
    client::Client,
    extension::{Builder, Extension},
    types::{Clock, Secret},
};

/// A fake of the Kiket platform for tests and local development: a real HTTP server on a free port of the loopback
/// address, which answers every call that extensions make, keeps its state in memory, writes every call down, fails
/// when it is told to, and delivers signed events.
///
/// It runs in threads of its own: it works from any test, synchronous or not, with tokio's clock paused or not. It
/// stops when it is dropped, and closes every connection.
///
/// ```
/// use kiket_runtime::{Extension, Reply, testing::{Failure, Platform, TestExtension, delivery}};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), kiket_runtime::StartupError> {
/// let platform = Platform::start();
/// platform.set_secret("API_KEY", "abc");
/// platform.fail(Failure::status(503).times(1)); // at the first call to it
///
/// let builder = Extension::builder().on("issue.created", "v1", async || Reply::ok());
/// let extension = TestExtension::new(platform.extension(builder))?;
/// let attempt = platform.deliver(&extension, delivery("issue.created", "v1", &json!({ "id": 1 }))).await;
/// assert_eq!(attempt.status, Some(200));
/// // What did the handler call? This one, nothing:
/// assert_eq!(platform.calls().len(), 0);
/// # Ok(())
/// # }
/// ```
///
/// # What it checks
///
/// - The workspace token opens everything but `/api/v1/ext` and `/api/v1/platform`. There the extension's API key does,
///   and the key for ingestion with the organisation; the token may be absent. A wrong or repeated token or key is 401
///   wherever it is sent. `POST /telemetry`, outside the API, stands
///   for a collector of one's own and asks for nothing.
/// - Bodies are JSON objects with `Content-Type: application/json`: else 415 or 400. Wrong fields are 422 with
///   `{"error":…,"errors":{"field":[…]}}`, as is a blank `project_id`.
/// - An unknown path is 404, a wrong method 405. Every answer has `X-Request-Id` and `X-RateLimit-Limit`, `-Remaining`
///   and `-Reset` (seconds from now).
/// - Every call that shows its token or key counts in the rate window, which begins with its first call. When it is
///   used up, the answer is 429 with `Retry-After`, except to `GET …/ext/rate_limit`.
/// - A `POST` or `PATCH` with the `Idempotency-Key` of an earlier one is answered the same and does nothing
///   (`Idempotent-Replayed: true`); with another path or body it is 422.
///
/// Lists have pages: `limit=2&page=3` asks for the fifth and sixth item, and
/// `"meta":{"page":3,"next_page":4,"total":9}` beside `data` says which comes next (`null` after the last). Every
/// module and table exists; projects do not see each other's records. Forms, issues and projects exist where a seed, a
/// test or a call makes them. Anchors are counted by `per_page` instead, with
/// `"pagination":{"page":3,"per_page":2,"total":9,"total_pages":5}` beside `anchors`; their proofs hold.
///
/// A raw event is there once for each `idempotencyKey`, and evidence for each `dedupeKey`. A claim is a lease by the
/// platform's clock (10 events and 60 s unless told, 100 and 3600 s at most) until the event is processed or submitted.
///
/// # Seeds
///
/// A YAML text puts things there before the first call; every part may be left out.
///
/// ```
/// # let seed = r#"
/// extension: { id: com.example.marketing, name: Marketing, version: 1.0.0, metadata: { tier: pro } }
/// secrets:
///   API_KEY: abc
/// custom_data:
///   - project_id: 7
///     module: crm
///     table: contacts
///     records:
///       - { id: 1, email: demo@example.com }
///       - { email: other@example.com } # an id is assigned
/// sla_events:
///   - { issue_id: 42, project_id: 7, state: imminent, metrics: { duration_minutes: 80 } }
/// raw_events:
///   - { sourceSystem: github, sourceEventType: push, idempotencyKey: "1", payload: {} }
/// anchors:
///   - { network: polygon_amoy, status: confirmed, records: [{ id: 1 }, { id: 2 }] }
/// rate_limit: { limit: 600, window_seconds: 60, remaining: 3 }
/// intake_forms:
///   - project_id: 7
///     key: bug-report
///     public: true
///     fields: [{ key: title, field_type: text, required: true }]
///     submissions: [{ data: { title: No login } }]
/// issues:
///   - { title: No login, project_id: 7, status: open, comments: [{ body: Same here }] }
/// projects:
///   - slug: core
///     id: 7
///     workflows: [{ name: Delivery, transitions: [{ name: finish, from: open, to: done }] }]
///     boards: [{ name: Team, columns: [open, done] }]
///     members: [{ id: 1, name: Ada, email: ada@example.com, role: admin }]
/// webhook_token: abc123
/// # "#;
/// # let platform = kiket_runtime::testing::Platform::builder().seed_yaml(seed).start().unwrap();
/// # assert_eq!(platform.records("crm", "contacts")[1]["id"], 2);
/// # assert_eq!(platform.anchors()[0]["leaf_count"], 2);
/// # assert_eq!(platform.raw_events()[0]["status"], "pending");
/// ```
pub struct Platform {
    shared: Arc<Shared>,
    server: Server,
    url: String,
    delivery_timeout: Duration,
}

impl Platform {
    /// Starts a platform with nothing in it, on a free port.
    ///
    /// # Panics
    ///
    /// When the loopback address cannot be listened on; [`builder`](Self::builder) gives an error instead.
    #[track_caller]
    pub fn start() -> Self {
        Self::builder().start().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts to describe a platform.
    pub fn builder() -> PlatformBuilder {
        PlatformBuilder::default()
    }

    /// The base URL, like `http://127.0.0.1:40001`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The workspace token that it accepts.
    pub fn token(&self) -> &str {
        self.shared.credentials.token.expose()
    }

    /// The extension API key that it accepts.
    pub fn api_key(&self) -> &str {
        self.shared.credentials.api_key.expose()
    }

    /// The API key for ingestion that it accepts.
    pub fn ingestion_key(&self) -> &str {
        self.shared.credentials.ingestion_key.expose()
    }

    /// The organisation that it is.
    pub fn organization_id(&self) -> &str {
        &self.shared.credentials.organization
    }

    /// The secret that signs its deliveries.
    pub fn webhook_secret(&self) -> &str {
        self.shared.credentials.webhook_secret.expose()
    }

    /// Its clock.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Points an extension at it: base URL, token, API key and webhook secret; its id, when the builder has none and
    /// the platform has one; and its clock, when that is a fixed one.
    pub fn extension(&self, builder: Builder) -> Builder {
        let Shared { credentials, clock, .. } = &*self.shared;
        let mut builder = builder
            .base_url(self.url())
            .workspace_token(credentials.token.clone())
            .extension_api_key(credentials.api_key.clone())
            .webhook_secret(credentials.webhook_secret.clone());
        if builder.overrides.id.is_none()
            && let Some(id) = &self.shared.state().extension_id
        {
            builder = builder.id(id);
        }
        if clock.is_system() { builder } else { builder.clock(clock.clone()) }
    }

    /// A client that calls it as an extension does which is pointed at it, for code that is tested alone.
    ///
    /// ```
    /// use kiket_runtime::testing::{self, Platform};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), kiket_runtime::ClientError> {
    /// let platform = Platform::start();
    /// let context = testing::context("issue.created", "v1").client(platform.client()).build();
    /// context.endpoints().issues().create("No login", Default::default()).await?;
    /// assert_eq!(platform.issues()[0]["title"], "No login");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When the platform was given a webhook secret that no extension takes, like a blank one.
    #[track_caller]
    pub fn client(&self) -> Client {
        let builder = Extension::builder()
            .without_manifest()
            .without_collected()
            .environment([] as [(&str, &str); 0])
            .telemetry(false)
            .on("platform.client", "v1", async || ());
        self.extension(builder).build().unwrap_or_else(|error| panic!("{error}")).client()
    }

    /// Orders a failure. The first that was ordered and fits a call happens.
    pub fn fail(&self, failure: Failure) {
        self.shared.failures.order(failure);
    }

    /// Takes all failures back.
    pub fn clear_failures(&self) {
        self.shared.failures.clear();
    }

    /// Every call so far, in the order of arrival; the last 100,000.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls().all()
    }

    /// The calls with this method and path, as it was sent.
    pub fn calls_to(&self, method: &str, path: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.method() == method && call.path() == path).collect()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        self.shared.calls().forget();
    }

    /// The value of a secret.
    pub fn secret(&self, key: &str) -> Option<String> {
        self.shared.state().secrets.value(key).map(|value| value.expose().to_owned())
    }

    /// Sets a secret.
    pub fn set_secret(&self, key: &str, value: impl Into<Secret>) {
        self.shared.state().secrets.keep(key, value.into(), self.clock().unix_seconds());
    }

    /// The records of a table, of all projects.
    pub fn records(&self, module: &str, table: &str) -> Vec<Value> {
        self.shared.state().custom_data.records(&Table::new(module, table))
    }

    /// Adds a record; without an `id` it gets one. Returns it.
    ///
    /// # Panics
    ///
    /// When `record` is not an object.
    #[track_caller]
    pub fn add_record(&self, project: impl Into<Value>, module: &str, table: &str, record: Value) -> Value {
        let project = written(&project.into());
        self.shared.state().custom_data.add(&project, Table::new(module, table), object(record))
    }

    /// Adds an SLA event, like `{"issue_id":42,"project_id":7,"state":"imminent"}`; without an `id` it gets one.
    ///
    /// # Panics
    ///
    /// When `event` is not an object.
    #[track_caller]
    pub fn add_sla_event(&self, event: Value) {
        self.shared.state().sla.add(object(event));
    }

    /// Adds an anchor of the audit trail, like `{"records":[{"id":1},{"id":2,"type":"AIAuditLog"}],"status":"confirmed"}`;
    /// what is missing is filled in. A record without `content_hash` has the SHA-256 of its type and id, as in
    /// `AuditLog:1`. Returns it, with its root and its records.
    ///
    /// # Panics
    ///
    /// When it has no records, or one that is none.
    #[track_caller]
    pub fn add_anchor(&self, anchor: Value) -> Value {
        let anchor = serde_json::from_value(anchor).unwrap_or_else(|error| panic!("no anchor: {error}"));
        self.shared.state().audit.add(anchor, self.clock().unix_seconds())
    }

    /// The anchors of the audit trail, with their records.
    pub fn anchors(&self) -> Vec<Value> {
        self.shared.state().audit.anchors()
    }

    /// Adds a raw event, like `{"sourceSystem":"github","sourceEventType":"push","idempotencyKey":"1","payload":{}}`.
    /// Returns it, or the first one with its key.
    ///
    /// # Panics
    ///
    /// When it has not these fields.
    #[track_caller]
    pub fn add_raw_event(&self, event: Value) -> Value {
        let Shared { credentials, clock, .. } = &*self.shared;
        let mut state = self.shared.state();
        match state.ingestion.add(object(event), &credentials.organization, clock.unix_seconds()) {
            Ok((event, _)) => event,
            Err(refusal) => panic!("no raw event: {}", String::from_utf8_lossy(&refusal.body)),
        }
    }

    /// The raw events. Their `status` is `pending`, `claimed`, `processed` or `submitted`; what was submitted is in
    /// `normalized`.
    pub fn raw_events(&self) -> Vec<Value> {
        self.shared.state().ingestion.raw_events()
    }

    /// The evidence that was accepted.
    pub fn evidence(&self) -> Vec<Value> {
        self.shared.state().ingestion.evidence()
    }

    /// Begins a new rate window.
    pub fn set_rate_limit(&self, limit: u64, window: Duration) {
        self.shared.state().rate = RateWindow::new(limit, window);
    }

    /// Goes on as if all but `remaining` calls of the window had been made.
    pub fn set_rate_remaining(&self, remaining: u64) {
        self.shared.state().rate.leave(remaining, self.clock().unix_seconds());
    }

    /// The notifications that were accepted, as they were sent.
    pub fn notifications(&self) -> Vec<Value> {
        self.shared.state().reports.notifications.clone()
    }

    /// The events that were logged, as they were sent.
    pub fn events(&self) -> Vec<Value> {
        self.shared.state().reports.events.clone()
    }

    /// The metrics that were accepted, as they were sent.
    pub fn metrics(&self) -> Vec<Value> {
        self.shared.state().reports.metrics.clone()
    }

    /// The telemetry records that were accepted, as they were sent.
    pub fn telemetry(&self) -> Vec<Value> {
        self.shared.state().reports.telemetry.clone()
    }
}

#[track_caller]
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("expected a JSON object, found {other}"),
    }
}

/// Without tokens, secrets and state.
impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform").field("url", &self.url).finish_non_exhaustive()
    }
}
