//! Values as the tables have them: bounded texts without zero bytes, and times in milliseconds.

use std::{
    borrow::Cow,
    error::Error,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sha2::{Digest as _, Sha256};
use tokio_postgres::Row;

use crate::{
    store::{
        StoreError, StoreErrorKind,
        inbox::{Now, short},
    },
    types::hex,
};

/// The longest text of an index, in bytes. A row of an index of PostgreSQL has room for 2,700, and one has four such texts.
const LONGEST: usize = 256;

/// A text of an index: one that is too long, or that PostgreSQL cannot store, is there as its hash.
pub(super) fn indexed(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST && !text.contains('\0') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("#{}", hex(&Sha256::digest(text))))
}

/// An error as PostgreSQL can store it.
pub(super) fn error(text: &str) -> String {
    short(text).replace('\0', "\u{fffd}")
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).map_or(LATEST, |millis| millis.min(LATEST))
}

/// So many milliseconds that times can be added.
const LATEST: i64 = i64::MAX / 4;

/// A time in milliseconds since 1970; nothing stands for the server's.
pub(super) fn at(now: Now) -> Option<i64> {
    now.map(|now| millis(now.duration_since(UNIX_EPOCH).unwrap_or_default()))
}

pub(super) fn time(millis: i64) -> SystemTime {
    UNIX_EPOCH + duration(millis)
}

pub(super) fn duration(millis: i64) -> Duration {
    Duration::from_millis(millis.clamp(0, LATEST).unsigned_abs())
}

/// What makes a row unreadable: its columns, or the words in them.
pub(super) type Unreadable = Box<dyn Error + Send + Sync>;

/// The rows of a statement, by `one`.
pub(super) fn read<T>(
    rows: &[Row],
    one: impl Fn(&Row) -> Result<T, Unreadable>,
) -> Result<Vec<T>, StoreError> {
    rows.iter().map(one).collect::<Result<_, _>>().map_err(unknown)
}

fn unknown(why: impl Into<Unreadable>) -> StoreError {
    StoreError::new("PostgreSQL has a row of the inbox that this version did not write")
        .with_kind(StoreErrorKind::Unreadable)
        .mend("run `PostgresInbox::SCHEMA` of the newest version, and deploy that everywhere")
        .because(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_index_cannot_have_is_there_as_its_hash() {
        assert_eq!(indexed("acme"), "acme");
        let (long, zero) = ("x".repeat(257), "a\0");
        assert_eq!(indexed(&long).len(), 65);
        assert_ne!(indexed(zero), indexed("a"));
        assert!(!error(zero).contains('\0'));
    }

    #[test]
    fn times_are_whole_milliseconds_and_do_not_overflow() {
        let now = UNIX_EPOCH + Duration::from_micros(1_234_567);
        assert_eq!(at(Some(now)), Some(1_234));
        assert_eq!(time(1_234), UNIX_EPOCH + Duration::from_millis(1_234));
        assert_eq!(millis(Duration::MAX), LATEST);
        assert_eq!(duration(-1), Duration::ZERO);
        assert_eq!(at(None), None);
    }
}
