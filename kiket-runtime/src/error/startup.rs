//! The problems that keep an extension from starting, each with its place and its fix.

use std::{fmt, path::PathBuf};

use crate::{error::problem_id::ProblemId, types::setters};

/// All problems that keep an extension from starting.
///
/// `Display` prints each problem with its place and its fix. `Debug` prints the same, because Rust prints the error of
/// `main` with it.
#[derive(Clone)]
pub struct StartupError {
    /// The subject of the first line, like `the extension`.
    subject: &'static str,
    problems: Vec<Problem>,
}

impl StartupError {
    /// The problems of the extension.
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        Self::of("the extension", problems)
    }

    /// The problems of something else.
    pub(crate) fn of(subject: &'static str, problems: Vec<Problem>) -> Self {
        debug_assert!(!problems.is_empty(), "an error has a reason");
        Self { subject, problems }
    }

    /// The problems, in the order of their discovery.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for StartupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => writeln!(f, "{} does not start", self.subject)?,
            count => writeln!(f, "{} does not start, for {count} reasons", self.subject)?,
        }
        for problem in &self.problems {
            write!(f, "\n{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for StartupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for StartupError {}

/// What is found on the way to a start: the problems that keep it from happening, and the warnings.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

impl Findings {
    /// The value of a step. That of a failed one is empty, and its problems are kept: all problems are found.
    pub(crate) fn take<T: Default>(&mut self, step: Result<T, impl Into<Vec<Problem>>>) -> T {
        step.unwrap_or_else(|problems| {
            self.problems.extend(problems.into());
            T::default()
        })
    }
}

impl From<Problem> for Vec<Problem> {
    fn from(problem: Problem) -> Self {
        vec![problem]
    }
}

/// A problem found at the start: what is wrong, where, and how to fix it.
///
/// `Display` prints it over several lines:
///
/// ```text
/// `delivery_secret` has white space at an end
///   --> extension.yaml:3:1
///    = help: remove it, or quote exactly the text that Kiket shows
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The id, which stays the same when the words change.
    pub id: ProblemId,
    /// The description of the problem.
    pub what: String,
    /// The place, if it is in a file.
    pub place: Option<Place>,
    /// How to fix it.
    pub help: Option<String>,
    pub(crate) fix: Option<Box<Fix>>,
}

/// A change of the manifest that mends a problem, for a tool.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Fix {
    AddHook {
        event: String,
    },
    /// The hook at the place of the problem.
    RenameHook {
        from: String,
        to: String,
    },
    /// The key at the place of the problem.
    RenameKey {
        from: String,
        to: String,
    },
    AddSetting {
        key: String,
        secret: bool,
        required: bool,
    },
}

impl Problem {
    /// A problem, in one sentence: lower case, no full stop, code in backticks, expected before found.
    pub(crate) fn new(id: ProblemId, what: impl Into<String>) -> Self {
        Self { id, what: what.into(), place: None, help: None, fix: None }
    }

    setters! {
        /// Sets the place, where it is known.
        #[must_use]
        (crate) at(place: impl Into<Option<Place>>) => |problem| problem.place = place.into();
        /// Sets the fix, as an imperative.
        #[must_use]
        (crate) mend(mend: impl Into<String>) => |problem| problem.help = Some(mend.into());
        /// Sets the change of the manifest that mends it, if there is one.
        #[must_use]
        (crate) fixed_by(fix: impl Into<Option<Fix>>) => |problem| problem.fix = fix.into().map(Box::new);
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        if let Some(place) = &self.place {
            write!(f, "{place}")?;
        }
        if let Some(help) = &self.help {
            writeln!(f, "   = help: {help}")?;
        }
        Ok(())
    }
}

/// A place in a file: line and column count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The path of the file, as it was opened.
    pub file: PathBuf,
    /// The line, from 1; 0 means the whole file.
    pub line: u32,
    /// The column, from 1; 0 means the whole line.
    pub column: u32,
    /// The text of the line, printed with a caret under the column; `None` if it may contain a secret.
    pub excerpt: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  --> {}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        writeln!(f)?;
        if let Some(excerpt) = &self.excerpt {
            let number = self.line.to_string();
            let gutter = " ".repeat(number.len());
            writeln!(f, " {gutter} |\n {number} | {excerpt}")?;
            if self.column > 0 {
                let before = excerpt.chars().take(self.column as usize - 1);
                let indent: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
                writeln!(f, " {gutter} | {indent}^")?;
            }
        }
        Ok(())
    }
}

impl From<&std::panic::Location<'_>> for Place {
    fn from(location: &std::panic::Location<'_>) -> Self {
        Self { file: location.file().into(), line: location.line(), column: location.column(), excerpt: None }
    }
}
