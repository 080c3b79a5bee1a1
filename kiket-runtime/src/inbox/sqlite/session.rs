//! A connection with its prepared statements, the time, and what is left of the limits.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, ErrorCode, Statement};

use super::{failure::Failure, open::File};
use crate::{
    store::{LONGEST, inbox::Now},
    types::Clock,
};

/// The session of a thread.
pub(super) struct Session<'c> {
    pub(super) connection: &'c Connection,
    prepared: HashMap<&'static str, Statement<'c>>,
    file: &'c File,
    /// Of the file that is open.
    identity: Option<(u64, u64)>,
    /// What may still be accepted in this transaction; unknown until it is asked for.
    room: Option<Room>,
}

/// Rows and bytes.
#[derive(Clone, Copy)]
struct Room {
    rows: i64,
    bytes: i64,
}

impl<'c> Session<'c> {
    pub(super) fn new(connection: &'c Connection, file: &'c File) -> Self {
        Self { connection, prepared: HashMap::new(), file, identity: file.identity(), room: None }
    }

    /// The statement, prepared once.
    pub(super) fn statement(&mut self, sql: &'static str) -> rusqlite::Result<&mut Statement<'c>> {
        #[cfg(feature = "internals")]
        self.file.statements.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(match self.prepared.entry(sql) {
            Entry::Occupied(prepared) => prepared.into_mut(),
            Entry::Vacant(absent) => absent.insert(self.connection.prepare(sql)?),
        })
    }

    /// Checks that the file was not removed: what is written there, nothing would find again.
    pub(super) fn check_file(&self) -> Result<(), Failure> {
        if self.file.identity() == self.identity {
            return Ok(());
        }
        Err(Failure::of(ErrorCode::CannotOpen, "it was removed or replaced while it was open"))
    }

    /// Begins a transaction that may write.
    pub(super) fn begin(&mut self) -> Result<(), Failure> {
        self.room = None;
        self.statement("BEGIN IMMEDIATE")?.execute([])?;
        Ok(())
    }

    /// Measures again, since an operation is undone.
    pub(super) fn forget_room(&mut self) {
        self.room = None;
    }

    /// Takes room for a row, if there is some.
    pub(super) fn take_room(&mut self, bytes: i64) -> rusqlite::Result<bool> {
        let left = match self.room {
            Some(left) => left,
            None => self.measure()?,
        };
        let left = Room { rows: left.rows - 1, bytes: left.bytes - bytes };
        let is_enough = left.rows >= 0 && left.bytes >= 0;
        if is_enough {
            self.room = Some(left);
        }
        Ok(is_enough)
    }

    fn measure(&mut self) -> rusqlite::Result<Room> {
        let limits = self.file.options;
        let used = self
            .statement("SELECT coalesce(sum(rows), 0), coalesce(sum(bytes), 0) FROM tally WHERE state < 7")?;
        let (rows, bytes): (i64, i64) = used.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let room = Room { rows: whole(limits.rows) - rows, bytes: whole(limits.bytes) - bytes };
        let room = if self.file.has_room() { room } else { Room { rows: 0, bytes: 0 } };
        self.room = Some(room);
        Ok(room)
    }
}

/// A number as SQLite has it.
pub(super) fn whole(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// Milliseconds since 1970.
pub(super) fn millis(now: Now) -> i64 {
    let now = now.unwrap_or_else(|| Clock::system().now());
    now.duration_since(UNIX_EPOCH).map_or(0, |since| whole(since.as_millis()))
}

/// The time after `duration`.
pub(super) fn after(now: i64, duration: Duration) -> i64 {
    now.saturating_add(whole(duration.min(LONGEST).as_millis()))
}

/// The time of so many milliseconds since 1970.
pub(super) fn time(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis.max(0).unsigned_abs()).min(LONGEST * 1_000)
}
