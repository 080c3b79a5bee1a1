//! The errors of SQLite, as those of a store: what is wrong, and what to change.

use std::io;

use rusqlite::{ErrorCode, ffi};

use crate::store::{StoreError, StoreErrorKind as Kind};

/// What SQLite reported. It has no value of a row, and each operation of a transaction gets it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what}")]
pub(super) struct Failure {
    code: ErrorCode,
    what: String,
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error_code().unwrap_or(ErrorCode::Unknown);
        let what = match error {
            rusqlite::Error::SqliteFailure(ffi::Error { extended_code, .. }, what) => {
                let what = what.unwrap_or_else(|| ffi::code_to_str(extended_code).to_owned());
                format!("{what} ({extended_code})")
            }
            other => other.to_string(),
        };
        Self { code, what }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                ErrorCode::PermissionDenied
            }
            io::ErrorKind::StorageFull => ErrorCode::DiskFull,
            _ => ErrorCode::CannotOpen,
        };
        Self::of(code, error.to_string())
    }
}

impl Failure {
    pub(super) fn of(code: ErrorCode, what: impl Into<String>) -> Self {
        Self { code, what: what.into() }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        let (what, mend) = match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => (
                "another process holds the lock of the inbox's file",
                "see that no program, like a shell or a backup, keeps a transaction on it open",
            ),
            ErrorCode::DiskFull => ("the disk of the inbox is full", "make room on it"),
            ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::AuthorizationForStatementDenied => (
                "the inbox's file cannot be written to",
                "let the user of this process write to the file and to its directory",
            ),
            ErrorCode::CannotOpen => (
                "the inbox's file cannot be opened",
                "see that its directory exists and this process may write to it; if the file was moved, put it back or restart",
            ),
            ErrorCode::DatabaseCorrupt => (
                "the inbox's file is damaged",
                "stop every process that uses it, and restore it, or save what `sqlite3 FILE .recover` finds",
            ),
            ErrorCode::NotADatabase => {
                ("the inbox's file is no inbox", "name another file in `KIKET_INBOX_URL`, or remove this one")
            }
            ErrorCode::SchemaChanged => {
                ("a newer version of kiket made the inbox's file", "run that version, or name another file")
            }
            ErrorCode::SystemIoFailure => {
                ("the inbox's file cannot be read or written", "see that its disk works")
            }
            _ => ("the inbox's file does not work", "see the cause"),
        };
        let kind = match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Kind::Unreachable,
            ErrorCode::DiskFull => Kind::Full,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::SchemaChanged => {
                Kind::Unreadable
            }
            _ => Kind::Refused,
        };
        StoreError::new(what).with_kind(kind).mend(mend).because(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_of_the_failure() {
        for (code, kind) in [
            (ErrorCode::DatabaseBusy, Kind::Unreachable),
            (ErrorCode::DiskFull, Kind::Full),
            (ErrorCode::ReadOnly, Kind::Refused),
            (ErrorCode::SchemaChanged, Kind::Unreadable),
        ] {
            assert_eq!(StoreError::from(Failure::of(code, "no")).kind(), kind, "{code:?}");
        }
    }
}
