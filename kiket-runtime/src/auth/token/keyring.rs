//! The keyring: fetches Kiket's keys, caches them, and refreshes them.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};

use super::jwks::KeySet;
use crate::{
    client::Fetcher,
    types::{BaseUrl, Mutex},
};

/// The keys that verify tokens.
pub(super) enum Keyring {
    Given(Arc<KeySet>),
    Fetched(Arc<Fetched>),
}

pub(super) struct Fetched {
    fetcher: Fetcher,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    newest: Option<Newest>,
    /// The key ids that were missing before the last fetch. Until the cooldown ends, the keys of that fetch decide about
    /// them.
    missed: HashSet<Option<Box<str>>>,
    /// When the last fetch began.
    tried_at: Option<Instant>,
    /// Closed when that fetch has ended, or was lost.
    flight: Option<watch::Receiver<()>>,
}

struct Newest {
    keys: Arc<KeySet>,
    /// When their fetch began.
    at: Instant,
}

/// The path of Kiket's JWKS (wire contract, token-keys).
const PATH: &str = "/.well-known/jwks.json";
/// How long keys are fresh (wire contract, token-keys-fresh).
const FRESH: Duration = Duration::from_secs(60 * 60);
/// How long stale keys are used while newer ones cannot be fetched (wire contract, token-keys-stale).
const USABLE: Duration = Duration::from_secs(24 * 60 * 60);
/// The cooldown between two fetches: invented key ids in tokens do not cause a fetch each.
const PAUSE: Duration = Duration::from_secs(10);
/// The timeout of a fetch, and of waiting for one.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most key ids that are remembered between two fetches.
const MOST_MISSED: usize = 256;

impl Keyring {
    /// The keys that Kiket publishes below its base URL.
    pub(super) fn of(kiket: &BaseUrl) -> Self {
        Self::over(Fetcher::new(kiket, PATH))
    }

    pub(super) fn over(fetcher: Fetcher) -> Self {
        Self::Fetched(Arc::new(Fetched { fetcher, state: Mutex::default() }))
    }

    /// The keys to look `id` up in. If it is not among them, it is unknown: they were fetched after it was missed.
    ///
    /// # Errors
    ///
    /// How long there will be no keys.
    pub(super) async fn keys(&self, id: Option<&str>) -> Result<Arc<KeySet>, Duration> {
        self.ask(|state, now| state.step(id, now)).await
    }

    /// Keys that were fetched after `known`.
    ///
    /// # Errors
    ///
    /// As for [`keys`](Self::keys).
    pub(super) async fn newer(&self, known: &Arc<KeySet>) -> Result<Arc<KeySet>, Duration> {
        self.ask(|state, now| state.step_beyond(known, now)).await
    }

    async fn ask(&self, next: impl Fn(&mut State, Instant) -> Next) -> Result<Arc<KeySet>, Duration> {
        let fetched = match self {
            Self::Given(keys) => return Ok(Arc::clone(keys)),
            Self::Fetched(fetched) => fetched,
        };
        loop {
            let mut landed = {
                let mut state = fetched.state.lock();
                let now = Instant::now();
                match next(&mut state, now) {
                    Next::Use(keys) => return Ok(keys),
                    Next::UseAndFetch(keys) => {
                        if state.may_try(now) {
                            fetched.fetch(&mut state, now);
                        }
                        return Ok(keys);
                    }
                    Next::Fetch => match state.flight(now) {
                        Some(landed) => landed,
                        None if state.may_try(now) => fetched.fetch(&mut state, now),
                        None => return Err(state.pause(now)),
                    },
                }
            };
            // The sender only closes the channel; but its worker may hang, and its timers with it.
            let end = async { while landed.changed().await.is_ok() {} };
            if tokio::time::timeout(PATIENCE, end).await.is_err() {
                return Err(fetched.state.lock().pause(Instant::now()));
            }
        }
    }
}

impl Fetched {
    /// Fetches the keys, in a task of its own: a client that disconnects does not stop it.
    fn fetch(self: &Arc<Self>, state: &mut State, now: Instant) -> watch::Receiver<()> {
        let (landing, landed) = watch::channel(());
        state.tried_at = Some(now);
        state.flight = Some(landed.clone());
        let fetched = Arc::clone(self);
        self.fetcher.spawn(async move {
            let response = tokio::time::timeout(PATIENCE, fetched.fetcher.fetch()).await;
            let response = response.unwrap_or_else(|_| Err(format!("no response within {PATIENCE:?}")));
            fetched.land(response.and_then(|json| KeySet::read(&json)), now);
            drop(landing);
        });
        landed
    }

    /// Stores the keys of the fetch that began `at` a time, unless newer ones are there.
    fn land(&self, keys: Result<KeySet, String>, at: Instant) {
        match keys {
            Ok(keys) => {
                let mut state = self.state.lock();
                if state.newest.as_ref().is_none_or(|newest| newest.at < at) {
                    state.newest = Some(Newest { keys: Arc::new(keys), at });
                }
            }
            Err(why) => {
                tracing::error!(
                    url = self.fetcher.url,
                    "the keys of runtime tokens cannot be fetched: {why}"
                );
            }
        }
    }
}

/// What the state says to a caller who needs a key.
enum Next {
    Use(Arc<KeySet>),
    /// They are used while newer ones are fetched; no delivery waits.
    UseAndFetch(Arc<KeySet>),
    Fetch,
}

impl State {
    fn step(&mut self, id: Option<&str>, now: Instant) -> Next {
        let (flies, may_try) = (self.flight(now).is_some(), self.may_try(now));
        let missed = id.map(Box::from);
        if let Some(Newest { keys, at }) = self.usable(now) {
            if keys.has(id) {
                let fresh = now.saturating_duration_since(*at) < FRESH;
                return if fresh { Next::Use(Arc::clone(keys)) } else { Next::UseAndFetch(Arc::clone(keys)) };
            }
            // A fetch that failed, or was lost, decides about no key.
            let last = self.tried_at == Some(*at);
            if last && !flies && !may_try && self.missed.contains(&missed) {
                return Next::Use(Arc::clone(keys));
            }
        }
        if may_try {
            self.missed.clear();
        }
        // The next fetch decides about it.
        if (flies || may_try) && self.missed.len() < MOST_MISSED {
            self.missed.insert(missed);
        }
        Next::Fetch
    }

    fn step_beyond(&mut self, known: &Arc<KeySet>, now: Instant) -> Next {
        match self.usable(now) {
            Some(Newest { keys, .. }) if !Arc::ptr_eq(keys, known) => Next::Use(Arc::clone(keys)),
            _ => Next::Fetch,
        }
    }

    fn usable(&self, now: Instant) -> Option<&Newest> {
        self.newest.as_ref().filter(|newest| now.saturating_duration_since(newest.at) < USABLE)
    }

    /// The fetch in flight. A fetch whose task was lost with its worker does not count, nor does one whose worker hangs: it
    /// should have ended long before the cooldown did.
    fn flight(&self, now: Instant) -> Option<watch::Receiver<()>> {
        let flight = self.flight.clone().filter(|landed| landed.has_changed().is_ok());
        flight.filter(|_| !self.pause(now).is_zero())
    }

    fn may_try(&self, now: Instant) -> bool {
        self.pause(now).is_zero()
    }

    /// How long the cooldown lasts.
    fn pause(&self, now: Instant) -> Duration {
        self.tried_at.map_or(Duration::ZERO, |at| PAUSE.saturating_sub(now.saturating_duration_since(at)))
    }
}
