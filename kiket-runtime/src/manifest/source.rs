//! The text of a manifest by lines: the excerpts of places, and the lines that are never shown.

use std::{
    collections::{BTreeSet, HashSet},
    iter,
    ops::Range,
    path::Path,
};

use super::{
    node::Mark,
    secrecy::{Secrets, WORDS, meant, names_a_secret},
};
use crate::error::Place;

/// The text of a file, and the lines that must not be shown.
pub(super) struct Source<'a> {
    file: &'a Path,
    text: &'a str,
    /// Where each line starts, in bytes.
    starts: Vec<usize>,
    pub(super) hidden: BTreeSet<u32>,
}

/// The longest excerpt in characters.
const EXCERPT: usize = 160;

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text, starts: line_starts(text), hidden: BTreeSet::new() }
    }

    pub(super) fn file(&self) -> &'a Path {
        self.file
    }

    /// A place in the file, with its line if that may be shown.
    pub(super) fn place(&self, at: Mark) -> Place {
        let excerpt = if self.hidden.contains(&at.line) { None } else { self.excerpt(at) };
        Place { file: self.file.to_owned(), line: at.line, column: at.column, excerpt }
    }

    /// Hides the lines on which one of `secrets` is written, used or announced.
    pub(super) fn hide(&mut self, secrets: &Secrets<'_>) {
        self.hidden.extend(secrets.keys.iter().map(|key| key.line));
        self.hidden.extend(secrets.nodes.iter().map(|node| node.mark.line));
        // Each once, however many aliases there are.
        let written: HashSet<Range<usize>> = secrets.nodes.iter().map(|node| node.written.clone()).collect();
        for Range { start, end } in written {
            self.hidden.extend(self.line_at(start)..=self.line_at(end));
        }
    }

    /// Hides the lines that might show a secret where the text does not parse: lines with a word like `token`, the lines below
    /// them up to a key that is no deeper, and everything after a quote that such a line leaves open.
    pub(super) fn hide_suspicious_lines(&mut self) {
        let mut below: Option<usize> = None;
        let mut open_quote = false;
        for line in 1..=self.line_at(self.text.len()) {
            let text = self.line(line).unwrap_or_default();
            let indent = text.len().saturating_sub(text.trim_start().len());
            if starts_with_key(text) && below.is_some_and(|above| indent <= above) {
                below = None;
            }
            let suspicious = is_suspicious(text);
            if suspicious {
                open_quote |= ['"', '\''].iter().any(|quote| text.matches(*quote).count() % 2 == 1);
                below = Some(below.map_or(indent, |above| above.min(indent)));
            }
            if suspicious || open_quote || below.is_some() {
                self.hidden.insert(line);
            }
        }
    }

    fn excerpt(&self, at: Mark) -> Option<String> {
        let line = self.line(at.line)?;
        if at.column as usize > EXCERPT {
            return None;
        }
        // A control character could rewrite the terminal that shows it.
        let shown = |c: char| if c.is_control() && c != '\t' { '\u{fffd}' } else { c };
        Some(line.chars().take(EXCERPT).map(shown).collect::<String>().trim_end().to_owned())
    }

    fn line(&self, number: u32) -> Option<&'a str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let start = *self.starts.get(index)?;
        let end = self.starts.get(index.saturating_add(1)).copied().unwrap_or(self.text.len());
        Some(self.text.get(start..end)?.trim_end_matches(['\n', '\r']))
    }

    /// The line that holds the byte `at`.
    fn line_at(&self, at: usize) -> u32 {
        u32::try_from(self.starts.partition_point(|start| *start <= at)).unwrap_or(u32::MAX)
    }
}

/// YAML ends a line with `\n`, `\r\n` or `\r`.
fn line_starts(text: &str) -> Vec<usize> {
    let next = text.bytes().skip(1).map(Some).chain([None]);
    let ends = |byte, next| byte == b'\n' || (byte == b'\r' && next != Some(b'\n'));
    let starts = (1..).zip(text.bytes().zip(next)).filter(|(_, (byte, next))| ends(*byte, *next));
    iter::once(0).chain(starts.map(|(start, _)| start)).collect()
}

/// Whether a line starts with `key:`, also behind dashes. A value in the wrong column is no key.
fn starts_with_key(line: &str) -> bool {
    let in_key = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    line.trim_start_matches(['-', ' ']).split_once(':').is_some_and(|(key, value)| {
        let separate = value.is_empty() || value.starts_with([' ', '\t']);
        separate && !key.is_empty() && key.bytes().all(in_key)
    })
}

fn is_suspicious(line: &str) -> bool {
    let in_word = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    let misspelt = || line.split(|letter| !in_word(letter)).any(|word| names_a_secret(meant(word)));
    let lower = line.to_ascii_lowercase();
    WORDS.iter().chain(&["default"]).any(|word| lower.contains(word)) || misspelt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &Source<'_>, line: u32) -> Option<String> {
        source.place(Mark { line, column: 1 }).excerpt
    }

    #[test]
    fn lines_end_as_yaml_ends_them() {
        let source = Source::new(Path::new("x"), "a\nb\r\nc\rd\n\ne");
        let lines: Vec<_> = (0..=7).map(|line| shown(&source, line)).collect();
        let expected = [None, Some("a"), Some("b"), Some("c"), Some("d"), Some(""), Some("e"), None];
        assert_eq!(lines.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_long_line_is_cut_and_a_place_behind_the_cut_has_no_line() {
        let text = "ä".repeat(500);
        let source = Source::new(Path::new("x"), &text);
        assert_eq!(shown(&source, 1).unwrap().chars().count(), EXCERPT);
        assert_eq!(source.place(Mark { line: 1, column: 161 }).excerpt, None);
    }

    #[test]
    fn suspicious_lines_are_hidden_with_their_values() {
        #[track_caller]
        fn check(text: &str, expected: &[u32]) {
            let mut source = Source::new(Path::new("x"), text);
            source.hide_suspicious_lines();
            assert_eq!(source.hidden.iter().copied().collect::<Vec<_>>(), expected, "{text}");
        }
        check("id: a\nname: b\n", &[]);
        check("id: a\ndelivery_secret: b\nname: c\n", &[2]);
        check("secret: |\n  b\n\n  c\nname: d\n", &[1, 2, 3, 4]);
        check("a:\n  - Secret:\n      b\n  - c: d\n", &[2, 3]);
        check("a: 1\nsecret: \"b\nc\nd: e\n", &[2, 3, 4, 5]);
        // Values whose indentation is missing, or not needed.
        check("secret:\nb\nname: c\n", &[1, 2]);
        check("secret:\n- b\n- 'c\nname: d\n", &[1, 2, 3]);
        check("secret: [\n\nb\n]\nname: c\n", &[1, 2, 3, 4]);
        check("? secret\n: b\n# c\nname: d\n", &[1, 2, 3]);
        check("  secret: a\n\"token\": b\n c: d\ne: f\n", &[1, 2, 3]);
    }
}
