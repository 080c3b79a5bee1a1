//! Deferred work in several processes that share an inbox, while processes, connections and the database die.
//!
//! A sender delivers by the platform's rule, and writes down what was acknowledged. Meanwhile a random process is killed each
//! second and started again at once; one stands still for longer than its leases; connections are cut; the first process of
//! PostgreSQL is killed three times. In the end nothing that was acknowledged is lost, every row is done but those that the
//! test made poison, effects came in the order of their lanes, twice only where something broke inside of a handler, and once with
//! a transaction. Besides, an old and a new build of the extension take turns under load.
//!
//! `FAULTS_DELIVERIES` is the number of deliveries, `FAULTS_DEPLOYS` that of deploys: `scripts/fault-test` runs all of them.

mod deploys;
mod engine;
mod fleet;
mod sender;
mod steps;
mod trouble;
mod verdict;
mod work;

use std::{
    env,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use self::engine::Engine;

/// What deliveries are signed with.
const SECRET: &str = extension_process::SECRET;

/// How long nothing may happen, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// The same deliveries in every run; what meets what is up to the machine.
const SEED: u64 = 1_700_000_000;

static SQLITE: Mutex<()> = Mutex::new(());
static POSTGRES: Mutex<()> = Mutex::new(());

/// One test of an engine after the other, so that they do not take each other's time. Most of it is waiting.
fn alone(engine: &'static Mutex<()>) -> MutexGuard<'static, ()> {
    engine.lock().unwrap_or_else(PoisonError::into_inner)
}

fn number(variable: &str, otherwise: usize) -> usize {
    env::var(variable).map_or(otherwise, |number| number.parse().expect("it is a number"))
}

/// Since 1970, in microseconds: the clock of all processes.
fn micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::try_from(now.as_micros()).expect("it is before 586,000 years are over")
}

#[test]
fn nothing_acknowledged_is_lost_with_sqlite() {
    let _alone = alone(&SQLITE);
    trouble::check(Engine::sqlite());
}

#[test]
fn nothing_acknowledged_is_lost_with_postgresql() {
    let _alone = alone(&POSTGRES);
    let Some(engine) = Engine::postgres() else { return };
    trouble::check(engine);
}

#[test]
fn deploys_with_other_handlers_fail_nothing_with_sqlite() {
    let _alone = alone(&SQLITE);
    deploys::check(&Engine::sqlite());
}

#[test]
fn deploys_with_other_handlers_fail_nothing_with_postgresql() {
    let _alone = alone(&POSTGRES);
    let Some(engine) = Engine::postgres() else { return };
    deploys::check(&engine);
}
