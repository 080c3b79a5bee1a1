//! The store in memory under a model checker: its own file, with the checker's locks.

use std::time::Duration;

use kiket::http::StatusCode;
use shuttle::sync::Arc;

mod parts {
    pub(super) use kiket::dedupe::{
        BeginOutcome, DedupeKey, LeaseState, LeaseToken, StoreError, StoreErrorKind, StoredReply,
    };
    pub(super) use kiket::http::StatusCode;
    pub(super) use shuttle::sync::Mutex;
    pub(super) use tokio::time::Instant;
}

#[path = "../../../../../kiket-runtime/src/dedupe/memory/shards.rs"]
mod shards;

use self::{
    parts::{BeginOutcome, DedupeKey, Instant, LeaseState, Mutex, StoredReply},
    shards::{Limits, Shards},
};

const LEASE: Duration = Duration::from_secs(10);
const KEEP: Duration = Duration::from_secs(600);

/// Orders that are tried, of each kind; in a second or two.
const ORDERS: usize = 2000;

/// Runs `test` in many orders: at random, and with few switches at the worst moments.
fn check(test: fn()) {
    shuttle::check_random(test, ORDERS);
    shuttle::check_pct(test, ORDERS, 3);
}

fn key(name: &str) -> DedupeKey {
    DedupeKey::new("e", name)
}

fn response(text: &'static str) -> StoredReply {
    StoredReply::new(StatusCode::OK, text)
}

fn spacious() -> Arc<Shards> {
    Arc::new(Shards::new(Limits { entries: 100, bytes: 1 << 20 }))
}

#[test]
fn one_of_many_gets_the_lease_and_its_reply_stays() {
    check(|| {
        let (shards, now) = (spacious(), Instant::now());
        let committed = Arc::new(Mutex::new(Vec::new()));
        let deliver = |text: &'static str| {
            let (shards, committed) = (Arc::clone(&shards), Arc::clone(&committed));
            shuttle::thread::spawn(move || match shards.begin(shards.name(&key("1")), now, LEASE).unwrap() {
                BeginOutcome::Leased(token) => {
                    committed.lock().unwrap().push(text);
                    let held = shards.commit(shards.name(&key("1")), token, &response(text), now, KEEP);
                    assert_eq!(held, LeaseState::Held);
                }
                BeginOutcome::Running { remaining } => assert_eq!(remaining, LEASE),
                BeginOutcome::Done(stored) => assert_eq!(stored, response(committed.lock().unwrap()[0])),
                other => panic!("{other:?}"),
            })
        };
        let threads = ["a", "b", "c"].map(deliver);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(committed.lock().unwrap().len(), 1);
        assert_eq!(shards.usage().0, 1);
    });
}

#[test]
fn a_failed_delivery_is_run_again_by_one() {
    check(|| {
        let (shards, now) = (spacious(), Instant::now());
        let effects = Arc::new(Mutex::new(0));
        let deliver = |fails: bool| {
            let (shards, effects) = (Arc::clone(&shards), Arc::clone(&effects));
            shuttle::thread::spawn(move || match shards.begin(shards.name(&key("1")), now, LEASE).unwrap() {
                BeginOutcome::Leased(token) if fails => {
                    assert_eq!(shards.release(shards.name(&key("1")), token, now), LeaseState::Held);
                }
                BeginOutcome::Leased(token) => {
                    *effects.lock().unwrap() += 1;
                    let held = shards.commit(shards.name(&key("1")), token, &response("a"), now, KEEP);
                    assert_eq!(held, LeaseState::Held);
                }
                BeginOutcome::Running { .. } | BeginOutcome::Done(_) => {}
                other => panic!("{other:?}"),
            })
        };
        let threads = [true, false, false].map(deliver);
        for thread in threads {
            thread.join().unwrap();
        }
        let effects = *effects.lock().unwrap();
        assert!(effects <= 1, "an effect happened twice");
        let again = shards.begin(shards.name(&key("1")), now, LEASE).unwrap();
        // Those who met the one that failed come again later: then it can be run.
        assert_eq!(matches!(again, BeginOutcome::Leased(_)), effects == 0, "{again:?}");
        shards.usage();
    });
}

#[test]
fn a_lease_that_is_taken_over_commits_once() {
    check(|| {
        let (shards, now) = (spacious(), Instant::now());
        let late = now + LEASE;
        let Ok(BeginOutcome::Leased(former)) = shards.begin(shards.name(&key("1")), now, LEASE) else {
            panic!("it is the first")
        };
        let held = Arc::new(Mutex::new(0));
        let commit = |shards: &Shards, held: &Mutex<u32>, token, text, at| {
            if shards.commit(shards.name(&key("1")), token, &response(text), at, KEEP) == LeaseState::Held {
                *held.lock().unwrap() += 1;
            }
        };
        // The former owner reads the time before its lease expires, and comes when it pleases.
        let (shards_of, held_of) = (Arc::clone(&shards), Arc::clone(&held));
        let zombie = shuttle::thread::spawn(move || commit(&shards_of, &held_of, former, "former", now));
        let (shards_of, held_of) = (Arc::clone(&shards), Arc::clone(&held));
        let next = shuttle::thread::spawn(move || {
            if let BeginOutcome::Leased(token) =
                shards_of.begin(shards_of.name(&key("1")), late, LEASE).unwrap()
            {
                commit(&shards_of, &held_of, token, "next", late);
            }
        });
        zombie.join().unwrap();
        next.join().unwrap();
        assert_eq!(*held.lock().unwrap(), 1);
        assert!(matches!(shards.begin(shards.name(&key("1")), late, LEASE).unwrap(), BeginOutcome::Done(_)));
        shards.usage();
    });
}

#[test]
fn a_store_that_is_full_forgets_no_lease() {
    check(|| {
        let shards = Arc::new(Shards::new(Limits { entries: 2, bytes: 1000 }));
        let now = Instant::now();
        let deliver = |name: &'static str| {
            let shards = Arc::clone(&shards);
            shuttle::thread::spawn(move || match shards.begin(shards.name(&key(name)), now, LEASE) {
                Ok(BeginOutcome::Leased(token)) => {
                    let held = shards.commit(shards.name(&key(name)), token, &response("a"), now, KEEP);
                    assert_eq!(held, LeaseState::Held, "a lease was forgotten");
                }
                Ok(found) => panic!("no other test delivers {name}, and it is {found:?}"),
                Err(full) => assert!(full.to_string().contains("full"), "{full}"),
            })
        };
        let threads = ["1", "2", "3"].map(deliver);
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(shards.usage().0 <= 2);
    });
}
