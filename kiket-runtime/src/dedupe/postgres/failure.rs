//! What the refusals of PostgreSQL mean: whether a retry may help, and advice for the log.

use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::error::SqlState;

use super::purpose::Purpose;
use crate::store::{StoreError, StoreErrorKind as Kind};

fn database(error: &PoolError) -> Option<&tokio_postgres::Error> {
    match error {
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => Some(error),
        _ => None,
    }
}

fn code(error: &PoolError) -> Option<&SqlState> {
    database(error).and_then(tokio_postgres::Error::code)
}

/// Whether the table is absent.
pub(super) fn lacks_table(error: &PoolError) -> bool {
    code(error) == Some(&SqlState::UNDEFINED_TABLE)
}

/// Whether a new connection may succeed: this one is lost, or its server shuts down, starts, is a replica now, has left the
/// connection in a broken transaction, or has lost or outdated its prepared statements.
pub(super) fn is_stale(error: &PoolError) -> bool {
    let stale = |code: &SqlState| {
        // 08: a connection failed, also that of a pooler; 57P: an operator intervened.
        code.code().starts_with("08")
            || code.code().starts_with("57P")
            || [
                SqlState::READ_ONLY_SQL_TRANSACTION,
                SqlState::IN_FAILED_SQL_TRANSACTION,
                SqlState::INVALID_SQL_STATEMENT_NAME,
                SqlState::DUPLICATE_PSTATEMENT,
                SqlState::FEATURE_NOT_SUPPORTED, // "cached plan must not change result type"
            ]
            .contains(code)
    };
    database(error).is_some_and(|error| error.is_closed() || error.code().is_some_and(stale))
}

/// Whether the server aborted the transaction in favour of another.
pub(super) fn is_conflict(error: &PoolError) -> bool {
    let conflicts = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
    code(error).is_some_and(|code| conflicts.contains(code))
}

/// The error for the log.
pub(crate) fn failed(error: PoolError, purpose: &Purpose) -> StoreError {
    let code = code(&error).map(SqlState::code);
    let (what, mend) = advice(code);
    let failed = StoreError::new(purpose.name(what)).with_kind(kind(code)).mend(purpose.name(mend));
    match error {
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
            failed.because(error)
        }
        error => failed.because(error),
    }
}

/// The kind of a refusal, by its SQLSTATE.
fn kind(code: Option<&str>) -> Kind {
    match code.map(|code| (code.get(..2).unwrap_or_default(), code)) {
        None | Some(("08" | "40" | "57", _) | (_, "25006" | "53300" | "55P03")) => Kind::Unreachable,
        Some(("53", _)) => Kind::Full,
        Some(_) => Kind::Refused,
    }
}

/// What a refusal means, and what to do about it, by its SQLSTATE; see [`Purpose::name`].
fn advice(code: Option<&str>) -> (&'static str, &'static str) {
    let Some(code) = code else {
        return ("PostgreSQL cannot be reached", "see that it runs, and that `{setting}` is its address");
    };
    match (code.get(..2).unwrap_or_default(), code) {
        (_, "42501") => (
            "PostgreSQL does not let the user use, or make, the table `{table}`",
            "run `{schema}` as a user who may, and grant SELECT, INSERT, UPDATE and DELETE",
        ),
        ("28", _) => (
            "PostgreSQL does not let the user in",
            "see that `{setting}` has the user and the password, and that `pg_hba.conf` allows them",
        ),
        (_, "3D000") => ("PostgreSQL has no such database", "see that `{setting}` ends in its name"),
        (_, "42P01") => ("PostgreSQL has no table `{table}`", "see that nothing drops it"),
        ("42", _) => (
            "the table `{table}` is not as this version needs it",
            "compare it with `{schema}`, or give the store a database of its own",
        ),
        (_, "25006") => (
            "PostgreSQL is read-only",
            "write the address of the primary, or of all servers: `postgres://user@first,second/name`",
        ),
        (_, "53300") => (
            "PostgreSQL takes no more connections",
            "raise `max_connections`, put a pooler before it, or run fewer processes: each has up to 24 for deduplication, and 33 for an inbox",
        ),
        ("53", _) => ("PostgreSQL is out of disk or memory", "give it more of what its message says"),
        ("08", _) => ("the connection to PostgreSQL fails", "see the log of the server, or of the pooler"),
        (_, "57014" | "55P03") => (
            "PostgreSQL gave the statement up, for it took too long",
            "see what holds locks on the table `{table}`, and its `statement_timeout`",
        ),
        ("57", _) => ("PostgreSQL is shutting down or starting", "wait until it runs"),
        _ => ("PostgreSQL refuses", "see its log"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_of_the_refusal() {
        #[track_caller]
        fn check(code: &str, expected: Kind, mend: &str) {
            assert!(advice(Some(code)).1.contains(mend), "{code}: {:?}", advice(Some(code)));
            assert_eq!(kind(Some(code)), expected, "{code}");
        }
        check("28P01", Kind::Refused, "the password");
        check("28000", Kind::Refused, "pg_hba.conf");
        check("42501", Kind::Refused, "grant SELECT");
        check("42703", Kind::Refused, "{schema}");
        check("25006", Kind::Unreachable, "the primary");
        check("53300", Kind::Unreachable, "max_connections");
        check("53100", Kind::Full, "more of what");
        check("57P03", Kind::Unreachable, "until it runs");
        check("57014", Kind::Unreachable, "locks");
        check("08P01", Kind::Unreachable, "the pooler");
        check("XX000", Kind::Refused, "its log");
        assert!(advice(None).0.contains("cannot be reached") && kind(None) == Kind::Unreachable);
    }
}
