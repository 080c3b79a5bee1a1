//! Schedules work of the extension's own, which waits in the inbox like a delivery.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Serialize;
use serde_json::Value;
use sha2::Digest as _;

use super::{Delivery, Envelope, HandlerKey, JsonText, LaterHandler, Placement, Services};
use crate::{
    auth::Authentic,
    error::Error,
    store::inbox::{Acceptance, HandlerName, RowState},
    types::{EventVersion, Headers, Mutex, after, hex, sha256_of_parts},
};

/// The inbox of an extension, for work of its own: see [`Context::inbox`](crate::Context::inbox) and
/// [`Extension::inbox`](crate::Extension::inbox).
#[derive(Clone)]
pub struct InboxHandle {
    services: Arc<Services>,
    /// The delivery that schedules it.
    parent: Option<Delivery>,
}

/// How often a delivery has scheduled the same work.
#[derive(Default)]
struct Scheduled(Mutex<HashMap<[u8; 32], u64>>);

/// The `Retry-After` of work for which the inbox has no room.
const FULL: Duration = Duration::from_secs(30);

impl InboxHandle {
    pub(crate) fn new(services: Arc<Services>) -> Self {
        Self { services, parent: None }
    }

    /// Work that `parent` schedules.
    pub(crate) fn of(parent: &Delivery) -> Self {
        Self { services: Arc::clone(&parent.0.services), parent: Some(parent.clone()) }
    }

    /// What the work of the extension is kept under, in an inbox that others may share: its id, after its namespace. `None`
    /// without a `later` handler or a schedule.
    pub fn space(&self) -> Option<&str> {
        self.services.inbox.as_ref().map(|inbox| &*inbox.space)
    }

    /// Schedules work: the `later` handler of `event` runs with `body` at the time `at`, or as soon as possible if that has passed.
    /// Where several versions of it have a handler, name one: `reminder.due@v2`.
    ///
    /// The work is stored durably when this returns, and waits in the inbox like a delivery: with the attempts, the backoff and
    /// the lane of its handler, which it has from now on: what comes after it in the lane waits until it has run.
    ///
    /// Its key is the `id` of the body, or its `delivery_id`: a text or a number. The inbox has each id once for a handler, until 24 h
    /// after it was done, or 30 days after it died; deliveries of the event count, too. Work whose id it has is not stored again; where
    /// that does not wait any more, a warning in the log says so. Without an id it gets one that is the same in each attempt at the
    /// delivery that schedules it, so that a retry of that delivery does not schedule it twice.
    ///
    /// # Errors
    ///
    /// There is no `later` handler of the event, the body is not a JSON object, it has the id of the delivery that schedules it, or the
    /// inbox is down or full. The last two are [retryable](Error::retry).
    pub async fn schedule(&self, at: SystemTime, event: &str, body: impl Serialize) -> Result<(), Error> {
        let Some(inbox) = &self.services.inbox else { return Err(no_handler(event)) };
        let handler = handler(&self.services.later, event)?;
        let body = serde_json::to_value(body)
            .map_err(|error| Error::permanent("the body of scheduled work cannot be JSON").because(error))?;
        let (delivery, is_named) = self.delivery(handler, body)?;
        if self.parent.as_ref().is_some_and(|parent| parent.work_key() == delivery.work_key()) {
            return Err(Error::permanent("the work has the `id` of its own delivery: give it another one"));
        }
        let delay = at.duration_since(self.services.clock.now()).unwrap_or_default();
        let placement = Placement { lane: handler.lane.as_deref(), blocks_lane: handler.blocks_lane, delay };
        let accepted = async {
            let mut work = delivery.work(inbox, &placement)?;
            if let (true, Some(parent)) = (work.organisation.is_empty(), &self.parent) {
                work.organisation = parent.organisation();
            }
            inbox.accept(&work).await
        };
        match accepted.await {
            Ok(Acceptance::Full) => Err(Error::retry_after(FULL, "the inbox is full")),
            Ok(Acceptance::Known(state))
                if is_named && !matches!(state, RowState::Behind | RowState::Waiting) =>
            {
                let (id, state) = (delivery.id(), state.as_str());
                tracing::warn!(event, id = id.as_deref(), state, "work of a known id is not stored again");
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(Error::retry("the inbox is down").because(error)),
        }
    }

    /// The work as a delivery, and whether the caller named it.
    fn delivery(&self, handler: &LaterHandler, mut body: Value) -> Result<(Delivery, bool), Error> {
        let not_an_object = || Error::permanent("the body of scheduled work is a JSON object");
        let text = body.to_string();
        let members = body.as_object_mut().ok_or_else(not_an_object)?;
        let is_named = Envelope::read(&text).is_ok_and(|envelope| envelope.delivery_id(&text).is_some());
        if !is_named {
            // An `id` that is none, like `null`, is the handler's to read.
            let field = if members.contains_key("id") { "delivery_id" } else { "id" };
            members.insert(field.to_owned(), self.id(handler, &text).into());
        }
        let text = JsonText::new(body.to_string().into()).map_err(|_| not_an_object())?;
        let services = Arc::clone(&self.services);
        let authentic = Authentic::restored(services.clock.unix_seconds(), None);
        let key = Arc::clone(&handler.key);
        let headers = Headers::default();
        Ok((Delivery::new(services, key, headers, text, authentic, after(Duration::ZERO)), is_named))
    }

    /// An id for work: the same in each attempt at the delivery that schedules it.
    fn id(&self, handler: &LaterHandler, body: &str) -> String {
        let Some(parent) = &self.parent else {
            return format!("work_{}", hex(&fastrand::u128(..).to_be_bytes()));
        };
        let mut key = String::new();
        parent.write_work_key(&mut key);
        let HandlerName { event, version } = handler.key.name();
        let parts = [key.as_bytes(), event.as_bytes(), version.as_bytes(), body.as_bytes()];
        let work: [u8; 32] = sha256_of_parts(parts).finalize().into();
        let scheduled = parent.get::<Scheduled>().unwrap_or_else(|| {
            parent.insert(Scheduled::default());
            parent.get().unwrap_or_default()
        });
        let mut scheduled = scheduled.0.lock();
        let times = scheduled.entry(work).or_default();
        let id = sha256_of_parts([&work[..], &times.to_be_bytes()[..]]).finalize();
        *times = times.wrapping_add(1);
        format!("work_{}", hex(id.get(..16).unwrap_or(&id)))
    }
}

/// The only `later` handler that `event` names.
fn handler<'h>(handlers: &'h [LaterHandler], event: &str) -> Result<&'h LaterHandler, Error> {
    let (name, version) = match event.split_once('@') {
        Some((name, version)) => {
            let version = version.parse::<EventVersion>();
            (name, Some(version.map_err(|error| Error::permanent(error.to_string()))?))
        }
        None => (event, None),
    };
    let mut found = handlers.iter().filter(|handler| {
        let HandlerKey { event, version: registered } = &*handler.key;
        event.as_str() == name && version.as_ref().is_none_or(|version| version.key() == registered.key())
    });
    match (found.next(), found.next()) {
        (Some(handler), None) => Ok(handler),
        (Some(_), Some(_)) => Err(Error::permanent(format!(
            "`{event}` has `later` handlers in several versions: name one, like `{event}@v1`"
        ))),
        (None, _) => Err(no_handler(event)),
    }
}

fn no_handler(event: &str) -> Error {
    Error::permanent(format!("there is no `later` handler of `{event}`"))
}

impl fmt::Debug for InboxHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboxHandle").field("parent", &self.parent).finish_non_exhaustive()
    }
}
