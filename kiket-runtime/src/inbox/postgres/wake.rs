//! Wakes the workers of other processes.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

use super::statements::NOTIFY;
use crate::{
    dedupe::postgres::{param::params, server::Server},
    store::{LeaseToken, StoreError},
    types::Mutex,
};

/// What waits to be notified, by space.
#[derive(Default)]
pub(super) struct Wake {
    listening: AtomicBool,
    spaces: Arc<Mutex<HashMap<String, Arc<Notify>>>>,
    own: Origin,
}

/// Distinguishes the notifications of this inbox.
struct Origin(String);

impl Default for Origin {
    fn default() -> Self {
        Self(LeaseToken::unique().to_string())
    }
}

impl Wake {
    /// A statement of its own, so that no accepted row waits for the lock of the server's queue.
    pub(super) async fn notify(&self, server: &Server, space: &str) -> Result<(), StoreError> {
        server.all(NOTIFY, params![format!("{} {space}", self.own.0)]).await.map(drop)
    }

    pub(super) async fn notified(&self, server: &Server, space: &str) -> Result<(), StoreError> {
        let waiting = Arc::clone(self.spaces.lock().entry(space.to_owned()).or_default());
        if !self.listening.swap(true, Ordering::Relaxed) {
            let (spaces, own) = (Arc::clone(&self.spaces), self.own.0.clone());
            server.listen("kiket_inbox", move |payload| match payload.split_once(' ') {
                Some((origin, space)) if origin != own => {
                    spaces.lock().get(space).inspect(|waiting| waiting.notify_one());
                }
                Some(_) => {}
                // It listens from now on.
                None => spaces.lock().values().for_each(|waiting| waiting.notify_one()),
            });
        }
        waiting.notified().await;
        Ok(())
    }
}
