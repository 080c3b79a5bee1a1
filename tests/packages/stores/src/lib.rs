//! For tests of the stores that remember deliveries: a Redis and a PostgreSQL of their own, and the model that every
//! store must follow.

mod cluster;
mod inbox_model;
mod model;
mod pooler;
mod postgres;
mod process;
mod proxy;
mod redis;

pub use self::{
    cluster::Cluster,
    inbox_model::{InboxSteps, TestedInbox, follows_the_inbox_model, inbox_steps},
    model::{Moving, Steps, TestedStore, follows_the_model, steps},
    pooler::Pooler,
    postgres::{Postgres, connect},
    proxy::Proxy,
    redis::Redis,
};
pub use tokio_postgres::SimpleQueryMessage;

/// The one thing that is the same in every test: a service that is there, or a test that says it was skipped.
///
/// # Panics
///
/// In CI, where everything is installed by `scripts/install-test-tools`.
fn skipped<T>(why: &str) -> Option<T> {
    use std::io::Write as _;

    assert!(std::env::var("CI").is_err(), "in CI nothing is skipped: {why}");
    // Past the test harness, which shows what is printed only where a test fails.
    let _ = std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes());
    None
}
