//! Describes a platform before it starts.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    Platform,
    call::{Call, Calls},
    credentials::Credentials,
    orders::Failures,
    rate::RateWindow,
    seed::Seed,
    server::Server,
    shared::{Observer, Shared},
    state::State,
};
use crate::{
    error::{Problem, StartupError},
    testing::extension::SECRET,
    types::{Clock, Secret},
};

/// The workspace token of a [`Platform`] that was given no other.
pub(super) const TOKEN: &str = "kiket_test_token";
/// The extension API key of a [`Platform`] that was given no other.
pub(super) const API_KEY: &str = "kiket_test_api_key";

/// The API key for ingestion of a [`Platform`] that was given no other.
pub(super) const INGESTION_KEY: &str = "kiket_test_ingestion_key";
/// The organisation of a [`Platform`] that was given no other.
pub(super) const ORGANIZATION: &str = "org_test";

/// Describes a [`Platform`]; [`start`](Self::start) starts it.
///
/// ```
/// use std::time::Duration;
/// use kiket_runtime::{Clock, testing::Platform};
///
/// let platform = Platform::builder()
///     .extension_id("com.example.marketing")
///     .clock(Clock::fixed(1_700_000_000))
///     .rate_limit(2, Duration::from_secs(60))
///     .seed_yaml("secrets: { API_KEY: abc }")
///     .start()?;
/// assert_eq!(platform.secret("API_KEY").as_deref(), Some("abc"));
/// # Ok::<(), kiket_runtime::StartupError>(())
/// ```
#[must_use = "a platform answers from `start` on"]
pub struct PlatformBuilder {
    clock: Clock,
    credentials: Credentials,
    port: u16,
    base_path: String,
    delivery_timeout: Duration,
    observer: Option<Observer>,
    extension_id: Option<String>,
    detailed_secrets: bool,
    webhook_token: Option<Secret>,
    page_size: Option<usize>,
    rate: Option<(u64, Duration)>,
    seeds: Vec<Source>,
}

/// Where a seed is.
enum Source {
    Text(String),
    File(PathBuf),
}

impl Default for PlatformBuilder {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            credentials: Credentials {
                token: Secret::from(TOKEN),
                api_key: Secret::from(API_KEY),
                webhook_secret: Secret::from(SECRET),
                ingestion_key: Secret::from(INGESTION_KEY),
                organization: ORGANIZATION.to_owned(),
            },
            port: 0,
            base_path: String::new(),
            delivery_timeout: Duration::from_secs(15),
            observer: None,
            extension_id: None,
            detailed_secrets: false,
            webhook_token: None,
            page_size: None,
            rate: None,
            seeds: Vec::new(),
        }
    }
}

impl PlatformBuilder {
    /// The one extension there is: calls that name another get 404. Unless this or a seed names it, every id is
    /// taken, and all are the same extension.
    pub fn extension_id(mut self, id: impl Into<String>) -> Self {
        self.extension_id = Some(id.into());
        self
    }

    /// The clock of the rate window, of times, and of deliveries over HTTP, instead of the system's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How many calls a window allows, and how long that is, instead of 600 in 60 s. It goes before a seed's.
    pub fn rate_limit(mut self, limit: u64, window: Duration) -> Self {
        self.rate = Some((limit, window));
        self
    }

    /// The workspace token to accept.
    pub fn token(mut self, token: impl Into<Secret>) -> Self {
        self.credentials.token = token.into();
        self
    }

    /// The extension API key to accept.
    pub fn api_key(mut self, key: impl Into<Secret>) -> Self {
        self.credentials.api_key = key.into();
        self
    }

    /// The API key for ingestion to accept.
    pub fn ingestion_key(mut self, key: impl Into<Secret>) -> Self {
        self.credentials.ingestion_key = key.into();
        self
    }

    /// The organisation that it is, which ingestion must name.
    pub fn organization_id(mut self, id: impl Into<String>) -> Self {
        self.credentials.organization = id.into();
        self
    }

