//! How much a space has in the inbox, without counting at each delivery.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_postgres::types::Type;

use super::statements::USAGE;
use crate::{dedupe::postgres::server::Server, store::StoreError, types::Mutex};

/// Limits, and what each space has: as it was counted, and what this process has accepted since. It is counted again after a tenth
/// of the limit, and each second while it is full.
pub(super) struct Usage {
    rows: u64,
    bytes: u64,
    spaces: Mutex<HashMap<String, Counted>>,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    rows: u64,
    bytes: u64,
    /// What was accepted since.
    new: (u64, u64),
    at: Instant,
}

/// What stays full is not counted more often.
const PAUSE: Duration = Duration::from_secs(1);

impl Usage {
    pub(super) fn new(rows: u64, bytes: u64) -> Self {
        Self { rows, bytes, spaces: Mutex::default() }
    }

    pub(super) async fn is_full(&self, server: &Server, space: &str) -> Result<bool, StoreError> {
        let known = self.spaces.lock().get(space).copied();
        let counted = match known {
            Some(counted) if !self.is_old(counted) => counted,
            _ => self.count(server, space).await?,
        };
        Ok(self.exceeds(counted))
    }

    pub(super) fn add(&self, space: &str, bytes: usize) {
        if let Some(counted) = self.spaces.lock().get_mut(space) {
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

    async fn count(&self, server: &Server, space: &str) -> Result<Counted, StoreError> {
        let at = Instant::now();
        let (most, name) = (i64::try_from(self.rows).unwrap_or(i64::MAX), Arc::<str>::from(space));
        let counting = server.step(move |connections| {
            let name = Arc::clone(&name);
            async move {
                let row = connections.one(USAGE, &[(&&*name, Type::TEXT), (&most, Type::INT8)]).await?;
                Ok((row.try_get::<_, i64>(0)?, row.try_get::<_, i64>(1)?))
            }
        });
        let (rows, bytes) = counting.await?;
        let counted =
            Counted { rows: rows.max(0).unsigned_abs(), bytes: bytes.max(0).unsigned_abs(), new: (0, 0), at };
        self.spaces.lock().insert(space.to_owned(), counted);
        Ok(counted)
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
}
