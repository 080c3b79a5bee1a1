//! Deliveries, and the schedule by which the platform repeats them.

use std::time::Duration;

use super::{Platform, post::Target};
use crate::{
    testing::{
        delivery::DeliveryBuilder,
        extension::{TestAnswer, TestExtension},
    },
    types::Clock,
};

/// How long the platform waits before each repetition; contract 1.4. A `Retry-After` does not change it.
const SCHEDULE: [Duration; 6] = [
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(8 * 60 * 60),
];

/// One attempt of the [`Platform`] to deliver.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Attempt {
    /// When it was made, in Unix seconds of the virtual clock.
    pub at: u64,
    /// The status; `None` when nothing answered in time.
    pub status: Option<u16>,
    /// The whole answer.
    pub answer: Option<TestAnswer>,
}

impl Attempt {
    fn new(at: u64, answer: Option<TestAnswer>) -> Self {
        Self { at, status: answer.as_ref().map(TestAnswer::status), answer }
    }

    /// Whether the platform tries again: after 5xx, 429, and when nothing answered.
    pub fn is_retried(&self) -> bool {
        self.status.is_none_or(|status| status >= 500 || status == 429)
    }
}

impl Platform {
    /// Signs a delivery with the webhook secret, at the time of the extension's clock, and hands it over in process.
    pub async fn deliver(&self, extension: &TestExtension, delivery: DeliveryBuilder) -> Attempt {
        self.hand_over(extension, delivery, extension.clock().unix_seconds()).await
    }

    /// Delivers until there is an answer that Kiket does not retry, by its schedule: again after 30 s, 1 m, 5 m, 30 m,
    /// 2 h and 8 h, then it gives up. Nobody waits: the extension's clock is moved. Each attempt is signed anew.
    ///
    /// ```
    /// use kiket_runtime::{Extension, Error, testing::{Platform, TestExtension, delivery}};
    /// use serde_json::json;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), kiket_runtime::StartupError> {
    /// let platform = Platform::start();
    /// let builder = platform.extension(Extension::builder()).on("issue.created", "v1", async || {
    ///     Err::<(), _>(Error::retry("the mail server is down"))
    /// });
    /// let extension = TestExtension::new(builder)?;
    /// let delivery = delivery("issue.created", "v1", &json!({ "id": "evt_1" }));
    /// let attempts = platform.deliver_until_answered(&extension, delivery).await;
    /// assert_eq!(attempts.len(), 7);
    /// assert_eq!(attempts[1].at - attempts[0].at, 30);
    /// assert_eq!(attempts[6].status, Some(500));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn deliver_until_answered(
        &self,
        extension: &TestExtension,
        delivery: DeliveryBuilder,
    ) -> Vec<Attempt> {
        repeat(extension.clock(), |at| self.hand_over(extension, delivery.clone(), at)).await
    }

    /// Like [`deliver`](Self::deliver), over HTTP to an extension that listens at `url` (which may have a path, for
    /// one with a prefix), by the platform's clock.
    ///
    /// # Panics
    ///
    /// Unless `url` is `http://` and this machine's: nothing leaves it. And outside a tokio runtime.
    pub async fn deliver_to(&self, url: &str, delivery: DeliveryBuilder) -> Attempt {
        self.send(&target(url), delivery, self.clock().unix_seconds()).await
    }

    /// Like [`deliver_until_answered`](Self::deliver_until_answered), over HTTP. The platform's clock is moved: for
    /// signatures to hold it must be a [`Clock::fixed`] that the extension has too.
    /// With the system's clock the schedule is only counted, and the attempts follow each other at once.
    ///
    /// # Panics
    ///
    /// As [`deliver_to`](Self::deliver_to) does.
    pub async fn deliver_to_until_answered(&self, url: &str, delivery: DeliveryBuilder) -> Vec<Attempt> {
        let target = target(url);
        repeat(self.clock(), |at| self.send(&target, delivery.clone(), at)).await
    }

    async fn hand_over(&self, extension: &TestExtension, delivery: DeliveryBuilder, at: u64) -> Attempt {
        let signed = delivery.sign(self.webhook_secret(), extension.clock().unix_seconds());
        let answer = tokio::time::timeout(self.delivery_timeout, extension.send(signed)).await;
        Attempt::new(at, answer.ok())
    }

    async fn send(&self, target: &Target, delivery: DeliveryBuilder, at: u64) -> Attempt {
        let signed = delivery.sign(self.webhook_secret(), self.clock().unix_seconds());
        let (target, wait) = (target.clone(), self.delivery_timeout);
        // Blocking, so that a paused clock of tokio does not run ahead of the socket.
        let answer = tokio::task::spawn_blocking(move || target.post(&signed, wait)).await;
        Attempt::new(at, answer.ok().and_then(Result::ok))
    }
}

#[track_caller]
fn target(url: &str) -> Target {
    Target::parse(url).unwrap_or_else(|| panic!("`{url}` is not like `http://127.0.0.1:8000`"))
}

async fn repeat(clock: &Clock, mut attempt: impl AsyncFnMut(u64) -> Attempt) -> Vec<Attempt> {
    let mut counted = 0;
    let mut attempts = vec![attempt(clock.unix_seconds()).await];
    for wait in SCHEDULE {
        if !attempts.last().is_some_and(Attempt::is_retried) {
            break;
        }
        clock.advance(wait);
        if clock.is_system() {
            counted += wait.as_secs();
        }
        attempts.push(attempt(clock.unix_seconds().saturating_add(counted)).await);
    }
    attempts
}
