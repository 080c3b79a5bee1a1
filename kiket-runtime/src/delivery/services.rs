//! The services that all deliveries share, and the event and version of a handler.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::Arc,
};

#[cfg(feature = "inbox")]
use super::inbox::InboxService;
use super::tasks::Tasks;
#[cfg(feature = "inbox")]
use crate::store::inbox::HandlerName;
use crate::{
    client::Client,
    config::Settings,
    error::Classifiers,
    store::KeySpace,
    types::{Clock, EventName, EventVersion},
};

/// Event and version of a handler, as it was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HandlerKey {
    pub(crate) event: EventName,
    pub(crate) version: EventVersion,
}

#[cfg(feature = "inbox")]
impl HandlerKey {
    /// The handler as rows name it.
    pub(crate) fn name(&self) -> HandlerName {
        HandlerName::new(self.event.as_str(), self.version.as_str())
    }
}

/// The services that all deliveries of an extension share.
pub(crate) struct Services {
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) extension_id: Option<String>,
    /// The keys of its deliveries.
    pub(crate) keys: KeySpace,
    pub(crate) extension_version: Option<String>,
    pub(crate) settings: Settings,
    pub(crate) states: TypeMap,
    pub(crate) classifiers: Classifiers,
    /// What a graceful shutdown waits for besides deliveries.
    pub(crate) tasks: Tasks,
    /// Absent where no handler is `later`.
    #[cfg(feature = "inbox")]
    pub(crate) inbox: Option<Arc<InboxService>>,
    #[cfg(feature = "inbox")]
    pub(crate) later: Vec<LaterHandler>,
}

#[cfg(feature = "inbox")]
/// A `later` handler, as work for it is placed.
pub(crate) struct LaterHandler {
    pub(crate) key: Arc<HandlerKey>,
    pub(crate) lane: Option<String>,
    pub(crate) blocks_lane: bool,
}

/// Values by their type: the states of an extension, and the values that middleware inserts into a delivery.
#[derive(Default)]
pub(crate) struct TypeMap(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl TypeMap {
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: Arc<T>) {
        self.0.insert(TypeId::of::<T>(), value);
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.get(&TypeId::of::<T>()).and_then(|value| Arc::clone(value).downcast().ok())
    }

    pub(crate) fn contains(&self, id: TypeId) -> bool {
        self.0.contains_key(&id)
    }
}
