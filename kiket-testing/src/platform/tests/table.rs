//! Every row of the table of endpoints, asked over plain sockets.

use crate::platform::{
    table::{Access, ENDPOINTS, Endpoint},
    tests::*,
};

/// A path that the row's pattern matches.
fn path(row: &Endpoint) -> String {
    row.pattern.replace(['{', '}'], "")
}

/// Asks a row with these credentials; the status.
fn status(row: &Endpoint, credentials: &[(&'static str, &str)]) -> u16 {
    let bare = ask(row.method, &path(row)).without("Authorization").without("X-Kiket-API-Key");
    let asked = credentials.iter().fold(bare, |ask, (name, value)| ask.header(name, value));
    asked.send(&platform()).status
}

const TOKEN: (&str, &str) = ("Authorization", "Bearer kiket_test_token");
const KEY: (&str, &str) = ("X-Kiket-API-Key", "kiket_test_api_key");
const INGESTION: (&str, &str) = ("X-API-Key", "kiket_test_ingestion_key");
const ORGANIZATION: (&str, &str) = ("X-Organization-Id", "org_test");

#[test]
fn every_row_is_reached_and_wants_its_credentials() {
    for row in ENDPOINTS {
        let shown = format!("{} {}", row.method, row.pattern);
        let (right, lacking): (&[_], &[&[_]]) = match row.access {
            Access::Workspace => (&[TOKEN], &[&[], &[KEY], &[INGESTION, ORGANIZATION]]),
            Access::Extension => (&[KEY], &[&[], &[TOKEN], &[INGESTION, ORGANIZATION]]),
            Access::Ingestion => {
                (&[INGESTION, ORGANIZATION], &[&[], &[TOKEN, KEY], &[INGESTION], &[ORGANIZATION]])
            }
            Access::Open => (&[], &[]),
        };
        assert!(![401, 405, 429].contains(&status(row, right)), "{shown}");
        for lacking in lacking {
            assert_eq!(status(row, lacking), 401, "{shown} with {lacking:?}");
        }
        if row.access != Access::Open {
            for wrong in [TOKEN, KEY, INGESTION, ORGANIZATION, ("X-Kiket-Runtime-Token", "")] {
                let kept = right.iter().copied().filter(|(name, _)| *name != wrong.0);
                let wrong: Vec<_> = kept.chain([(wrong.0, "wrong")]).collect();
                assert_eq!(status(row, &wrong), 401, "{shown} with {wrong:?}");
            }
        }
    }
}

#[test]
fn every_row_is_the_first_that_its_path_and_method_name() {
    for (place, row) in ENDPOINTS.iter().enumerate() {
        let path = path(row);
        let segments: Vec<_> = path.split('/').skip(1).collect();
        let pattern = ENDPOINTS.iter().find(|row| pattern::arguments(row.pattern, &segments).is_some());
        assert_eq!(pattern.map(|found| found.pattern), Some(row.pattern), "hidden by another pattern");
        let same = |other: &Endpoint| (other.method, other.pattern) == (row.method, row.pattern);
        assert_eq!(ENDPOINTS.iter().position(same), Some(place), "{} {path} is there twice", row.method);
    }
}

#[test]
fn other_methods_are_refused_with_those_of_the_pattern() {
    for row in ENDPOINTS {
        let refused = ask("PUT", &path(row)).check(&platform(), 405);
        let rows = ENDPOINTS.iter().filter(|other| other.pattern == row.pattern);
        let methods: Vec<_> = rows.map(|row| row.method).collect();
        assert_eq!(refused.header("allow"), Some(&*methods.join(", ")), "{}", row.pattern);
    }
}

#[test]
fn every_pattern_is_absolute_and_names_no_argument_twice() {
    for row in ENDPOINTS {
        let names: Vec<_> = row.pattern.split('/').filter(|part| part.starts_with('{')).collect();
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert!(row.pattern.starts_with('/') && distinct.len() == names.len(), "{}", row.pattern);
    }
}
