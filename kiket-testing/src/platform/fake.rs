//! The fake platform as a test sees it.

use std::{fmt, net::SocketAddr, sync::Arc, thread, time::Duration};

use kiket_runtime::{
    Client, Clock, Extension, ExtensionBuilder, Secret,
    internals::{self, Defaults},
};
use serde_json::Value;

use super::{
    audit,
    call::Call,
    collection::{Item, written},
    deliver::{Attempt, repeat},
    expectation::{Expectation, unmet},
    failure::Failure,
    ingestion, intake, issues,
    post::Target,
    rate::RateWindow,
    reports, secrets,
    server::Server,
    shared::Shared,
};
use crate::{delivery::DeliveryBuilder, extension::TestExtension};

/// A fake of the Kiket platform for tests and local development: a real HTTP server on a free port of the loopback
/// address that serves every call extensions make, keeps its state in memory, records calls, verifies expectations,
/// fails on request, and delivers signed events.
///
/// It runs in threads of its own: it works from any test, synchronous or not. It stops when it is dropped, and closes every
/// connection. Under a paused clock of tokio (`start_paused`), which goes on to the next deadline whenever its runtime waits, calls
/// may time out before their response is there: use [`Clock::fixed`](kiket_runtime::Clock::fixed) instead.
///
/// ```
/// use kiket_runtime::{Extension, Reply};
/// use kiket_testing::{Failure, FakePlatform, TestExtension, delivery};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), kiket_runtime::StartupError> {
/// let platform = FakePlatform::start();
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
///   and the key for ingestion with the organization; the token may be absent. A wrong or repeated token or key is 401
///   wherever it is sent. `POST /telemetry`, outside the API, stands for a collector of your own and needs nothing.
/// - Bodies are JSON objects with `Content-Type: application/json`: else 415 or 400. Wrong fields are 422 with
///   `{"error":…,"errors":{"field":[…]}}`, as is a blank `project_id`.
/// - An unknown path is 404, a wrong method 405. Every response has `X-Request-Id` and `X-RateLimit-Limit`,
///   `-Remaining` and `-Reset` (seconds from now).
/// - Every call that shows its token or key counts in the rate window, which begins with its first call. When it is
///   used up, the response is 429 with `Retry-After`, except to `GET …/ext/rate_limit`.
/// - A `POST` or `PATCH` with the `Idempotency-Key` of an earlier one gets the same response and does nothing
///   (`Idempotent-Replayed: true`); with another path or body it is 422.
///
/// Lists have pages: `limit=2&page=3` selects the fifth and sixth item, and
/// `"meta":{"page":3,"next_page":4,"total":9}` beside `data` says which comes next (`null` after the last). Every
/// module and table exists; projects do not see each other's records. Forms, issues and projects exist where a seed, a
/// test or a call makes them. Anchors are counted by `per_page` instead, with
/// `"pagination":{"page":3,"per_page":2,"total":9,"total_pages":5}` beside `anchors`; their proofs hold.
///
/// A raw event is there once for each `idempotencyKey`, and evidence for each `dedupeKey`. A claim is a lease by the
/// fake platform's clock (10 events and 60 s by default, 100 and 3600 s at most) until the event is processed or
/// submitted.
#[doc(alias = "fake server")]
#[doc(alias = "mock")]
pub struct FakePlatform {
    pub(super) shared: Arc<Shared>,
    pub(super) server: Server,
    pub(super) url: String,
    pub(super) delivery_timeout: Duration,
}

impl FakePlatform {
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

    /// The organization that it is.
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
    /// the fake platform has one; the number of the extension that its runtime tokens are for; and its clock, unless the
    /// builder has one.
    pub fn extension(&self, builder: ExtensionBuilder) -> ExtensionBuilder {
        let Shared { credentials, clock, .. } = &*self.shared;
        let builder = builder
            .client(|client| client.base_url(self.url()))
            .workspace_token(credentials.token.clone())
            .extension_api_key(credentials.api_key.clone())
            .webhook_secret(credentials.webhook_secret.clone());
        let (id, clock) = (self.shared.state.lock().extension_id.clone(), clock.clone());
        let extension_number = Some(super::tokens::EXTENSION);
        let defaults = Defaults { id, webhook_secret: None, clock, extension_number, isolated: false };
        internals::with_defaults(builder, defaults).0
    }

