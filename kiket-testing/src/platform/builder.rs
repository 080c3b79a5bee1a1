//! Describes a fake platform before it starts.

use std::{path::PathBuf, sync::Arc, time::Duration};

use kiket_runtime::{
    Clock, Secret, StartupError,
    internals::{self, Mutex},
    setters,
};

use super::{
    call::{Call, Calls},
    credentials::Credentials,
    fake::FakePlatform,
    orders::Orders,
    rate::RateWindow,
    seed::Seed,
    server::Server,
    shared::{Observer, Shared},
    state::State,
};

/// Describes a [`FakePlatform`]; [`start`](Self::start) starts it.
///
/// ```
/// use std::time::Duration;
/// use kiket_runtime::Clock;
/// use kiket_testing::FakePlatform;
///
/// let platform = FakePlatform::builder()
///     .extension_id("com.example.marketing")
///     .clock(Clock::fixed(1_700_000_000))
///     .rate_limit(2, Duration::from_secs(60))
///     .seed_yaml("secrets: { API_KEY: abc }")
///     .start()?;
/// assert_eq!(platform.secret("API_KEY").as_deref(), Some("abc"));
/// # Ok::<(), kiket_runtime::StartupError>(())
/// ```
#[derive(Default)]
#[must_use = "a fake platform listens from `start` on"]
pub struct FakePlatformBuilder {
    clock: Clock,
    credentials: Credentials,
    port: u16,
    base_path: String,
    delivery_timeout: Option<Duration>,
    observer: Option<Observer>,
    extension_id: Option<String>,
    detailed_secrets: bool,
    webhook_token: Option<Secret>,
    page_size: Option<usize>,
    rate: Option<(u64, Duration)>,
    /// Each with the name of its file, and its text unless it is in that file.
    seeds: Vec<(PathBuf, Option<String>)>,
}

impl FakePlatform {
    /// Starts a fake platform with nothing in it, on a free port.
    ///
    /// # Panics
    ///
    /// When the loopback address cannot be listened on; [`builder`](Self::builder) gives an error instead.
    #[track_caller]
    pub fn start() -> Self {
        Self::builder().start().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts to describe a fake platform.
    pub fn builder() -> FakePlatformBuilder {
        FakePlatformBuilder::default()
    }
}

impl FakePlatformBuilder {
    setters! {
        /// The one extension there is: calls that name another get 404. Unless this or a seed names it, every id is
        /// taken, and all are the same extension.
        extension_id(id: impl Into<String>) => |builder| builder.extension_id = Some(id.into());
        /// The clock of the rate window, of times, and of deliveries over HTTP, instead of the system's.
        clock(clock: Clock) => |builder| builder.clock = clock;
        /// How many calls a window allows, and how long that is, instead of 600 in 60 s. It goes before a seed's.
        rate_limit(limit: u64, window: Duration) => |builder| builder.rate = Some((limit, window));
        /// The workspace token to accept.
        token(token: impl Into<Secret>) => |builder| builder.credentials.token = token.into();
        /// The extension API key to accept.
        api_key(key: impl Into<Secret>) => |builder| builder.credentials.api_key = key.into();
        /// The API key for ingestion to accept.
        ingestion_key(key: impl Into<Secret>) => |builder| builder.credentials.ingestion_key = key.into();
        /// The organization that it is, which ingestion must name.
        organization_id(id: impl Into<String>) => |builder| builder.credentials.organization = id.into();
        /// The secret that signs deliveries, instead of [`SECRET`](crate::SECRET).
        webhook_secret(secret: impl Into<Secret>) =>
            |builder| builder.credentials.webhook_secret = secret.into();
        /// The token in the addresses that it gives out for webhooks of others. It goes before a seed's.
        webhook_token(token: impl Into<Secret>) => |builder| builder.webhook_token = Some(token.into());
        /// The port to listen on, instead of any free one.
        port(port: u16) => |builder| builder.port = port;
        /// A path below which everything lies, like `/tenant`; it is part of [`FakePlatform::url`].
        base_path(path: impl Into<String>) => |builder| builder.base_path = path.into();
        /// How long a delivery waits for its response, instead of 15 s.
        delivery_timeout(timeout: Duration) => |builder| builder.delivery_timeout = Some(timeout);
        /// Whether the list of secrets is an array with times, the other of the two shapes that Kiket has, instead of
        /// `{"keys":[…]}`.
        detailed_secret_list(detailed: bool) => |builder| builder.detailed_secrets = detailed;
        /// The most records on a page of custom data, whatever `limit` says. Unless set, a list without `limit` is whole.
        page_size(records: usize) => |builder| builder.page_size = Some(records.max(1));
        /// Shows every call with its status to `observer`, in the fake platform's thread and before the caller gets the
        /// response.
        on_call(observer: impl Fn(&Call) + Send + Sync + 'static) =>
            |builder| builder.observer = Some(Box::new(observer));
    }

    /// Puts what this YAML text has into the fake platform before the first call; every part may be left out.
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
    /// # let platform = kiket_testing::FakePlatform::builder().seed_yaml(seed).start().unwrap();
    /// # assert_eq!(platform.records("crm", "contacts")[1]["id"], 2);
    /// # assert_eq!(platform.anchors()[0]["leaf_count"], 2);
    /// # assert_eq!(platform.raw_events()[0]["status"], "pending");
    /// ```
    pub fn seed_yaml(mut self, text: impl Into<String>) -> Self {
        self.seeds.push(("seed.yaml".into(), Some(text.into())));
        self
    }

    /// Puts what this YAML file has into the fake platform; see [`seed_yaml`](Self::seed_yaml) for its parts.
    pub fn seed_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.seeds.push((path.into(), None));
        self
    }

