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
    store::{
        DedupeKey, StoreError,
        inbox::{
            ClaimedWork, HandlerName, Inbox, NewWork,
            seal::{OpenError, SealedFor, Sealer},
        },
    },
    types::Clock,
};

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

    /// The delivery of a claimed row.
    pub(crate) fn open(&self, work: &ClaimedWork) -> Result<StoredDelivery, UnreadableWork> {
        let row = SealedFor { space: &self.space, key: &work.key, handler: &work.handler };
        Ok(StoredDelivery::read(&self.sealer.open(row, &work.content)?)?)
    }
}
