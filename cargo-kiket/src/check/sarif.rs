//! The result as SARIF 2.1.0, the format of code scanning.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::report::{Places, Problem, Report, Severity};
use crate::explain;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
const PAGES: &str = "https://github.com/kiket-dev/kiket-rust-sdk/blob/main/docs/problems.md";

/// The log: one run, with a rule for each id that occurs.
pub(super) fn log(report: &Report, places: &Places) -> Value {
    let mut ids: Vec<&str> = report.problems.iter().map(|problem| problem.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let rules: Vec<_> = ids.iter().map(|id| rule(id)).collect();
    let index = |id: &str| ids.binary_search(&id).ok();
    let results: Vec<_> =
        report.problems.iter().map(|problem| result(problem, index(&problem.id), places)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "cargo-kiket",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(id: &str) -> Value {
    let title = explain::title(id).unwrap_or(id);
    json!({
        "id": id,
        "shortDescription": { "text": title },
        "helpUri": format!("{PAGES}#{}", id.to_ascii_lowercase()),
    })
}

fn result(problem: &Problem, rule: Option<usize>, places: &Places) -> Value {
    let level = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Unknown => "note",
    };
    let help = problem.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    let locations: Vec<_> = problem
        .place
        .iter()
        .map(|place| {
            let file = places.shown(&place.file);
            let mut location = json!({ "artifactLocation": { "uri": uri(&file) } });
            if place.line > 0 {
                location["region"] = json!({ "startLine": place.line });
                if place.column > 0 {
                    location["region"]["startColumn"] = place.column.into();
                }
                if let Some(excerpt) = &place.excerpt {
                    location["region"]["snippet"] = json!({ "text": excerpt });
                }
            }
            json!({ "physicalLocation": location })
        })
        .collect();
    json!({
        "ruleId": problem.id,
        "ruleIndex": rule,
        "level": level,
        "message": { "text": format!("{}{help}", problem.what) },
        "locations": locations,
    })
}

/// The path as a reference: what a URI does not take is percent-encoded; an absolute path is a `file` URI.
fn uri(path: &str) -> String {
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(byte.into());
            }
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_uri() {
        for (path, expected) in [
            ("src/main.rs", "src/main.rs"),
            ("/a b/ä.rs", "file:///a%20b/%C3%A4.rs"),
            ("a#b?c%", "a%23b%3Fc%25"),
        ] {
            assert_eq!(uri(path), expected);
        }
    }
}
