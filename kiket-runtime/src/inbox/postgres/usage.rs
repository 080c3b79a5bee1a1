//! How much a space has in the inbox, without counting at each delivery.

use std::{
    collections::HashMap,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::sleep};

use super::statements::USAGE;
use crate::{
    dedupe::postgres::{param::params, server::Server},
    types::Mutex,
};

/// Limits, and what each space has: as it was counted, and what this process has accepted since. It is counted again after a tenth
/// of the limit, and each second while it is full.
///
/// To count a long backlog takes a while. One count runs at a time, in the background, and few deliveries wait for it.
pub(super) struct Usage {
    rows: u64,
    bytes: u64,
    spaces: Arc<Mutex<HashMap<String, Space>>>,
    /// Changes when a count has ended.
    ended: watch::Sender<()>,
}

#[derive(Default)]
struct Space {
    counted: Option<Counted>,
    is_counting: bool,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    rows: u64,
    bytes: u64,
    /// What was accepted since.
    new: (u64, u64),
    at: Instant,
}

/// What stays full is not counted more often, nor what cannot be counted.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a delivery waits for a count.
const AWHILE: Duration = Duration::from_millis(500);
/// How long a count may take.
const COUNTING: Duration = Duration::from_secs(60);

impl Usage {
    pub(super) fn new(rows: u64, bytes: u64) -> Self {
        Self { rows, bytes, spaces: Arc::default(), ended: watch::Sender::new(()) }
    }

    /// Whether the space is full. What cannot be counted in a while is as it was, and has room at first.
    pub(super) async fn is_full(&self, server: &Server, space: &str) -> bool {
        let (known, begins, mut ended) = {
            let mut spaces = self.spaces.lock();
            match spaces.get(space).and_then(|of| of.counted) {
                Some(counted) if !self.is_old(counted) => return self.exceeds(counted),
                known => {
                    let of = spaces.entry(space.to_owned()).or_default();
                    (known, !mem::replace(&mut of.is_counting, true), self.ended.subscribe())
                }
            }
        };
        if begins {
            self.count(server, space, known.map_or((0, 0), |known| known.new));
        }
        if begins || known.is_none() {
            // Whether that is in time or not, what is known then counts.
            let _ = server.within(AWHILE, async move { ended.changed().await.is_ok() }).await;
        }
        let spaces = self.spaces.lock();
        spaces.get(space).and_then(|of| of.counted).is_some_and(|counted| self.exceeds(counted))
    }

    pub(super) fn add(&self, space: &str, bytes: usize) {
        if let Some(counted) = self.spaces.lock().get_mut(space).and_then(|of| of.counted.as_mut()) {
            counted.new.0 += 1;
            counted.new.1 += bytes as u64;
        }
    }

    fn exceeds(&self, counted: Counted) -> bool {
        counted.rows + counted.new.0 >= self.rows || counted.bytes + counted.new.1 >= self.bytes
    }

    fn is_old(&self, counted: Counted) -> bool {
        let (rows, bytes) = counted.new;
        rows > self.rows / 10
            || bytes > self.bytes / 10
            || (self.exceeds(counted) && ((rows, bytes) != (0, 0) || counted.at.elapsed() >= PAUSE))
    }

    /// Counts in the background. What was accepted after `before` may not be in it, and is added.
    fn count(&self, server: &Server, space: &str, before: (u64, u64)) {
        let (at, most) = (Instant::now(), i64::try_from(self.rows).unwrap_or(i64::MAX));
        let (spaces, ended, of) = (Arc::clone(&self.spaces), self.ended.clone(), space.to_owned());
        let counting =
            server.patient(COUNTING).step(params![space, most], |connections, params| async move {
                let row = connections.one(USAGE, &params).await?;
                Ok((row.try_get::<_, i64>(0)?, row.try_get::<_, i64>(1)?))
            });
        server.spawn(async move {
            let counted = counting.await;
            if let Err(error) = &counted {
                tracing::debug!(%error, "what the inbox has is not counted");
                let _ = ended.send(());
                sleep(PAUSE).await;
            }
            if let Some(space) = spaces.lock().get_mut(&of) {
                space.is_counting = false;
                if let Ok((rows, bytes)) = counted {
                    let (rows, bytes) = (rows.max(0).unsigned_abs(), bytes.max(0).unsigned_abs());
                    let now = space.counted.map_or((0, 0), |counted| counted.new);
                    let new = (now.0.saturating_sub(before.0), now.1.saturating_sub(before.1));
                    space.counted = Some(Counted { rows, bytes, new, at });
                }
            }
            let _ = ended.send(());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_counted_again_after_a_tenth_and_when_full() {
        let usage = Usage::new(100, 1000);
        let counted = |rows, new| Counted { rows, bytes: 0, new, at: Instant::now() };
        for (counted, full, old) in [
            (counted(0, (0, 0)), false, false),
            (counted(0, (11, 0)), false, true),
            (counted(0, (1, 101)), false, true),
            (counted(99, (0, 0)), false, false),
            (counted(99, (1, 0)), true, true),
            (counted(100, (0, 0)), true, false),
            (Counted { bytes: 1000, ..counted(0, (0, 0)) }, true, false),
        ] {
            assert_eq!((usage.exceeds(counted), usage.is_old(counted)), (full, old), "{counted:?}");
        }
    }

    /// A server that refuses connections.
    fn absent() -> Server {
        Server::new("postgres://u@127.0.0.1:1/d", &super::super::PURPOSE, 1).unwrap()
    }

    #[tokio::test]
    async fn what_cannot_be_counted_has_room_and_is_as_it_was() {
        let (server, usage) = (absent(), Usage::new(100, 1000));
        assert!(!usage.is_full(&server, "e").await, "the accepting says what is wrong");
        for rows in [50, 100] {
            let counted = Some(Counted { rows, bytes: 0, new: (30, 0), at: Instant::now() });
            usage.spaces.lock().insert("e".to_owned(), Space { counted, is_counting: false });
            assert_eq!(usage.is_full(&server, "e").await, rows == 100);
        }
    }

    #[tokio::test]
    async fn nothing_waits_for_a_count_that_another_one_began() {
        let (server, usage) = (absent(), Usage::new(1000, 100_000));
        let counted = Some(Counted { rows: 800, bytes: 0, new: (100, 0), at: Instant::now() });
        usage.spaces.lock().insert("e".to_owned(), Space { counted, is_counting: true });
        let from = Instant::now();
        for _ in 0..100 {
            assert!(!usage.is_full(&server, "e").await);
            usage.add("e", 1);
        }
        assert!(from.elapsed() < AWHILE, "a hundred waits would take 50 s");
        assert!(usage.is_full(&server, "e").await, "what was accepted meanwhile counts");
    }
}
