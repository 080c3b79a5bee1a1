//! Why an extension does not start: every reason at once, each with its place and its mend.

use std::{fmt, path::PathBuf};

/// Everything that keeps an extension from starting, for the person who starts it.
///
/// `Display` prints all problems, each with its place and with what to change; so does `Debug`, which is what a
/// `main` that returns it prints.
#[derive(Clone)]
pub struct StartupError {
    /// What does not start.
    subject: &'static str,
    problems: Vec<Problem>,
}

impl StartupError {
    /// Collects what stands in the way.
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        Self::of("the extension", problems)
    }

    /// Collects what stands in the way of something else.
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

/// One thing that is wrong before the first delivery: what, where, and how to mend it.
///
/// `Display` prints it over several lines:
///
/// ```text
/// `delivery_secret` has white space at an end
///   --> extension.yaml:3:1
///    = help: remove it, or quote exactly the text that Kiket shows
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    what: String,
    place: Option<Place>,
    mend: Option<String>,
}

impl Problem {
    /// A problem, in one sentence: lower case, no full stop, code in backticks, expected before found.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), place: None, mend: None }
    }

    /// Where it is.
    #[must_use]
    pub(crate) fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// What to do about it, as an imperative.
    #[must_use]
    pub(crate) fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    /// What is wrong.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Where it is, when it is anywhere.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// What to do about it.
    pub fn how_to_mend(&self) -> Option<&str> {
        self.mend.as_deref()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        if let Some(place) = &self.place {
            write!(f, "{place}")?;
        }
        if let Some(mend) = &self.mend {
            writeln!(f, "   = help: {mend}")?;
        }
        Ok(())
    }
}

/// A place in a file: line and column count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The file, as it was named when it was opened.
    pub file: PathBuf,
    /// The line, from 1; 0 when the whole file is meant.
    pub line: u32,
    /// The column, from 1; 0 when the whole line is meant.
    pub column: u32,
    /// The line's text, shown with a caret under the column; absent where it must not be shown.
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