    /// A client that calls it as an extension does which is pointed at it, for code that is tested alone.
    ///
    /// ```
    /// use kiket_testing::{FakePlatform, context};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), kiket_runtime::ClientError> {
    /// let platform = FakePlatform::start();
    /// let context = context("issue.created", "v1").client(platform.client()).build();
    /// context.endpoints().issues().create("No login", Default::default()).await?;
    /// assert_eq!(platform.issues()[0]["title"], "No login");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When the fake platform has a webhook secret that no extension takes, like a blank one.
    #[track_caller]
    pub fn client(&self) -> Client {
        let builder = Extension::builder()
            .without_manifest()
            .without_collected()
            .environment([] as [(&str, &str); 0])
            .telemetry(|telemetry| telemetry.enabled(false))
            .on("platform.client", "v1", async || ());
        self.extension(builder).build().unwrap_or_else(|error| panic!("{error}")).client()
    }

    /// A runtime token with these scopes, for a delivery: it is valid for 300 s of the fake platform's clock, and opens
    /// it like the workspace token. Its key is published at `/.well-known/jwks.json`.
    ///
    /// ```
    /// use kiket_runtime::{Authentication, Context, Extension};
    /// use kiket_testing::{FakePlatform, TestExtension, delivery};
    /// use serde_json::json;
    ///
    /// async fn on_issue_created(context: Context) -> kiket_runtime::Result<()> {
    ///     Ok(context.require_scopes(["issues:read"])?)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), kiket_runtime::StartupError> {
    /// let platform = FakePlatform::start();
    /// let builder = platform.extension(Extension::builder()).authentication(Authentication::Both);
    /// let builder = builder.on("issue.created", "v1", on_issue_created);
    /// let extension = TestExtension::new(builder)?;
    /// let delivery = delivery("issue.created", "v1", &json!({ "id": "evt_1" }));
    /// let delivery = delivery.runtime_token(platform.runtime_token(["issues:read"]));
    /// assert_eq!(platform.deliver(&extension, delivery).await.status, Some(200));
    /// # Ok(())
    /// # }
    /// ```
    pub fn runtime_token<S: Into<String>>(&self, scopes: impl IntoIterator<Item = S>) -> String {
        let scopes: Vec<_> = scopes.into_iter().map(Into::into).collect();
        self.shared.state.lock().tokens.issue(&scopes, self.organization_id(), self.now())
    }

    /// The keys that its runtime tokens can be verified with, as it publishes them.
    pub fn jwks(&self) -> Value {
        self.shared.state.lock().tokens.issuer.jwks()
    }

    fn now(&self) -> u64 {
        self.shared.now()
    }

    /// Orders a failure. The first that was ordered and fits a call happens.
    pub fn fail(&self, failure: Failure) {
        let times = failure.times;
        self.shared.failures.add(failure, times);
    }

    /// Takes all failures back.
    pub fn clear_failures(&self) {
        self.shared.failures.clear();
    }

    /// Expects calls from now on. [`verify`](Self::verify) checks it, and so does the end of the fake platform: when it
    /// is dropped, unless the thread is panicking already.
    pub fn expect(&self, expectation: Expectation) {
        self.shared.expectations.add(expectation, 0);
    }

    /// Checks all expectations.
    ///
    /// # Panics
    ///
    /// When one is not met, with all that are not and the calls that were received, the last 100 of them.
    #[track_caller]
    pub fn verify(&self) {
        let (mut lines, calls) = (unmet(&self.shared.expectations), self.calls());
        if !lines.is_empty() {
            lines.push(format!("calls received ({}):", calls.len()));
            lines
                .extend(calls.iter().skip(calls.len().saturating_sub(100)).map(|call| format!("- {call:?}")));
            panic!("unmet expectations of the fake platform:\n{}", lines.join("\n"));
        }
    }