    /// The secret that signs deliveries, instead of [`SECRET`](crate::testing::SECRET).
    pub fn webhook_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.credentials.webhook_secret = secret.into();
        self
    }

    /// The token in the addresses that it gives out for webhooks of others. It goes before a seed's.
    pub fn webhook_token(mut self, token: impl Into<Secret>) -> Self {
        self.webhook_token = Some(token.into());
        self
    }

    /// The port to listen on, instead of any free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// A path below which everything lies, like `/tenant`; it is part of [`Platform::url`].
    pub fn base_path(mut self, path: impl Into<String>) -> Self {
        self.base_path = path.into();
        self
    }

    /// How long a delivery waits for its answer, instead of 15 s.
    pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.delivery_timeout = timeout;
        self
    }

    /// Whether the list of secrets is an array with times, the other of the two shapes that Kiket has, instead of
    /// `{"keys":[…]}`.
    pub fn detailed_secret_list(mut self, detailed: bool) -> Self {
        self.detailed_secrets = detailed;
        self
    }

    /// The most records on a page of custom data, whatever `limit` says. Unless set, a list without `limit` is whole.
    pub fn page_size(mut self, records: usize) -> Self {
        self.page_size = Some(records.max(1));
        self
    }

    /// Shows every answered call to `observer`, in the platform's thread and before the caller gets the answer.
    pub fn on_call(mut self, observer: impl Fn(&Call) + Send + Sync + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Puts what this YAML text has into the platform; see [`Platform`] for its parts.
    pub fn seed_yaml(mut self, text: impl Into<String>) -> Self {
        self.seeds.push(Source::Text(text.into()));
        self
    }

    /// Puts what this YAML file has into the platform; see [`Platform`] for its parts.
    pub fn seed_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.seeds.push(Source::File(path.into()));
        self
    }

    /// Listens on the loopback address, and answers until the [`Platform`] is dropped.
    ///
    /// # Errors
    ///
    /// What is wrong with each seed, with file, line and column; and when the port cannot be listened on.
    pub fn start(self) -> Result<Platform, StartupError> {
        let refused = |problems| StartupError::of("the platform", problems);
        let mut state = State { extension_id: self.extension_id, ..State::default() };
        state.secrets.detailed = self.detailed_secrets;
        state.custom_data.page_size = self.page_size;
        let mut problems = Vec::new();
        for source in &self.seeds {
            let seed = match source {
                Source::Text(text) => Seed::parse(text, Path::new("seed.yaml")),
                Source::File(path) => Seed::load(path),
            };
            match seed {
                Ok(seed) => seed.sow(&mut state, &self.credentials.organization, self.clock.unix_seconds()),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(refused(problems));
        }
        if let Some((limit, window)) = self.rate {
            state.rate = RateWindow::new(limit, window);
        }
        if let Some(token) = self.webhook_token {
            state.webhook_urls.token = token;
        }
        let base_path = self.base_path.trim_matches('/');
        let shared = Arc::new(Shared {
            clock: self.clock,
            credentials: self.credentials,
            failures: Failures::default(),
            base: base_path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect(),
            observer: self.observer,
            state: Mutex::new(state),
            calls: Mutex::new(Calls::default()),
        });
        let server = Server::start(self.port, Arc::clone(&shared)).map_err(|error| {
            let what = format!("the platform cannot listen on 127.0.0.1:{}: {error}", self.port);
            refused(vec![
                Problem::new(what)
                    .mend("choose another port, or 0 for any free one: `.port(…)`, or `PORT` of the example"),
            ])
        })?;
        let separator = if base_path.is_empty() { "" } else { "/" };
        let url = format!("http://{}{separator}{base_path}", server.address());
        Ok(Platform { shared, server, url, delivery_timeout: self.delivery_timeout })
    }
}

impl std::fmt::Debug for PlatformBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlatformBuilder").field("port", &self.port).finish_non_exhaustive()
    }
}