    /// Listens on the loopback address until the [`FakePlatform`] is dropped.
    ///
    /// # Errors
    ///
    /// What is wrong with each seed, with file, line and column; and when the port cannot be listened on.
    pub fn start(self) -> Result<FakePlatform, StartupError> {
        let refused = |problems| internals::startup_error("the platform", problems);
        let mut state = State {
            extension_id: self.extension_id,
            detailed_secrets: self.detailed_secrets,
            page_size: self.page_size,
            ..State::default()
        };
        let now = self.clock.unix_seconds();
        let mut problems = Vec::new();
        for (file, text) in &self.seeds {
            match text.as_ref().map_or_else(|| Seed::load(file), |text| Seed::parse(text, file)) {
                Ok(seed) => seed.sow(&mut state, &self.credentials.organization, now),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(refused(problems));
        }
        state.rate = self.rate.map_or(state.rate, |(limit, window)| RateWindow::new(limit, window));
        state.webhook_token = self.webhook_token.unwrap_or(state.webhook_token);
        let base_path = self.base_path.trim_matches('/');
        let shared = Arc::new(Shared {
            clock: self.clock,
            credentials: self.credentials,
            failures: Orders::new(),
            expectations: Orders::new(),
            base: base_path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect(),
            observer: self.observer,
            state: Mutex::new(state),
            calls: Mutex::new(Calls::default()),
        });
        let server = Server::start(self.port, Arc::clone(&shared)).map_err(|error| {
            let what = format!("the platform cannot listen on 127.0.0.1:{}: {error}", self.port);
            let help = "choose another port, or 0 for any free one: `.port(…)`, or `PORT` of the example";
            refused(vec![internals::problem(what, None, help)])
        })?;
        let url = format!("http://{}/{base_path}", server.address()).trim_end_matches('/').to_owned();
        let delivery_timeout = self.delivery_timeout.unwrap_or(Duration::from_secs(15));
        Ok(FakePlatform { shared, server, url, delivery_timeout })
    }
}

impl std::fmt::Debug for FakePlatformBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakePlatformBuilder").field("port", &self.port).finish_non_exhaustive()
    }
}
