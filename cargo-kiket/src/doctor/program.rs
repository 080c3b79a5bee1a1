//! The program of the extension at hand: whether it has all its handlers.

use std::path::Path;

use kiket_runtime::error::ProblemId;
use serde::Deserialize;
use serde_json::Value;

use super::finding::{Finding, State};
use crate::extension::Target;

const ID: &str = "handlers";

/// The problem of a crate whose handlers the linker left out.
const LOST_HANDLERS: &str = ProblemId::LostHandlers.as_str();

/// Builds the program and asks it, where there is one.
pub(super) fn examine(target: &Target) -> Finding {
    if !target.is_named() && !Path::new("Cargo.toml").exists() {
        let fix = "go to the folder of the extension, or name its package with `--package`";
        return Finding::unknown(ID, "not looked at: there is no `Cargo.toml` here", fix);
    }
    match target.build().and_then(|program| program.ask("check")) {
        Ok((_, answer)) => judged(&answer),
        Err(error) => {
            let fix = error.help.unwrap_or_else(|| "see what cargo says".to_owned());
            Finding::unknown(ID, format!("not looked at: {}", error.what), fix)
        }
    }
}

/// What a program says to `kiket check --json`, as far as it is needed here.
#[derive(Deserialize)]
struct Answer {
    problems: Vec<Reported>,
}

#[derive(Deserialize)]
struct Reported {
    id: String,
    severity: String,
    what: String,
    help: Option<String>,
}

fn judged(answer: &Value) -> Finding {
    let Ok(Answer { problems }) = Answer::deserialize(answer) else {
        let found = "not looked at: the program has a version of kiket that this tool does not know";
        return Finding::unknown(ID, found, "take the tool and kiket of one version");
    };
    let count = |severity: &str| problems.iter().filter(|problem| problem.severity == severity).count();
    if let Some(lost) = problems.iter().find(|problem| problem.id == LOST_HANDLERS) {
        let state = if lost.severity == "error" { State::Fix } else { State::Warn };
        let fix = lost.help.clone().or_else(|| Some("use something of that crate in the program".to_owned()));
        return Finding { id: ID, state, found: lost.what.clone(), fix };
    }
    match (count("error"), count("unknown")) {
        (0, 0) => Finding::ok(ID, "the program has all its handlers, and they fit the manifest"),
        (0, _) => {
            Finding::warn(ID, "`setup` decides whether handlers and manifest fit", "see `cargo kiket check`")
        }
        (count, _) => Finding::fix(
            ID,
            format!("handlers and manifest have {count} problems"),
            "see `cargo kiket check`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lost_handlers_come_first() {
        #[track_caller]
        fn check(problems: &Value, state: State, text: &str) {
            let finding = judged(&json!({ "format": 1, "problems": problems }));
            assert!(finding.state == state && finding.found.contains(text), "{finding:?}");
        }
        let problem = |id: &str, severity: &str| json!({ "id": id, "severity": severity, "what": format!("it is {id}"), "place": null, "help": null, "fix": null });
        check(&json!([]), State::Ok, "all its handlers");
        check(&json!([problem("KIKET-E0101", "warning")]), State::Ok, "all its handlers");
        check(&json!([problem("KIKET-E0101", "unknown")]), State::Warn, "`setup` decides");
        check(&json!([problem("KIKET-E0101", "error")]), State::Fix, "1 problems");
        let lost = problem(LOST_HANDLERS, "error");
        check(&json!([problem("KIKET-E0101", "error"), lost]), State::Fix, LOST_HANDLERS);
        check(&json!([problem(LOST_HANDLERS, "unknown")]), State::Warn, LOST_HANDLERS);
        assert_eq!(judged(&json!({ "found": 1 })).state, State::Unknown);
    }
}
