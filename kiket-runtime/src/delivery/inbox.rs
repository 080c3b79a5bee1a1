//! The inbox as deliveries see it: what is accepted is sealed, and what is claimed is opened.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use tokio::sync::Notify;

use super::{
    members::value_at,
    stored::{StoredDelivery, StoredError},
};
use crate::{
    metrics::{InboxCounts, InboxRows, Page},
    store::{
        DedupeKey, StoreError,
        inbox::{
            Acceptance, ClaimedWork, HandlerName, Inbox, InboxCount, NewWork, RowState,
            seal::{OpenError, SealedFor, Sealer},
        },
    },
    types::{Clock, after, within},
};

/// How long it may take to store a delivery.
const ACCEPTING: Duration = Duration::from_secs(5);
/// How long it may take to count what it holds.
const COUNTING: Duration = Duration::from_secs(2);

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
    pub(crate) fn now(&self) -> Option<SystemTime> {
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
        let lane = placement.lane.and_then(|path| value_at(body, path));
        let (space, &Placement { blocks_lane, delay, .. }) = (self.space.clone(), placement);
        Ok(NewWork { space, key, handler, organisation, lane, blocks_lane, delay, content })
    }

    /// Stores work durably, and wakes a worker.
    pub(crate) async fn accept(&self, work: &NewWork) -> Result<Acceptance, StoreError> {
        let accepted = within(self.store.accept(work, self.now()), after(ACCEPTING)).await;
        let accepted = accepted.unwrap_or_else(|| Err(StoreError::new("it does not respond")));
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
        let counted = within(self.store.count(&self.space), after(COUNTING)).await;
        let counted = counted.unwrap_or_else(|| Err(StoreError::new("it does not respond")));
        let rows: Option<Vec<_>> = counted.as_ref().ok().map(|counts| {
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