    /// Every call so far, in the order of arrival; the last 100,000.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().all()
    }

    /// The calls with this method and path, as it was sent.
    pub fn calls_to(&self, method: &str, path: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.method() == method && call.path() == path).collect()
    }

    /// Forgets the calls so far. Expectations have counted them already.
    pub fn forget_calls(&self) {
        self.shared.calls.lock().forget();
    }

    /// Begins a new rate window.
    pub fn set_rate_limit(&self, limit: u64, window: Duration) {
        self.shared.state.lock().rate = RateWindow::new(limit, window);
    }

    /// Goes on as if all but `remaining` calls of the window had been made.
    pub fn set_rate_remaining(&self, remaining: u64) {
        self.shared.state.lock().rate.leave(remaining, self.now());
    }

    /// Signs a delivery with the webhook secret, at the time of the extension's clock, and hands it over in process.
    pub async fn deliver(&self, extension: &TestExtension, delivery: DeliveryBuilder) -> Attempt {
        self.hand_over(extension, delivery, extension.clock().unix_seconds()).await
    }

    /// Delivers until there is a response that Kiket does not retry, by its schedule: again after 30 s, 1 m, 5 m, 30 m,
    /// 2 h and 8 h, then it gives up. It does not wait: the extension's clock is moved if it is a fixed one, and the
    /// schedule only counted otherwise. Each attempt is signed anew.
    ///
    /// ```
    /// use kiket_runtime::{Error, Extension};
    /// use kiket_testing::{FakePlatform, TestExtension, delivery};
    /// use serde_json::json;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), kiket_runtime::StartupError> {
    /// let platform = FakePlatform::start();
    /// let builder = platform.extension(Extension::builder()).on("issue.created", "v1", async || {
    ///     Err::<(), _>(Error::retry("the mail server is down"))
    /// });
    /// let extension = TestExtension::new(builder)?;
    /// let delivery = delivery("issue.created", "v1", &json!({ "id": "evt_1" }));
    /// let attempts = platform.deliver_with_retries(&extension, delivery).await;
    /// assert_eq!(attempts.len(), 7);
    /// assert_eq!(attempts[1].at - attempts[0].at, 30);
    /// assert_eq!(attempts[6].status, Some(500));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn deliver_with_retries(
        &self,
        extension: &TestExtension,
        delivery: DeliveryBuilder,
    ) -> Vec<Attempt> {
        repeat(extension.clock(), |at| self.hand_over(extension, delivery.clone(), at)).await
    }

    /// Like [`deliver`](Self::deliver), over HTTP to an extension that listens at `url` (which may have a path, for
    /// one with a prefix), by the fake platform's clock.
    ///
    /// # Panics
    ///
    /// Unless `url` is `http://` and of this machine, and outside a tokio runtime.
    pub async fn deliver_to(&self, url: &str, delivery: DeliveryBuilder) -> Attempt {
        self.send(&Target::expect(url), delivery, self.now()).await
    }

    /// Like [`deliver_with_retries`](Self::deliver_with_retries), over HTTP. The fake platform's clock is moved: for
    /// signatures to hold it must be a [`Clock::fixed`] that the extension has too.
    /// With the system's clock the schedule is only counted, and the attempts follow each other at once.
    ///
    /// # Panics
    ///
    /// As [`deliver_to`](Self::deliver_to) does.
    pub async fn deliver_to_with_retries(&self, url: &str, delivery: DeliveryBuilder) -> Vec<Attempt> {
        let target = Target::expect(url);
        repeat(self.clock(), |at| self.send(&target, delivery.clone(), at)).await
    }

    async fn hand_over(&self, extension: &TestExtension, delivery: DeliveryBuilder, at: u64) -> Attempt {
        let signed = delivery.sign(self.webhook_secret(), extension.clock().unix_seconds());
        let response = tokio::time::timeout(self.delivery_timeout, extension.send(signed)).await;
        Attempt::new(at, response.ok())
    }

    async fn send(&self, target: &Target, delivery: DeliveryBuilder, at: u64) -> Attempt {
        let signed = delivery.sign(self.webhook_secret(), self.now());
        let (target, wait) = (target.clone(), self.delivery_timeout);
        // Blocking, so that a paused clock of tokio does not run ahead of the socket.
        let response = tokio::task::spawn_blocking(move || target.post(&signed, wait)).await;
        Attempt::new(at, response.ok().and_then(Result::ok))
    }

    /// The value of a secret.
    pub fn secret(&self, key: &str) -> Option<String> {
        secrets::value(&self.shared.state.lock().secrets, key)
    }

    /// Sets a secret.
    pub fn set_secret(&self, key: &str, value: impl Into<Secret>) {
        secrets::keep(&mut self.shared.state.lock().secrets, key, value.into().expose(), self.now());
    }

    /// The records of a table, of all projects.
    pub fn records(&self, module: &str, table: &str) -> Vec<Value> {
        self.shared.state.lock().records.values(&[module, table])
    }

    /// Adds a record; without an `id` it gets one. Returns it.
    ///
    /// # Panics
    ///
    /// When `record` is not an object.
    #[track_caller]
    pub fn add_record(&self, project: impl Into<Value>, module: &str, table: &str, record: Value) -> Value {
        let project = written(&project.into());
        self.shared.state.lock().records.add(&[module, table, &project], object(record), self.now())
    }

    /// Adds an SLA event, like `{"issue_id":42,"project_id":7,"state":"imminent"}`; without an `id` it gets one.
    ///
    /// # Panics
    ///
    /// When `event` is not an object.
    #[track_caller]
    pub fn add_sla_event(&self, event: Value) {
        self.shared.state.lock().sla_events.add(&[], object(event), self.now());
    }

    /// Adds an anchor of the audit trail, like `{"records":[{"id":1},{"id":2,"type":"AIAuditLog"}],"status":"confirmed"}`;
    /// what is missing is filled in. A record without `content_hash` has the SHA-256 of its type and id, as in
    /// `AuditLog:1`. Returns it, with its root and its records.
    ///
    /// # Panics
    ///
    /// When it has no records, or a malformed one.
    #[track_caller]
    pub fn add_anchor(&self, anchor: Value) -> Value {
        let anchor = serde_json::from_value(anchor).unwrap_or_else(|error| panic!("no anchor: {error}"));
        audit::add(&mut self.shared.state.lock(), anchor, self.now())
    }

    /// The anchors of the audit trail, with their records.
    pub fn anchors(&self) -> Vec<Value> {
        self.shared.state.lock().anchors.values(&[])
    }

    /// Adds a raw event, like `{"sourceSystem":"github","sourceEventType":"push","idempotencyKey":"1","payload":{}}`.
    /// Returns it, or the first one with its key.
    ///
    /// # Panics
    ///
    /// When it does not have these fields.
    #[track_caller]
    pub fn add_raw_event(&self, event: Value) -> Value {
        let mut state = self.shared.state.lock();
        match ingestion::add_raw_event(&mut state, object(event), self.organization_id(), self.now()) {
            Ok((event, _)) => event,
            Err(refusal) => panic!("no raw event: {}", String::from_utf8_lossy(&refusal.body)),
        }
    }

    /// The raw events. Their `status` is `pending`, `claimed`, `processed` or `submitted`; what was submitted is in
    /// `normalized`.
    pub fn raw_events(&self) -> Vec<Value> {
        self.shared.state.lock().raw_events.values(&[])
    }

    /// The evidence that was accepted.
    pub fn evidence(&self) -> Vec<Value> {
        self.shared.state.lock().evidence.values(&[])
    }

    /// Adds an intake form, like `{"key":"bug-report","public":true}`; what it lacks, it gets. Returns it.
    ///
    /// # Panics
    ///
    /// When `form` is not an object.
    #[track_caller]
    pub fn add_intake_form(&self, project: impl Into<Value>, form: Value) -> Value {
        self.shared.state.lock().forms.add(&[&written(&project.into())], object(form), self.now())
    }

    /// Adds a submission to the form `key`, like `{"data":{"title":"No login"}}`; what it lacks, it gets. Returns it.
    ///
    /// # Panics
    ///
    /// When there is no such form, or `submission` is not an object.
    #[track_caller]
    pub fn add_submission(&self, project: impl Into<Value>, key: &str, submission: Value) -> Value {
        let project = written(&project.into());
        let submission = object(submission);
        let added =
            intake::add_submission(&mut self.shared.state.lock(), &project, key, submission, self.now());
        added.unwrap_or_else(|_| panic!("there is no form `{key}` in the project {project}"))
    }

    /// The submissions to the form `key`, in all projects.
    pub fn submissions(&self, key: &str) -> Vec<Value> {
        intake::submissions(&self.shared.state.lock(), key)
    }

    /// Adds an issue, like `{"title":"No login","project_id":7}`; what it lacks, it gets. Returns it.
    ///
    /// # Panics
    ///
    /// When `issue` is not an object.
    #[track_caller]
    pub fn add_issue(&self, issue: Value) -> Value {
        self.shared.state.lock().issues.add(&[], object(issue), self.now())
    }

    /// The issues, in the order they were added.
    pub fn issues(&self) -> Vec<Value> {
        self.shared.state.lock().issues.values(&[])
    }

    /// Adds a comment to the issue `key`, like `{"body":"Me, too"}`; what it lacks, it gets. Returns it.
    ///
    /// # Panics
    ///
    /// When there is no such issue, or `comment` is not an object.
    #[track_caller]
    pub fn add_comment(&self, key: &str, comment: Value) -> Value {
        let comment = object(comment);
        let added = issues::add_comment(&mut self.shared.state.lock(), key, comment, self.now());
        added.unwrap_or_else(|_| panic!("there is no issue `{key}`"))
    }

    /// The comments on the issue `key`.
    pub fn comments(&self, key: &str) -> Vec<Value> {
        issues::comments(&self.shared.state.lock(), key)
    }

    /// Adds a project, or replaces the one with its slug: `slug`, `id`, and the lists `workflows`, `boards` and
    /// `members`, as calls shall find them.
    ///
    /// The transitions of workflows, like `{"name":"finish","from":"open","to":"done"}`, are what the issues of the
    /// project can do; without workflows, everything is possible.
    ///
    /// # Panics
    ///
    /// When `project` is not an object with a `slug`.
    #[track_caller]
    pub fn add_project(&self, project: Value) {
        let project = object(project);
        assert!(project.get("slug").is_some_and(Value::is_string), "a project has a `slug`");
        issues::add_project(&mut self.shared.state.lock(), project, self.now());
    }

    /// The notifications that were accepted, as they were sent.
    pub fn notifications(&self) -> Vec<Value> {
        self.reported("notifications")
    }

    /// The events that were logged, as they were sent.
    pub fn events(&self) -> Vec<Value> {
        self.reported("events")
    }

    /// The metrics that were accepted, as they were sent.
    pub fn metrics(&self) -> Vec<Value> {
        self.reported("metrics")
    }

    /// The telemetry records that were accepted, as they were sent.
    pub fn telemetry(&self) -> Vec<Value> {
        self.reported("telemetry")
    }

    /// The events that were tracked, as they were sent.
    pub fn analytics_events(&self) -> Vec<Value> {
        self.reported("analytics")
    }

    fn reported(&self, name: &str) -> Vec<Value> {
        self.shared.state.lock().reports.get(name).cloned().unwrap_or_default()
    }

    /// The e-mails that were accepted, as they were sent, with their `id` and `status`.
    pub fn inbound_emails(&self) -> Vec<Value> {
        self.shared.state.lock().emails.values(&[])
    }

    /// The URL that it gives out for an action.
    pub fn webhook_url(&self, action: &str) -> String {
        format!("{}/{action}", reports::webhook_base(&self.shared.state.lock()))
    }
}

#[track_caller]
fn object(value: Value) -> Item {
    match value {
        Value::Object(object) => object,
        other => panic!("expected a JSON object, found {other}"),
    }
}

impl Drop for FakePlatform {
    /// Verifies the expectations, unless a test fails already.
    fn drop(&mut self) {
        if !thread::panicking() {
            self.verify();
        }
    }
}

/// Without tokens, secrets and state.
impl fmt::Debug for FakePlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakePlatform").field("url", &self.url).finish_non_exhaustive()
    }
}
