//! What a store must do in any order of events: deliveries, duplicates, crashes, expiry, owners that come too late.

use std::{collections::BTreeMap, pin::Pin, sync::Arc, time::Duration};

use kiket::{
    dedupe::{BeginOutcome, DedupeKey, DedupeStore, LeaseState, LeaseToken, StoredReply},
    http::StatusCode,
};
use proptest::prelude::*;

/// A store whose time a test moves.
pub struct TestedStore {
    /// The store.
    pub store: Arc<dyn DedupeStore>,
    /// A namespace of its own.
    pub namespace: String,
    /// Moves its time by so many milliseconds, perhaps back.
    pub advance: Box<dyn Fn(i64) -> Moving>,
}

/// Until time has moved.
pub type Moving = Pin<Box<dyn Future<Output = ()>>>;

/// One event. Each holder of a lease is a worker, and stays one: it may come back long after its lease.
#[derive(Debug, Clone)]
enum Step {
    /// A delivery arrives, for the first time or again. If it gets the lease, its worker runs, or has crashed, which
    /// no test can know.
    Deliver { key: u8, lease: u8 },
    /// A worker has done its work and stores this response.
    Commit { worker: usize, response: u8, keep: u8 },
    /// A worker has failed, and gives its lease back.
    Release { worker: usize },
    /// Time passes.
    Advance { by: u8 },
    /// The clock of the server is set back.
    SetBack { by: u8 },
}

/// All times are multiples of this, so that what a real store takes for a step never matters.
const TICK: u64 = 60_000;

/// A sequence of events.
#[derive(Debug, Clone)]
pub struct Steps(Vec<Step>);

/// Sequences of events, for a store whose clock can be set back, or not.
pub fn steps(clock_can_be_set_back: bool) -> impl Strategy<Value = Steps> {
    let step = prop_oneof![
        6 => (0..3u8, 1..4u8).prop_map(|(key, lease)| Step::Deliver { key, lease }),
        4 => (0..8usize, any::<u8>(), 1..6u8)
            .prop_map(|(worker, response, keep)| Step::Commit { worker, response, keep }),
        2 => (0..8usize).prop_map(|worker| Step::Release { worker }),
        3 => (1..4u8).prop_map(|by| Step::Advance { by }),
        u32::from(clock_can_be_set_back) => (1..3u8).prop_map(|by| Step::SetBack { by }),
    ];
    prop::collection::vec(step, 1..60).prop_map(Steps)
}

/// What the store must know of a delivery; a delivery that is absent here is absent.
#[derive(Debug, Clone, Copy)]
struct Known {
    worker: usize,
    until: i64,
    response: Option<u8>,
}

struct Worker {
    key: u8,
    token: LeaseToken,
}

/// Checks that the store does as the model does, event by event.
///
/// # Errors
///
/// When it does something else.
pub async fn follows_the_model(subject: TestedStore, steps: Steps) -> Result<(), TestCaseError> {
    let TestedStore { store, namespace, advance } = subject;
    let mut now = 0i64;
    let mut known: BTreeMap<u8, Known> = BTreeMap::new();
    let mut workers: Vec<Worker> = Vec::new();
    // Besides the model, what the whole is for: every key's effects, each with the time when it may be forgotten.
    let mut effects: BTreeMap<u8, i64> = BTreeMap::new();

    let name = |key: u8| DedupeKey::new(&namespace, &format!("id:{key}"));
    for step in steps.0 {
        // What has expired stays expired, also when the clock is set back then.
        known.retain(|_, known| now < known.until);
        effects.retain(|_, until| now < *until);
        match step {
            Step::Deliver { key, lease } => {
                let begun = done(store.begin(&name(key), ticks(lease)).await)?;
                match (known.get(&key), begun) {
                    (None, BeginOutcome::Leased(token)) => {
                        let new = workers.iter().all(|worker| worker.token != token);
                        prop_assert!(new, "a token is given twice");
                        let until = now + millis(lease);
                        known.insert(key, Known { worker: workers.len(), until, response: None });
                        workers.push(Worker { key, token });
                    }
                    (Some(Known { response: None, until, .. }), BeginOutcome::Running { remaining }) => {
                        let left = i64::try_from(remaining.as_millis()).unwrap_or(i64::MAX);
                        let expected = until - now;
                        let close = left <= expected && left > expected - millis(1);
                        prop_assert!(close, "{left} ms are left, not {expected}");
                    }
                    (Some(Known { response: Some(response), .. }), BeginOutcome::Done(stored)) => {
                        prop_assert_eq!(stored, body(*response));
                    }
                    (expected, begun) => prop_assert!(false, "{expected:?}, and the store says {begun:?}"),
                }
            }
            Step::Commit { worker, response, keep } => {
                let Some(Worker { key, token }) = workers.get(worker) else { continue };
                let committed = done(store.commit(&name(*key), token, &body(response), ticks(keep)).await)?;
                let held = known.get_mut(key).filter(|known| known.worker == worker);
                prop_assert_eq!(committed == LeaseState::Held, held.is_some());
                if let Some(known) = held.filter(|known| known.response.is_none()) {
                    prop_assert!(!effects.contains_key(key), "an effect is committed twice");
                    (known.response, known.until) = (Some(response), now + millis(keep));
                    effects.insert(*key, known.until);
                }
            }
            Step::Release { worker } => {
                let Some(Worker { key, token }) = workers.get(worker) else { continue };
                let released = done(store.release(&name(*key), token).await)?;
                let held =
                    known.get(key).is_some_and(|known| known.worker == worker && known.response.is_none());
                prop_assert_eq!(released == LeaseState::Held, held);
                if held {
                    known.remove(key);
                }
            }
            Step::Advance { by } => {
                advance(millis(by)).await;
                now += millis(by);
            }
            Step::SetBack { by } => {
                advance(-millis(by)).await;
                now -= millis(by);
            }
        }
    }
    Ok(())
}

fn ticks(count: u8) -> Duration {
    Duration::from_millis(TICK * u64::from(count))
}

fn millis(count: u8) -> i64 {
    (TICK * u64::from(count)).cast_signed()
}

fn body(response: u8) -> StoredReply {
    StoredReply::new(StatusCode::OK, vec![response; usize::from(response)])
}

fn done<T, E: std::fmt::Debug>(result: Result<T, E>) -> Result<T, TestCaseError> {
    result.map_err(|error| TestCaseError::fail(format!("{error:?}")))
}
