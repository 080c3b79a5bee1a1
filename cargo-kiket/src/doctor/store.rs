//! The deduplication store: whether it can be reached and written to, and the settings of PostgreSQL.

use std::{collections::BTreeMap, time::Duration};

use kiket_runtime::{
    Secret,
    dedupe::{StoreError, store_from_url},
};

use tokio::runtime::Runtime;

use super::finding::{Finding, State};

const ID: &str = "dedupe";

/// How long a store may take in all.
const DEADLINE: Duration = Duration::from_secs(30);

/// Examines the store of `KIKET_DEDUPE_URL`.
pub(super) fn examine(url: Option<&Secret>) -> Vec<Finding> {
    let Some(url) = url else {
        let found = "deliveries are deduplicated in the memory of the process: not after a restart, and not by a second process";
        return vec![Finding { fix: None, ..Finding::ok(ID, found) }];
    };
    let runtime = match runtime(ID) {
        Ok(runtime) => runtime,
        Err(finding) => return vec![finding],
    };
    let store = match store_from_url(url.expose()) {
        Err(problem) => return vec![Finding::of(ID, State::Fix, &problem)],
        Ok(store) => store,
    };
    let mut findings = vec![checked(ID, "the store", &runtime, store.check())];
    findings.extend(postgres("postgres", &runtime, url));
    findings
}

/// What asks a store.
pub(super) fn runtime(id: &'static str) -> Result<Runtime, Finding> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Finding::fix(id, format!("no store can be asked: {error}"), "see the log of the system")
    })
}

/// How the check of a store ended.
pub(super) fn checked(
    id: &'static str,
    what: &str,
    runtime: &Runtime,
    check: impl Future<Output = Result<(), StoreError>>,
) -> Finding {
    match runtime.block_on(async { tokio::time::timeout(DEADLINE, check).await }) {
        Ok(Ok(())) => Finding::ok(id, format!("{what} can be reached, and written to")),
        Ok(Err(error)) => refused(id, &error),
        Err(_) => late(id, what),
    }
}

/// The settings of a PostgreSQL, if the URL is one.
pub(super) fn postgres(id: &'static str, runtime: &Runtime, url: &Secret) -> Vec<Finding> {
    #[cfg(feature = "postgres")]
    if url.expose().starts_with("postgres") {
        let asked = kiket_runtime::internals::postgres_settings(url.expose());
        return match runtime.block_on(async { tokio::time::timeout(DEADLINE, asked).await }) {
            Ok(Ok((settings, has_sessions))) => {
                judged(id, &serde_json::from_str(&settings).unwrap_or_default(), has_sessions)
            }
            // It does not respond at all, which is known by now.
            Ok(Err(_)) => Vec::new(),
            Err(_) => vec![late(id, "PostgreSQL")],
        };
    }
    let _ = (id, runtime, url);
    Vec::new()
}

fn late(id: &'static str, what: &str) -> Finding {
    Finding::fix(id, format!("{what} did not respond within {} s", DEADLINE.as_secs()), "see that it runs")
}

pub(super) fn refused(id: &'static str, error: &StoreError) -> Finding {
    // The cause names what the server said; a store keeps passwords out of it.
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let fix = error.how_to_mend().unwrap_or("see the log of the server");
    Finding::fix(id, format!("{}{cause}", error.what()), fix)
}

/// Judges the settings of PostgreSQL.
#[cfg_attr(not(feature = "postgres"), allow(dead_code))]
fn judged(id: &'static str, settings: &BTreeMap<String, String>, has_sessions: bool) -> Vec<Finding> {
    let is = |name: &str, value: &str| settings.get(name).is_some_and(|found| found == value);
    let mut findings = Vec::new();
    if is("in_recovery", "true") {
        findings.push(Finding::fix(
            id,
            "it is a replica, and read-only",
            "write the address of the primary, or of all servers: `postgres://user@first,second/name`",
        ));
    } else if is("default_transaction_read_only", "on") {
        findings.push(Finding::fix(
            id,
            "transactions are read-only (`default_transaction_read_only`)",
            "set it off for the database and for the user of the extension",
        ));
    }
    if settings
        .get("server_version_num")
        .and_then(|text| text.parse::<u32>().ok())
        .is_some_and(|number| number < 120_000)
    {
        findings.push(Finding::fix(id, "it is older than PostgreSQL 12", "take a later one"));
    }
    for (name, what) in
        [("fsync", "loses replies, or the database"), ("full_page_writes", "may damage the database")]
    {
        if is(name, "off") {
            let found = format!("`{name}` is off: a crash of its machine {what}");
            findings.push(Finding::warn(id, found, format!("set `{name} = on`")));
        }
    }
    if is("synchronous_commit", "off") {
        findings.push(Finding::warn(
            id,
            "`synchronous_commit` is off: a crash loses the last replies and ends, and their deliveries run again",
            "set it on for the user of the extension: `ALTER ROLE … SET synchronous_commit = on`",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(id, "it is a primary, and syncs what it commits"));
    }
    if !has_sessions {
        findings.push(Finding::ok(
            id,
            "connections have no sessions of their own, as behind a transaction pooler (or TLS hides that they have): this works, \
             without prepared statements",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_lose_replies_are_named() {
        #[track_caller]
        fn check(settings: &[(&str, &str)], has_sessions: bool, expected: &[(State, &str)]) {
            let settings =
                settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let found = judged("postgres", &settings, has_sessions);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (finding, (state, text)) in found.iter().zip(expected) {
                assert!(finding.state == *state && finding.found.contains(text), "{found:?}");
            }
        }
        let good = [
            ("in_recovery", "false"),
            ("fsync", "on"),
            ("server_version_num", "160002"),
            ("synchronous_commit", "on"),
        ];
        check(&good, true, &[(State::Ok, "a primary")]);
        check(&good, false, &[(State::Ok, "a primary"), (State::Ok, "pooler")]);
        check(
            &[("in_recovery", "true"), ("default_transaction_read_only", "on")],
            true,
            &[(State::Fix, "a replica")],
        );
        check(&[("default_transaction_read_only", "on")], true, &[(State::Fix, "read-only")]);
        check(&[("server_version_num", "110022")], true, &[(State::Fix, "PostgreSQL 12")]);
        check(
            &[("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off")],
            true,
            &[
                (State::Warn, "`fsync`"),
                (State::Warn, "`full_page_writes`"),
                (State::Warn, "`synchronous_commit`"),
            ],
        );
    }
}
