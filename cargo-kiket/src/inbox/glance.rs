//! A short look into the inbox for the console: how many rows there are in each state, and the last of them.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use kiket_runtime::inbox::{InboxCount, InboxFilter, Redrive, RowId, RowState};

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
/// How many rows of a state are seen.
const ROWS: usize = 200;
/// How many rows are moved on at once, and over how long their attempts are spread.
const MOVED: (usize, Duration) = (100, Duration::from_secs(10));

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

    /// Moves rows on: a dead one waits again, one that waits is due now; without a number all dead ones are meant. The next
    /// look sees it.
    pub(crate) fn move_on(&self, row: Option<i64>) -> Result<u64> {
        let moved = move_on(row);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).at = None;
        moved
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
        seen.states.sort_by_key(|known| known.state.parse::<RowState>().ok());
        // Those that ended well may be many, and come last.
        for state in [RowState::Dead, RowState::Running, RowState::Waiting, RowState::Behind, RowState::Done]
        {
            let filter = InboxFilter::new(space).state(state).limit(ROWS);
            seen.rows.extend(inbox.list(&filter).await.map_err(failed)?.into_iter().map(|row| {
                // The key ends with that of the delivery (wire contract, delivery-key).
                let id = row.key.as_str().rsplit_once(":id:").map(|(_, id)| id.to_owned());
                InboxRow {
                    id: row.id.0,
                    event: row.handler.event,
                    delivery_id: id.unwrap_or_default(),
                    state: row.state.as_str().to_owned(),
                    accepted: row.accepted_at,
                    attempts: row.attempts,
                    due: (row.state == RowState::Waiting).then_some(row.at),
                    error: row.error,
                }
            }));
        }
        Ok(Exit::Done)
    })?;
    Ok(seen)
}

fn move_on(row: Option<i64>) -> Result<u64> {
    let mut moved = 0;
    Place::default().open()?.run(async |inbox, space| {
        let (limit, spread) = MOVED;
        let filter = InboxFilter::new(space).id(row.map(RowId)).limit(limit);
        let spread = if row.is_some() { Duration::ZERO } else { spread };
        let redrive = Redrive::new(filter, spread);
        moved = inbox.redrive(&redrive, None).await.map_err(failed)?;
        if row.is_some() && moved == 0 {
            moved = inbox.hurry(&redrive.filter, None).await.map_err(failed)?;
        }
        Ok(Exit::Done)
    })?;
    Ok(moved)
}
