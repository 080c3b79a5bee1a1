//! What was looked at, how it is, and how to fix it.

use std::fmt;

use kiket_runtime::Problem;
use serde::Serialize;

use crate::shell::{BAD, DOUBTFUL, GOOD, HINT};

/// How something is, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    /// It was not looked at.
    Unknown,
    /// It works, and may not for long.
    Warn,
    Fix,
}

/// What was looked at, and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) id: &'static str,
    #[serde(rename = "result")]
    pub(super) state: State,
    pub(super) found: String,
    /// What to do, as an imperative.
    pub(super) fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(id: &'static str, found: impl Into<String>) -> Self {
        Self { id, state: State::Ok, found: found.into(), fix: None }
    }

    pub(super) fn unknown(id: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { id, state: State::Unknown, found: found.into(), fix: Some(fix.into()) }
    }

    pub(super) fn warn(id: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { id, state: State::Warn, found: found.into(), fix: Some(fix.into()) }
    }

    pub(super) fn fix(id: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { id, state: State::Fix, found: found.into(), fix: Some(fix.into()) }
    }

    /// A problem of the start, or a warning of it.
    pub(super) fn of(id: &'static str, state: State, problem: &Problem) -> Self {
        let place = problem.place.as_ref().map(|place| format!(" ({}:{})", place.file.display(), place.line));
        let found = format!("{}{}", problem.what, place.unwrap_or_default());
        Self { id, state, found, fix: problem.help.clone() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (style, word) = match self.state {
            State::Ok => (GOOD, "ok  "),
            State::Unknown => (DOUBTFUL, "?   "),
            State::Warn => (DOUBTFUL, "warn"),
            State::Fix => (BAD, "FIX "),
        };
        write!(f, "{style}{word}{style:#}  {:<13} {}", self.id, self.found)?;
        let Some(fix) = &self.fix else { return Ok(()) };
        write!(f, "\n        {HINT}to fix{HINT:#}      {fix}")
    }
}
