//! An extension in two processes that share a store, while processes and store die and come back.
//!
//! A sender delivers 2,000 events by the platform's rule, with duplicates, in any order, to both processes in turn. When
//! so many are done, something breaks: a process is killed, or both; the store is stopped and started, or does nothing
//! for a while; a process drains, or stands still until its leases are over. In the end every event got a response for
//! good, had its effect, and has one response for ever. It had its effect again only where something broke between an
//! effect and the record of it, and each such repeat is traced to what broke.

mod edges;
mod events;
mod failovers;
mod fleet;
mod journal;
mod sender;
mod verdict;

use std::{
    fs,
    sync::Mutex,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use stores::{Postgres, Redis};

use self::{
    events::{Copy, events},
    fleet::{Fleet, Places, Start},
    journal::Journal,
    sender::Sender,
    verdict::Verdict,
};

/// What deliveries are signed with.
const SECRET: &str = extension_process::SECRET;

const EVENTS: usize = 2_000;

/// The same events and the same order in every run; what meets what is up to the machine.
const SEED: u64 = 1_700_000_000;

/// How many deliveries are turned away for a store that is down, before it is started again.
const TURNED_AWAY: usize = 40;

/// One after the other, so that they do not take each other's time.
static ALONE: Mutex<()> = Mutex::new(());

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs()
}

fn wait_for<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A store's server that can be stopped.
trait Store {
    fn url(&self) -> String;
    fn stop(&mut self);
    fn start_again(&mut self);
    /// It takes what is sent to it for two seconds, and handles it after that: longer than a sender waits for a response, and
    /// than Redis is waited for.
    fn hang(&mut self);
}

impl Store for Redis {
    fn url(&self) -> String {
        Redis::url(self).to_owned()
    }
    fn stop(&mut self) {
        Redis::stop(self);
    }
    fn start_again(&mut self) {
        Redis::start_again(self);
    }
    fn hang(&mut self) {
        let mut connection = redis::Client::open(Redis::url(self)).unwrap().get_connection().unwrap();
        redis::cmd("CLIENT").arg("PAUSE").arg(2_000).arg("ALL").exec(&mut connection).unwrap();
        redis::cmd("PING").exec(&mut connection).unwrap(); // waits like everybody
    }
}

impl Store for Postgres {
    fn url(&self) -> String {
        Postgres::url(self).to_owned()
    }
    fn stop(&mut self) {
        Postgres::stop(self);
    }
    fn start_again(&mut self) {
        Postgres::start_again(self);
    }
    fn hang(&mut self) {
        let lock = "BEGIN; LOCK TABLE kiket_dedupe; SELECT pg_sleep(2); COMMIT";
        wait_for(self.execute(lock));
    }
}

#[test]
fn nothing_is_lost_and_nothing_done_twice_with_redis() {
    let Some(mut redis) = Redis::start_own(&[]) else { return };
    check("Redis", &mut redis);
}

#[test]
fn nothing_is_lost_and_nothing_done_twice_with_postgresql() {
    let Some(mut postgres) = Postgres::start_own() else { return };
    check("PostgreSQL", &mut postgres);
}

#[track_caller]
fn check(name: &str, store: &mut dyn Store) {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let start = Start { store: store.url(), effects: folder.path().join("effects") };
    let (places, journal) = (Places::default(), Journal::default());
    let (events, copies) = events(EVENTS, &mut fastrand::Rng::with_seed(SEED));
    let sender = Sender { events: &events, places: &places, journal: &journal };
    let from = Instant::now();
    let fleet = std::thread::scope(|scope| {
        let fleet = Fleet::start(start.clone(), &places, &journal);
        scope.spawn(|| sender.send(&copies));
        make_trouble(fleet, store, &journal, copies.len())
    });
    let troubled = from.elapsed();

    // A redelivery to any process gets the stored reply.
    let at = |place| move |event| Copy { event, first: place, stays: true };
    for place in [0, 1] {
        sender.send(&(0..EVENTS).map(at(place)).collect::<Vec<_>>());
    }
    let seen = journal.lock();
    assert_eq!(seen.finished, copies.len() + 2 * EVENTS, "some were not answered for good");
    let verdict = Verdict::of(&events, &seen, &fs::read_to_string(&start.effects).unwrap());
    println!(
        "{name}: {EVENTS} events in {} copies, {troubled:?} and {:?} in all: {verdict}",
        copies.len(),
        from.elapsed()
    );
    let last = seen.attempts.iter().rev().filter_map(|attempt| attempt.response.as_ref());
    let mut last = last.filter(|response| response.is_final()).take(EVENTS);
    assert!(last.all(|response| response.replayed), "a response was not stored at the second asking");
    verdict.was_hard_won();
    fleet.end();
}

/// Breaks something whenever some more copies are finished.
#[track_caller]
fn make_trouble<'t>(
    mut fleet: Fleet<'t>,
    store: &mut dyn Store,
    journal: &'t Journal,
    copies: usize,
) -> Fleet<'t> {
    let finished = |percent: usize| {
        journal.until(&format!("{percent} %"), |seen| seen.finished * 100 >= copies * percent);
    };
    let turned_away = || {
        let down = |seen: &journal::Seen| {
            seen.attempts.iter().filter(|attempt| attempt.responds_with("store_down")).count()
        };
        let before = down(&journal.lock());
        journal.until("a store that is down", |seen| down(seen) >= before + TURNED_AWAY);
    };
    for (percent, killed) in [(5, [0].as_slice()), (12, &[1]), (19, &[0, 1]), (26, &[0])] {
        finished(percent);
        for &place in killed {
            fleet.kill(place);
        }
        for &place in killed {
            fleet.start_again(place);
        }
    }
    finished(33);
    outage(store, journal, turned_away);
    finished(40);
    fleet.drain(0);
    fleet.start_again(0);
    finished(47);
    // A process is killed and starts while the store is down.
    outage(store, journal, || {
        fleet.kill(1);
        fleet.start_again(1);
        turned_away();
    });
    for (percent, killed) in [(54, 0), (61, 1), (68, 0)] {
        finished(percent);
        fleet.kill(killed);
        fleet.start_again(killed);
    }
    finished(75);
    fleet.drain(1);
    fleet.start_again(1);
    finished(82);
    outage(store, journal, turned_away);
    finished(88);
    let from = Instant::now();
    store.hang();
    journal.write(|seen| seen.outages.push((from, Instant::now())));
    finished(95);
    // When it goes on, its leases are over, and another process has done its work.
    fleet.pause(1);
    finished(100);
    fleet.resume(1);
    fleet
}

/// The store is down while something happens.
fn outage(store: &mut dyn Store, journal: &Journal, happens: impl FnOnce()) {
    let from = Instant::now();
    store.stop();
    happens();
    store.start_again();
    journal.write(|seen| seen.outages.push((from, Instant::now())));
}
