//! The result as text, with the lines that it is about.

use std::{fmt::Write as _, fs, ops::Range, path::Path};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::report::{Place, Places, Problem, Report, Severity};

/// All problems, and a line that sums them up. The shell leaves out the colours where they are not wanted.
pub(super) fn rendered(report: &Report, places: &Places) -> String {
    let mut text = String::new();
    for problem in &report.problems {
        let _ = writeln!(text, "{}\n", one(problem, places));
    }
    let count = |severity| report.problems.iter().filter(|problem| problem.severity == severity).count();
    let manifest = report.manifest.as_deref().map(|manifest| places.shown(manifest));
    let summary = match (count(Severity::Error), count(Severity::Unknown), &manifest) {
        (0, 0, None) if report.problems.is_empty() && !report.setup => {
            "there is no manifest: nothing is compared".to_owned()
        }
        (0, 0, None) if report.setup => {
            "undecided: there is no manifest here, and `setup` may name one".to_owned()
        }
        (0, 0, Some(manifest)) => format!("{manifest} and the handlers fit together"),
        (0, unknown, _) => format!("undecided: `setup`, which was not run, may mend {unknown}"),
        (errors, 0, _) => format!("{}", Counted(errors, "error")),
        (errors, unknown, _) => format!("{}, and {unknown} that `setup` may mend", Counted(errors, "error")),
    };
    let warnings = count(Severity::Warning);
    let warnings = if warnings == 0 { String::new() } else { format!("; {}", Counted(warnings, "warning")) };
    let _ = writeln!(text, "{summary}{warnings}");
    text
}

struct Counted(usize, &'static str);

impl std::fmt::Display for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(count, name) = self;
        write!(f, "{count} {name}{}", if *count == 1 { "" } else { "s" })
    }
}

fn one(problem: &Problem, places: &Places) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Unknown => Level::WARNING.with_name("undecided"),
    };
    let shown = problem.place.as_ref().map(|place| Shown::new(place, places));
    let mut group: Group<'_> =
        Group::with_title(level.primary_title(problem.what.as_str()).id(problem.id.as_str()));
    if let Some(shown) = &shown {
        group = match &shown.line {
            Some((line, marked)) => group.element(
                Snippet::source(line.as_str())
                    .line_start(shown.number)
                    .path(shown.file.as_str())
                    .annotation(AnnotationKind::Primary.span(marked.clone())),
            ),
            None if shown.number > 0 => group.element(Origin::path(shown.file.as_str()).line(shown.number)),
            None => group.element(Origin::path(shown.file.as_str())),
        };
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    Renderer::styled().render(&[group])
}

/// A place with its line.
struct Shown {
    file: String,
    number: usize,
    line: Option<(String, Range<usize>)>,
}

impl Shown {
    /// A place in a manifest has its line, unless that may hold a secret. One in code has it where that is an attribute:
    /// the line of a builder may have a secret, too.
    fn new(place: &Place, places: &Places) -> Self {
        let of_code = || {
            let is_code = Path::new(&place.file).extension().is_some_and(|end| end == "rs") && place.line > 0;
            let text = fs::read_to_string(places.find(&place.file).filter(|_| is_code)?).ok()?;
            let line = text.lines().nth(place.line - 1)?.trim_end();
            line.trim_start().starts_with("#[").then(|| line.to_owned())
        };
        let line = place.excerpt.clone().or_else(of_code);
        let line = line.map(|line| {
            let marked = marked(&line, place.column);
            (line, marked)
        });
        Self { file: places.shown(&place.file), number: place.line, line }
    }
}

/// The bytes to underline: the word that begins at the column, or the whole line.
fn marked(line: &str, column: usize) -> Range<usize> {
    let start = |column: usize| line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
    if column == 0 {
        return line.len() - line.trim_start().len()..line.len();
    }
    let from = start(column - 1);
    let rest = line.get(from..).unwrap_or_default();
    let quoted = rest.chars().next().filter(|first| ['"', '\''].contains(first));
    let length = match quoted {
        Some(quote) => rest[1..].find(quote).map_or(rest.len(), |end| end + 2),
        None => rest.find([' ', ',', ':', ']', '}', '#']).unwrap_or(rest.len()),
    };
    let length = length.max(rest.chars().next().map_or(0, char::len_utf8));
    from..from + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_at_the_column_is_underlined() {
        #[track_caller]
        fn check(line: &str, column: usize, expected: &str) {
            assert_eq!(&line[marked(line, column)], expected);
        }
        check("  - issue.creatd # new", 5, "issue.creatd");
        check("hooks: [\"issue.creatd\", b]", 9, "\"issue.creatd\"");
        check("hooks: ['a", 9, "'a");
        check("ähm: ö", 6, "ö");
        check("versoin: 1", 1, "versoin");
        check("  #[kiket::webhook(\"a\")]", 0, "#[kiket::webhook(\"a\")]");
        check("a", 9, "");
        check("a: {", 4, "{");
        check(", a", 1, ",");
    }
}
