//! The store that a URL names.

use std::sync::Arc;

use super::memory::MemoryStore;
use crate::error::{Problem, ProblemId};
use crate::store::DedupeStore;

/// The store at a URL, as in `KIKET_DEDUPE_URL`. It does not connect; [`DedupeStore::check`] does.
///
/// ```text
/// memory:
/// redis://user:password@host:6379/0         rediss:// with TLS, redis+unix:///path for a socket
/// postgres://user:password@host:5432/name   ?sslmode=require with TLS, ?host=/path for a socket
/// ```
///
/// ```
/// use kiket_runtime::dedupe::store_from_url;
///
/// assert!(store_from_url("memory:").is_ok());
/// assert!(store_from_url("mysql://localhost").is_err());
/// ```
///
/// # Errors
///
/// When the URL is of no known form, or of a store that this program was built without. The error does not show the URL,
/// which may have a password.
pub fn store_from_url(url: &str) -> Result<Arc<dyn DedupeStore>, Problem> {
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Arc::new(MemoryStore::new())),
        Some(("redis" | "rediss" | "redis+unix", _)) => redis(url),
        Some(("postgres" | "postgresql", _)) => postgres(url),
        _ => Err(Problem::new(
            ProblemId::DedupeUrl,
            "the address of the deduplication store is not one of a store that there is",
        )
        .mend(
            "write `memory:`, `redis://host:6379`, `rediss://host:6379`, `redis+unix:///path` or \
             `postgres://user@host/name`",
        )),
    }
}

#[cfg(feature = "redis")]
fn redis(url: &str) -> Result<Arc<dyn DedupeStore>, Problem> {
    let store = crate::dedupe::redis::RedisStore::new(url);
    Ok(Arc::new(store.map_err(|error| error.into_problem(ProblemId::DedupeUrl))?))
}

#[cfg(feature = "postgres")]
fn postgres(url: &str) -> Result<Arc<dyn DedupeStore>, Problem> {
    let store = crate::dedupe::postgres::PostgresStore::new(url);
    Ok(Arc::new(store.map_err(|error| error.into_problem(ProblemId::DedupeUrl))?))
}

#[cfg(not(feature = "redis"))]
fn redis(_: &str) -> Result<Arc<dyn DedupeStore>, Problem> {
    Err(built_without("Redis", "redis"))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str) -> Result<Arc<dyn DedupeStore>, Problem> {
    Err(built_without("PostgreSQL", "postgres"))
}

#[cfg(not(all(feature = "postgres", feature = "redis")))]
fn built_without(store: &str, feature: &str) -> Problem {
    let what = format!("the deduplication store is in {store}, which this program was built without");
    let mend =
        format!("switch the feature `{feature}` of `kiket` on: `cargo add kiket --features {feature}`");
    Problem::new(ProblemId::DedupeFeature, what).mend(mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_is_none_is_not_shown() {
        for url in ["", "memory", "memory:x", "canary", "mysql://u:canary@host/db", "REDIS://canary"] {
            let problem = store_from_url(url).err().unwrap().to_string();
            assert!(problem.contains("`redis://host:6379`") && !problem.contains("canary"), "{problem}");
        }
    }

    #[cfg(not(feature = "redis"))]
    #[test]
    fn a_store_that_is_not_built_in_names_its_feature() {
        let problem = store_from_url("redis://:canary@host").err().unwrap();
        assert_eq!(
            problem.to_string(),
            "the deduplication store is in Redis, which this program was built without\n   = help: switch the \
             feature `redis` of `kiket` on: `cargo add kiket --features redis`\n"
        );
    }

    #[cfg(all(feature = "postgres", feature = "redis"))]
    #[test]
    fn a_url_that_cannot_be_read_is_not_shown() {
        for url in [
            "redis://:canary@",
            "redis://canary:canary@host:port",
            "redis://host/canary",
            "redis+unix:",
            "postgres://u:canary@host:port/db",
            "postgres://u:canary@host/db?canary=1",
            "postgres://u:canary@host/db?sslmode=canary",
        ] {
            let problem = store_from_url(url).err().unwrap_or_else(|| panic!("{url} is read")).to_string();
            assert!(problem.contains("help") && !problem.contains("canary"), "{url}: {problem}");
        }
    }
}
