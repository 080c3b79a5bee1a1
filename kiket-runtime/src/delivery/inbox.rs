//! The inbox as deliveries see it: what is accepted is sealed, and what is claimed is opened.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{sync::Notify, time::Instant};

use super::{
    members::value_at,
    stored::{StoredDelivery, StoredError},
};
use crate::{
    metrics::{InboxCounts, InboxRows, Page},
    store::{
        DedupeKey, StoreError,
        inbox::{
            Acceptance, ClaimedWork, HandlerName, Inbox, InboxCount, NewWork, Now, RowState,
            seal::{OpenError, SealedFor, Sealer},
        },
    },
    types::{Clock, Mutex, after, within},
};

/// How long it may take to store a delivery.
const ACCEPTING: Duration = Duration::from_secs(5);
/// How long a page of metrics waits for a count of what it holds.
const COUNTING: Duration = Duration::from_secs(2);
/// How old the count before may be that a page shows where a count takes longer.
const STALE: Duration = Duration::from_secs(120);

/// The inbox of an extension.
pub(crate) struct InboxService {
    pub(crate) store: Arc<dyn Inbox>,
    pub(crate) sealer: Sealer,
    /// Whether secrets and tokens are stored; without them they are cut out first.
    pub(crate) with_secrets: bool,
    /// What its rows are in.
    pub(crate) space: String,
    pub(crate) clock: Clock,
    /// Wakes the workers of this process.
    pub(crate) woken: Notify,
    pub(crate) counts: InboxCounts,
    pub(crate) last: Arc<LastCount>,
}

/// What the inbox held when it was counted last. One count runs at a time: that of a long backlog takes a while.
#[derive(Default)]
pub(crate) struct LastCount {
    rows: Mutex<Option<(Instant, Vec<InboxCount>)>>,
    running: Arc<tokio::sync::Mutex<()>>,
}

/// Why a row cannot be worked on by this build.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnreadableWork {
    #[error(transparent)]
    Sealed(#[from] OpenError),
    #[error(transparent)]
    Stored(#[from] StoredError),
}

/// Where and when a delivery is worked on.
pub(crate) struct Placement<'p> {
    /// The path of the lane in the body.
    pub(crate) lane: Option<&'p str>,
    pub(crate) blocks_lane: bool,
    pub(crate) delay: Duration,
}

impl InboxService {
    /// The virtual time of tests; in production the inbox has its own clock.
    pub(crate) fn now(&self) -> Now {
        self.clock.virtual_now()
    }

    /// The work of `handler` at a delivery: `content` is what [`StoredDelivery`] reads, and `body` its body.
    pub(crate) fn work(
        &self,
        key: DedupeKey,
        handler: HandlerName,
        content: &[u8],
        placement: &Placement<'_>,
        organisation: String,
        body: &str,
    ) -> Result<NewWork, StoreError> {
        let row = SealedFor { space: &self.space, key: &key, handler: &handler };
        let content = Bytes::from(self.sealer.seal(row, content)?);
        // One number may be that of an issue and of a project.
        let lane = placement.lane.and_then(|path| Some(format!("{path}={}", value_at(body, path)?)));
        let (space, &Placement { blocks_lane, delay, .. }) = (self.space.clone(), placement);
        Ok(NewWork { space, key, handler, organisation, lane, blocks_lane, delay, content })
    }

    /// Stores work durably, and wakes a worker.
    pub(crate) async fn accept(&self, work: &NewWork) -> Result<Acceptance, StoreError> {
        let accepted = within(self.store.accept(work, self.now()), after(ACCEPTING)).await;
        let accepted = accepted.unwrap_or_else(|| Err(StoreError::too_slow("it", ACCEPTING)));
        let counted = match &accepted {
            Ok(Acceptance::Accepted(_)) => {
                self.woken.notify_one();
                &self.counts.accepted
            }
            Ok(Acceptance::Known(_)) => &self.counts.known,
            Ok(Acceptance::Full) => &self.counts.full,
            Err(_) => &self.counts.accept_errors,
        };
        counted.add();
        accepted
    }

    /// Writes what is counted of the inbox, and what it holds.
    pub(crate) async fn write(&self, page: &mut Page) {
        if let Ok(running) = Arc::clone(&self.last.running).try_lock_owned() {
            let (store, space, last) = (Arc::clone(&self.store), self.space.clone(), Arc::clone(&self.last));
            let counting = tokio::spawn(async move {
                let counted = store.count(&space).await;
                *last.rows.lock() = counted.ok().map(|counts| (Instant::now(), counts));
                drop(running);
            });
            // If it takes longer, the page shows the count before.
            let _ = within(counting, after(COUNTING)).await;
        }
        let last = self.last.rows.lock().clone().filter(|(at, _)| at.elapsed() < STALE);
        let rows: Option<Vec<_>> = last.as_ref().map(|(_, counts)| {
            let row = |count: &'_ InboxCount| InboxRows {
                event: count.handler.event.clone(),
                version: count.handler.version.clone(),
                state: count.state.as_str(),
                rows: count.rows,
                oldest: (!matches!(count.state, RowState::Done | RowState::Dead)).then_some(count.oldest),
            };
            counts.iter().map(row).collect()
        });
        self.counts.write(page, rows.as_deref());
    }

    /// The delivery of a claimed row.
    pub(crate) fn open(&self, work: &ClaimedWork) -> Result<StoredDelivery, UnreadableWork> {
        let row = SealedFor { space: &self.space, key: &work.key, handler: &work.handler };
        Ok(StoredDelivery::read(&self.sealer.open(row, &work.content)?)?)
    }
}
