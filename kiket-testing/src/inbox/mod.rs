//! The inbox of an extension under test: its rows, and the attempts at them, on the clock of the test.

mod memory;
mod rows;

use std::{sync::Arc, time::Duration};

use kiket_runtime::{
    Clock, Extension,
    dedupe::DedupeKey,
    inbox::{HandlerName, Inbox, InboxFilter, InboxRow, RowState},
    internals,
};

pub use self::memory::MemoryInbox;

/// The inbox of a [`TestExtension`](crate::TestExtension).
///
/// ```
/// use kiket_runtime::{Context, Extension, Handler, handler::Later};
/// use kiket_testing::{TestExtension, delivery};
/// use serde_json::json;
///
/// async fn on_issue_created(context: Context) -> kiket_runtime::Result<()> {
///     context.delivery_id().map(drop).ok_or(std::fmt::Error.into())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), kiket_runtime::StartupError> {
/// let handler = Handler::new("issue.created", "v1", on_issue_created).later(Later::new());
/// let builder = Extension::builder().id("com.example.index").handler(handler);
/// let extension = TestExtension::new(builder)?;
/// let delivery = delivery("issue.created", "v1", &json!({ "id": "evt_1" }));
/// assert_eq!(extension.deliver(delivery.clone()).await.status(), 202);
/// assert_eq!(extension.deliver(delivery).await.headers().get("x-kiket-replayed"), Some("true"));
/// let runs = extension.inbox().run_until_idle().await;
/// assert_eq!((runs.len(), runs[0].attempt, runs[0].end), (1, 1, "done"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TestInbox<'e> {
    extension: &'e Extension,
    clock: &'e Clock,
}

/// An attempt at a deferred delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeferredRun {
    /// The handler.
    pub handler: HandlerName,
    /// The key of the delivery in the inbox.
    pub key: DedupeKey,
    /// Which attempt it was; the first is 1.
    pub attempt: u32,
    /// How it ended: `done`, `retry`, `permanent`, `attempts`, `unreadable` or `lost`.
    pub end: &'static str,
}

/// The events of schedules, which have no end, begin so.
const SCHEDULE: &str = "schedule:";

/// More attempts than a test makes on purpose.
const MOST_RUNS: usize = 10_000;

impl<'e> TestInbox<'e> {
    pub(crate) fn new(extension: &'e Extension, clock: &'e Clock) -> Self {
        Self { extension, clock }
    }

    /// Runs the handlers of all rows that are due, one after the other, until none is due. What waits for a later time, like a
    /// retry, runs when the [clock](crate::TestExtension::clock) was advanced.
    ///
    /// # Panics
    ///
    /// When the inbox fails.
    pub async fn run_until_idle(&self) -> Vec<DeferredRun> {
        let ran = internals::run_inbox(self.extension).await;
        let ran = ran.unwrap_or_else(|error| panic!("the inbox failed: {error}"));
        let run = |(work, end): (kiket_runtime::inbox::ClaimedWork, _)| DeferredRun {
            handler: work.handler,
            key: work.key,
            attempt: work.attempt,
            end,
        };
        ran.into_iter().map(run).collect()
    }

    /// Runs all rows to their end: the clock is advanced to the time of each that waits.
    ///
    /// # Panics
    ///
    /// When the inbox fails, when it does not come to an end after 10,000 attempts, or when the time is the system's, as it is behind
    /// a [`FakePlatform`](crate::FakePlatform) without a clock of its own: give the builder `.clock(Clock::fixed(..))`.
    pub async fn run_to_end(&self) -> Vec<DeferredRun> {
        let mut runs = self.run_until_idle().await;
        while let Some(row) = self
            .rows()
            .await
            .into_iter()
            .filter(|row| row.state == RowState::Waiting && !row.handler.event.starts_with(SCHEDULE))
            .min_by_key(|row| row.at)
        {
            assert!(
                runs.len() < MOST_RUNS,
                "the inbox does not come to an end: there were {} attempts",
                runs.len()
            );
            let ahead = row.at.duration_since(self.clock.now()).unwrap_or_default();
            let more = self.run_after(ahead).await;
            assert!(
                row.at <= self.clock.now(),
                "the clock is the system's, and cannot be advanced: give the builder `.clock(Clock::fixed(..))`"
            );
            assert!(!more.is_empty(), "no handler runs `{}`, or its event is paused", row.handler);
            runs.extend(more);
        }
        runs
    }

    /// Advances the clock, by whole seconds, and runs what is due then.
    async fn run_after(&self, ahead: Duration) -> Vec<DeferredRun> {
        self.clock.advance(ahead + Duration::from_millis(999));
        self.run_until_idle().await
    }

    /// The rows, in the order in which they were accepted, without their contents.
    ///
    /// # Panics
    ///
    /// When the inbox fails.
    pub async fn rows(&self) -> Vec<InboxRow> {
        let Some((store, space)) = internals::inbox_of(self.extension) else { return Vec::new() };
        let rows = store.list(&InboxFilter::new(space)).await;
        rows.unwrap_or_else(|error| panic!("the inbox failed: {error}"))
    }

    /// The inbox itself.
    ///
    /// # Panics
    ///
    /// When no handler is a `later` handler.
    pub fn store(&self) -> Arc<dyn Inbox> {
        let inbox = internals::inbox_of(self.extension);
        inbox.unwrap_or_else(|| panic!("the extension has no `later` handler, and so no inbox")).0
    }
}

#[cfg(test)]
mod tests {
    use kiket_runtime::{Handler, handler::Later};
    use serde_json::json;

    use crate::{FakePlatform, TestExtension, delivery};

    #[tokio::test]
    #[should_panic(expected = "the clock is the system's")]
    async fn the_clock_of_the_system_cannot_be_advanced() {
        let failing = async || Err::<(), _>(kiket_runtime::Error::retry("not yet"));
        let handler = Handler::new("issue.created", "v1", failing).later(Later::new());
        let builder = kiket_runtime::Extension::builder().without_manifest().without_collected();
        let platform = FakePlatform::start();
        let extension =
            TestExtension::new(platform.extension(builder.id("com.example.index").handler(handler))).unwrap();
        extension.deliver(delivery("issue.created", "v1", &json!({ "id": "evt_1" }))).await;
        extension.inbox().run_to_end().await;
    }
}
