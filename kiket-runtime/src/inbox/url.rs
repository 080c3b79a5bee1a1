//! The inbox that a URL names.

use std::sync::Arc;

use super::{limits::InboxLimits, sqlite::SqliteInbox};
use crate::store::{StoreError, StoreErrorKind, inbox::Inbox};

/// The inbox at a URL, as in `KIKET_INBOX_URL`. It opens nothing; [`Inbox::check`] does.
///
/// ```text
/// sqlite:inbox.db            a file, relative to the working directory
/// sqlite:/var/lib/app/inbox.db
/// sqlite::memory:            for tests
/// postgres://user:password@host:5432/name
/// ```
///
/// ```
/// use kiket_runtime::inbox::{InboxLimits, inbox_from_url};
///
/// assert!(inbox_from_url("sqlite:inbox.db", InboxLimits::default()).is_ok());
/// assert!(inbox_from_url("mysql://localhost", InboxLimits::default()).is_err());
/// ```
///
/// # Errors
///
/// When the URL is of no known form, or of an inbox that this program was built without. The error does not show the URL, which
/// may have a password.
pub fn inbox_from_url(url: &str, limits: InboxLimits) -> Result<Arc<dyn Inbox>, StoreError> {
    opened(url, limits).map_err(|error| error.with_kind(StoreErrorKind::Refused))
}

fn opened(url: &str, limits: InboxLimits) -> Result<Arc<dyn Inbox>, StoreError> {
    match url.split_once(':') {
        Some(("sqlite", ":memory:")) => Ok(Arc::new(SqliteInbox::in_memory(limits))),
        Some(("sqlite", path)) => {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.ends_with('/') || path.contains(['?', '\0']) {
                let error = StoreError::new("the address of the inbox has no file");
                return Err(error.mend("write it like `sqlite:inbox.db`, without parameters"));
            }
            Ok(Arc::new(SqliteInbox::new(path, limits)?))
        }
        Some(("postgres" | "postgresql", _)) => postgres(url, limits),
        _ => Err(StoreError::new("the address of the inbox is not one of an inbox that there is")
            .mend("write `sqlite:inbox.db` or `postgres://user@host/name`")),
    }
}

#[cfg(feature = "postgres")]
fn postgres(url: &str, limits: InboxLimits) -> Result<Arc<dyn Inbox>, StoreError> {
    Ok(Arc::new(super::postgres::PostgresInbox::new(url)?.limits(limits.rows, limits.bytes)))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str, _: InboxLimits) -> Result<Arc<dyn Inbox>, StoreError> {
    let error = StoreError::new("the inbox is in PostgreSQL, which this program was built without");
    Err(error
        .mend("switch the feature `postgres` of `kiket` on: `cargo add kiket --features inbox,postgres`"))
}

/// The SQL of the tables of the inbox that a URL names.
///
/// # Errors
///
/// As of [`inbox_from_url`].
pub fn schema(url: &str) -> Result<&'static str, StoreError> {
    inbox_from_url(url, InboxLimits::default())?;
    #[cfg(feature = "postgres")]
    if url.starts_with("postgres") {
        return Ok(super::postgres::PostgresInbox::SCHEMA);
    }
    Ok(SqliteInbox::SCHEMA)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(url: &str) -> String {
        let read = inbox_from_url(url, InboxLimits::default());
        let error = read.err().unwrap_or_else(|| panic!("{url} is read"));
        assert_eq!(error.kind(), StoreErrorKind::Refused, "{url}");
        error.to_string()
    }

    #[test]
    fn a_url_that_is_none_is_not_shown() {
        for url in ["", "canary", "canary.db", "mysql://u:canary@host/db", "SQLITE:canary"] {
            let error = error(url);
            assert!(error.contains("`sqlite:inbox.db`") && !error.contains("canary"), "{error}");
        }
        for url in ["sqlite:", "sqlite://", "sqlite:canary/", "sqlite:canary?mode=ro", "sqlite:canary\0"] {
            let error = error(url);
            assert!(error.contains("has no file") && !error.contains("canary"), "{error}");
        }
    }
}
