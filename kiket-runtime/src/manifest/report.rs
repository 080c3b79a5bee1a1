//! The problems and warnings of a manifest, as they are found.

use super::{
    node::{Entry, Mark, Node},
    source::Source,
};
use crate::error::{Fix, Place, Problem, ProblemId};

/// The problems and warnings of one manifest as they are found.
pub(super) struct Report<'a> {
    source: &'a Source<'a>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl<'a> Report<'a> {
    pub(super) fn new(source: &'a Source<'a>) -> Self {
        Self { source, problems: Vec::new(), warnings: Vec::new() }
    }

    /// Adds a problem, which refuses the manifest.
    pub(super) fn problem(
        &mut self,
        id: ProblemId,
        at: Mark,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.problems.push(Problem::new(id, what).at(self.source.place(at)).mend(mend));
    }

    /// Adds the problem that a value is not what its key needs.
    pub(super) fn wrong(&mut self, entry: &Entry, what: impl Into<String>, mend: impl Into<String>) {
        self.problem(ProblemId::WrongValue, entry.spot(), what, mend);
    }

    /// Adds a warning.
    pub(super) fn warning(
        &mut self,
        id: ProblemId,
        at: Mark,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.warnings.push(Problem::new(id, what).at(self.source.place(at)).mend(mend));
    }

    /// Adds the change that mends the last warning.
    pub(super) fn fix(&mut self, fix: Fix) {
        let last = self.warnings.pop();
        self.warnings.extend(last.map(|warning| warning.fixed_by(fix)));
    }

    pub(super) fn place(&self, at: Mark) -> Place {
        self.source.place(at)
    }

    /// The warnings, or the problems when there are any; both in the order of the file.
    pub(super) fn finish(mut self) -> Result<Vec<Problem>, Vec<Problem>> {
        let order = |problem: &Problem| problem.place.as_ref().map(|place| (place.line, place.column));
        self.problems.sort_by_key(order);
        self.warnings.sort_by_key(order);
        if self.problems.is_empty() { Ok(self.warnings) } else { Err(self.problems) }
    }
}

/// A value of the file as messages quote it: short, on one line, in backticks.
pub(super) fn quoted(text: &str) -> String {
    const LENGTH: usize = 60;
    let mut shown: String =
        text.chars().take(LENGTH).map(|c| if c.is_control() || c == '`' { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(LENGTH).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// A value that is not what was expected: a scalar as it is written, else its kind.
pub(super) fn found(node: &Node) -> String {
    node.as_written().map_or_else(|| node.describe().to_owned(), |text| quoted(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_a_sentence_is_short_and_on_one_line() {
        assert_eq!(quoted("a b"), "`a b`");
        assert_eq!(quoted("a\n`b\u{1b}"), "`a\u{fffd}\u{fffd}b\u{fffd}`");
        assert_eq!(quoted(&"x".repeat(61)), format!("`{}…`", "x".repeat(60)));
    }
}
