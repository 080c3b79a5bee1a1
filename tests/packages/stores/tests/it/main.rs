//! Every store of deliveries, proven: by the conformance suite, against the model, in many threads, and while its
//! server comes and goes.

mod inbox_locks;
mod inbox_postgres;
mod inbox_processes;
mod inbox_sqlite;
mod interleavings;
mod memory;
mod postgres;
mod race;
mod redis;
mod transaction_ends;
mod transactions;

use kiket::dedupe::LeaseToken;
use proptest::{
    strategy::Strategy,
    test_runner::{Config, TestError, TestRunner},
};
use stores::{TestedInbox, TestedStore, follows_the_inbox_model, follows_the_model, inbox_steps, steps};

/// A namespace that no other test, and no other run, uses.
fn namespace() -> String {
    format!("test-{}", LeaseToken::unique())
}

/// Runs the model test in `runtime`, each case in a namespace of its own.
fn check_model(
    runtime: &tokio::runtime::Runtime,
    cases: u32,
    clock_can_be_set_back: bool,
    subject: &dyn Fn() -> TestedStore,
) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&steps(clock_can_be_set_back).boxed(), |steps| {
        // Made inside of the runtime: a store that takes the time as it is made takes it from the clock that stands still.
        runtime.block_on(async { follows_the_model(subject(), steps).await })
    });
    if let Err(TestError::Fail(why, steps)) = &result {
        panic!("{why}\n{steps:#?}");
    }
    result.unwrap();
}

/// Runs the model test of inboxes in `runtime`, each case in a space of its own.
fn check_inbox_model(runtime: &tokio::runtime::Runtime, cases: u32, subject: &dyn Fn() -> TestedInbox) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 4_000, ..Config::default() };
    let result = TestRunner::new(config).run(&inbox_steps().boxed(), |steps| {
        runtime.block_on(async { follows_the_inbox_model(subject(), steps).await })
    });
    if let Err(TestError::Fail(why, steps)) = &result {
        panic!("{why}\n{steps:#?}");
    }
    result.unwrap();
}
