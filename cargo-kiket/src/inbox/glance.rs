//! A short look into the inbox for the console: how many rows there are in each state, and the last of them.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Sender, channel},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use kiket_runtime::inbox::{InboxCount, InboxFilter};

use super::{failed, place::Place};
use crate::{
    console::{Inbox, InboxRow, InboxState},
    exit::{Exit, Result},
};

/// Looks at the inbox in a thread, at most every second.
#[derive(Debug, Clone, Default)]
pub(crate) struct Glances(Arc<Mutex<Last>>);

#[derive(Debug, Default)]
struct Last {
    seen: Option<Inbox>,
    at: Option<Instant>,
    is_looking: bool,
}

/// How old what was seen may be.
const FRESH: Duration = Duration::from_secs(1);
/// How long one waits for it.
const PATIENCE: Duration = Duration::from_millis(500);
/// How many rows are seen.
const ROWS: usize = 500;

impl Glances {
    /// What is in the inbox of the configuration in the working folder; `None` where there is none, and where it does not
    /// respond.
    pub(crate) fn look(&self) -> Option<Inbox> {
        let (done, looked) = channel();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.at.is_none_or(|at| at.elapsed() > FRESH) && !last.is_looking {
            last.is_looking = true;
            let glances = self.clone();
            let _ = thread::Builder::new().name("kiket-inbox".to_owned()).spawn(move || glances.take(&done));
            drop(last);
            let _ = looked.recv_timeout(PATIENCE);
            last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        }
        last.seen.clone()
    }

    fn take(&self, done: &Sender<()>) {
        let seen = look().ok();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Last { seen, at: Some(Instant::now()), is_looking: false };
        let _ = done.send(());
    }
}

fn look() -> Result<Inbox> {
    let mut seen = Inbox::default();
    Place::default().open()?.run(async |inbox, space| {
        for InboxCount { state, rows, oldest, .. } in inbox.count(space).await.map_err(failed)? {
            match seen.states.iter_mut().find(|known| known.state == state.as_str()) {
                Some(known) => (known.rows, known.oldest) = (known.rows + rows, known.oldest.max(oldest)),
                None => seen.states.push(InboxState { state: state.as_str().to_owned(), rows, oldest }),
            }
        }
        let last = InboxFilter { space: space.to_owned(), limit: ROWS, ..InboxFilter::default() };
        let now = SystemTime::now();
        let rows = inbox.list(&last).await.map_err(failed)?.into_iter().map(|row| {
            // The key ends with that of the delivery (wire contract, delivery-key).
            let id = row.key.as_str().rsplit_once(":id:").map(|(_, id)| id.to_owned());
            InboxRow {
                delivery_id: id.unwrap_or_default(),
                state: row.state.as_str().to_owned(),
                age: now.duration_since(row.accepted_at).unwrap_or_default(),
                error: row.error,
            }
        });
        seen.rows = rows.collect();
        Ok(Exit::Done)
    })?;
    Ok(seen)
}
