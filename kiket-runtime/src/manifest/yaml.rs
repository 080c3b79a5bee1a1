//! Parses YAML into a tree of [`Node`]s. The only file that names the YAML library.

use std::{collections::HashMap, fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::SeqAccessDeserializer},
};
use serde_json::Number;
use serde_yaml::{
    Error, Location, Options, Spanned,
    options::{DuplicateKeyPolicy, NonFiniteFloatPolicy},
};

use super::node::{Content, Entry, Map, Mark, Node};
use crate::types::visits;

/// A document, and its oddities.
pub(super) struct Document {
    /// The value at the top.
    pub(super) root: Node,
    /// The oddities that the tree does not show.
    pub(super) oddities: Vec<Oddity>,
}

/// A construct that YAML allows and a manifest does not.
pub(super) enum Oddity {
    /// A key that is there twice.
    DuplicateKey { key: String, first: Mark, again: Mark },
    /// A key that is a list or a mapping: nearly always `{{ … }}` without quotes.
    KeyIsNoText { at: Mark },
}

/// A text that is not a YAML document.
pub(super) struct NotYaml {
    pub(super) what: String,
    pub(super) mend: &'static str,
    /// The place; the whole file where the library names none.
    pub(super) at: Mark,
}

/// Reads one document.
pub(super) fn read(text: &str) -> Result<Document, NotYaml> {
    let raw = serde_yaml::from_str_with_options::<Spanned<Raw>>(text, options())
        .map_err(|error| explain(&error))?;
    let mut oddities = Vec::new();
    let root = Planting { text, oddities: &mut oddities }.node(raw);
    Ok(Document { root, oddities })
}

/// The most nodes, those that aliases repeat included. The largest real manifest has about a thousand.
const NODES: usize = 20_000;
/// The deepest nesting, again with aliases expanded: the tree is walked by recursion.
const DEPTH: usize = 48;
/// The most text in bytes, again with aliases expanded.
const TEXT: usize = 4 * 1024 * 1024;

fn options() -> Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_nodes: NODES,
            max_events: NODES.saturating_mul(4),
            max_depth: DEPTH,
            flow_nesting_limit: DEPTH,
            max_total_scalar_bytes: TEXT,
            // Many uses of one anchor are fine: the limits above bound their sum.
            enforce_alias_anchor_ratio: false,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    }
}

/// A value as the library reports it.
enum Raw {
    Nothing,
    Truth(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Nothing)
    }

    visits! { truth => Raw::Truth(truth); visit_bool(bool) }
    visits! { number => Raw::Number(number.into()); visit_i64(i64) visit_u64(u64) }
    visits! { text => Raw::Text(text.to_owned()); visit_str(&str) }

    fn visit_f64<E>(self, number: f64) -> Result<Raw, E> {
        // Infinities come as text, see `options`.
        Ok(Number::from_f64(number).map_or_else(|| Raw::Text(number.to_string()), Raw::Number))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Raw, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(items)).map(Raw::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

/// Converts the raw values of a document into nodes.
struct Planting<'a> {
    text: &'a str,
    oddities: &'a mut Vec<Oddity>,
}

impl Planting<'_> {
    fn node(&mut self, raw: Spanned<Raw>) -> Node {
        let written = bytes(raw.defined);
        let content = match raw.value {
            Raw::Nothing => Content::Nothing,
            Raw::Truth(truth) => {
                Content::Truth(truth, self.spelling(&written).unwrap_or_else(|| truth.to_string()))
            }
            Raw::Number(number) => {
                let written = self.spelling(&written).unwrap_or_else(|| number.to_string());
                Content::Number(number, written)
            }
            // What a float cannot hold, like `1e999`, comes as `.inf`.
            Raw::Text(text) if matches!(&*text, ".inf" | "+.inf" | "-.inf" | ".nan") => {
                Content::Text(self.spelling(&written).unwrap_or(text))
            }
            Raw::Text(text) => Content::Text(text),
            Raw::List(items) => Content::List(items.into_iter().map(|item| self.node(item)).collect()),
            Raw::Map(entries) => Content::Map(self.map(entries)),
        };
        Node { content, mark: mark(raw.referenced), written }
    }

    fn map(&mut self, raw: Vec<(Spanned<Raw>, Spanned<Raw>)>) -> Map {
        let mut entries: Vec<Entry> = Vec::new();
        let mut positions: HashMap<String, usize> = HashMap::new();
        for (key, value) in raw {
            let (key, value) = (self.node(key), self.node(value));
            let Some(name) = key_name(&key) else {
                self.oddities.push(Oddity::KeyIsNoText { at: key.mark });
                continue;
            };
            if let Some(earlier) =
                positions.insert(name.clone(), entries.len()).and_then(|at| entries.get_mut(at))
            {
                earlier.shadowed = true;
                let (first, again) = (earlier.mark, key.mark);
                self.oddities.push(Oddity::DuplicateKey { key: name.clone(), first, again });
            }
            entries.push(Entry { key: name, mark: key.mark, value, shadowed: false });
        }
        Map(entries)
    }

    /// The text of a number. `None` where a tag precedes quotes, as in `!!int "3"`.
    fn spelling(&self, written: &Range<usize>) -> Option<String> {
        let text = self.text.get(written.clone())?;
        let plain =
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b));
        plain.then(|| text.to_owned())
    }
}

fn key_name(key: &Node) -> Option<String> {
    match key.content {
        Content::Nothing => Some("null".to_owned()),
        _ => key.as_written().map(std::borrow::Cow::into_owned),
    }
}

fn mark(at: Location) -> Mark {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Mark { line: number(at.line()), column: number(at.column()) }
}

fn bytes(at: Location) -> Range<usize> {
    let number = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok());
    match (number(at.span().byte_offset()), number(at.span().byte_len())) {
        (Some(start), Some(len)) => start..start.saturating_add(len),
        _ => 0..0,
    }
}

/// Rewrites an error of the library for the author of a manifest. The library's own messages name positions and rules, never
/// a value.
fn explain(error: &Error) -> NotYaml {
    let at = error.location().map(mark).filter(|at| at.line > 0).unwrap_or_default();
    let (what, mend) = match error {
        Error::AliasError { error, .. } => return NotYaml { at, ..explain(error) },
        Error::MultipleDocuments { .. } => (
            "a manifest is one YAML document, found several".to_owned(),
            "keep one of them, and remove the lines `---` and `...`",
        ),
        Error::Budget { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => too_large(),
        Error::RecursiveReferencesRequireWeakTypes { .. } => (
            "an alias lies inside its own anchor".to_owned(),
            "write out what the alias (`*name`) stands for",
        ),
        Error::UnknownAnchor { .. } => (
            "an alias has no anchor".to_owned(),
            "define the anchor (`&name`) above it, or quote a text that starts with `*`",
        ),
        other => match sentence(other, at) {
            sentence if sentence.contains("recursion limit") => too_large(),
            sentence => (format!("the file is not YAML: {sentence}"), hint(&sentence)),
        },
    };
    NotYaml { what, mend, at }
}

fn too_large() -> (String, &'static str) {
    (
        "the document is larger or nested deeper than any manifest".to_owned(),
        "write it shorter, with less nesting and fewer aliases (`*name`)",
    )
}

/// The message of the library without the place, which is printed anyway.
fn sentence(error: &Error, Mark { line, column }: Mark) -> String {
    let sentence = error.to_string();
    sentence.strip_suffix(&format!(" at line {line}, column {column}")).unwrap_or(&sentence).to_owned()
}

/// The advice for a message of the library. An unknown message gets general advice.
fn hint(sentence: &str) -> &'static str {
    const HINTS: [(&str, &str); 5] = [
        ("tab", "indent with spaces"),
        ("unclosed quote", "close the quote"),
        ("unexpected character", "quote a text that starts with a character like `@`, `%` or a backtick"),
        ("mapping values", "check the indentation, and quote a text that contains `: `"),
        ("trailing content", "quote the text as a whole, or none of it"),
    ];
    HINTS
        .iter()
        .find(|(words, _)| sentence.contains(words))
        .map_or("check indentation, quotes and brackets here and on the line before", |(_, hint)| hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text at `path` as it was written.
    #[track_caller]
    fn written(text: &str, path: &[&str]) -> Option<String> {
        let document = read(text).unwrap_or_else(|reason| panic!("{}", reason.what));
        let mut node = &document.root;
        for key in path {
            node = node.as_map().and_then(|map| map.get(key)).unwrap();
        }
        node.as_written().map(std::borrow::Cow::into_owned)
    }

    #[test]
    fn scalars_keep_their_text() {
        #[track_caller]
        fn check(scalar: &str, expected: Option<&str>) {
            assert_eq!(written(&format!("ä: ü\nx: {scalar}"), &["x"]).as_deref(), expected, "{scalar}");
        }
        check("1.0", Some("1.0"));
        check("1.10", Some("1.10"));
        check("007", Some("007"));
        check("1e3", Some("1e3"));
        check("0x1F", Some("0x1F"));
        check("123456789012345678901234567890", Some("123456789012345678901234567890"));
        check("\"1.0\"", Some("1.0"));
        check("!!float 1.50", Some("1.50"));
        check("yes", Some("yes"));
        check("on", Some("on"));
        check("true", Some("true"));
        check(".inf", Some(".inf"));
        for scalar in
            ["1e999", "-1e999", "-.inf", ".NAN", "1_000", ".5", "+15551234567", "12e03", "0o17", "True", "1."]
        {
            check(scalar, Some(scalar));
        }
        check("2024-01-01", Some("2024-01-01"));
        check("!custom text", Some("text"));
        check("~", None);
        check("", None);
        check("[1]", None);
    }

    #[test]
    fn aliases_and_merges_read_like_their_anchors() {
        let text = "a: &a { v: 1.10, w: 2 }\nb: *a\nc: { <<: *a, w: 3 }\nd: &d 1.50\ne: *d\n";
        for (path, expected) in
            [(["b", "v"], "1.10"), (["c", "v"], "1.10"), (["c", "w"], "3"), (["b", "w"], "2")]
        {
            assert_eq!(written(text, &path).as_deref(), Some(expected), "{path:?}");
        }
        assert_eq!(written(text, &["e"]).as_deref(), Some("1.50"));
    }

    #[test]
    fn the_last_of_duplicate_keys_counts_at_any_depth() {
        let text = "a: 1\nb:\n  - { c: 1, c: 2, c: 3 }\n1: x\n\"1\": y\na: 2\n";
        let document = read(text).ok().unwrap();
        let mut duplicates: Vec<_> = document
            .oddities
            .iter()
            .map(|oddity| match oddity {
                Oddity::DuplicateKey { key, first, again } => {
                    (key.as_str(), first.line, again.line, again.column)
                }
                Oddity::KeyIsNoText { .. } => unreachable!(),
            })
            .collect();
        duplicates.sort_unstable();
        assert_eq!(duplicates, [("1", 4, 5, 1), ("a", 1, 6, 1), ("c", 3, 3, 13), ("c", 3, 3, 19)]);
        assert_eq!(
            document.root.to_json(&|_| false),
            serde_json::json!({ "a": 2, "b": [{ "c": 3 }], "1": "y" })
        );
    }

    #[track_caller]
    fn refused(text: &str) -> NotYaml {
        read(text).err().unwrap()
    }

    #[test]
    fn a_text_that_is_no_document_is_explained() {
        #[track_caller]
        fn check(text: &str, what: &str, mend: &str) {
            let reason = refused(text);
            assert!(reason.what.contains(what), "{}", reason.what);
            assert!(reason.mend.contains(mend), "{}", reason.mend);
            assert!(!reason.what.contains(" at line "), "{}", reason.what);
            assert!(reason.at.line > 0);
        }
        check("a: 1\n---\nb: 2\n", "one YAML document", "keep one");
        check("a:\n\tb: 1\n", "tab", "spaces");
        check("a: \"b\n", "unclosed quote", "close the quote");
        check("a: @b\n", "unexpected character", "quote");
        check("a: b: c\n", "mapping values", "indentation");
        check("a: 'b' c\n", "trailing content", "quote the text");
        check("a: [1, 2\nb: 3\n", "not YAML", "brackets");
        check("a: *b\n", "an alias has no anchor", "quote");
        check("a: &a [*a]\n", "inside its own anchor", "write out");
        check("a: !!int b\n", "not YAML", "");
    }

    #[test]
    fn exponential_aliases_are_refused() {
        let levels = (1..10).map(|level| {
            let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
            format!("a{level}: &a{level} [{aliases}]\n")
        });
        let text = format!("a0: &a0 [x, x, x, x, x, x, x, x, x]\n{}", levels.collect::<String>());
        assert_eq!(refused(&text).what, too_large().0);
    }

    #[test]
    fn work_is_bounded_by_nodes_and_depth_and_text() {
        #[track_caller]
        fn check(text: &str) {
            assert_eq!(refused(text).what, too_large().0);
        }
        check(&format!("[{}]", "a,".repeat(NODES)));
        check(&format!("a: {}", "[".repeat(10_000)));
        check(&format!("a: {}", "{a: ".repeat(10_000)));
        let long = "x".repeat(TEXT / 100);
        check(&format!("a: &a \"{long}\"\nb: [{}]", "*a, ".repeat(100)));
        // Aliases do not hide depth.
        let (open, close) = ("[".repeat(30), "]".repeat(30));
        check(&format!("a: &a {open}{close}\nb: &b {open}*a{close}\nc: {open}*b{close}\n"));
    }

    #[test]
    fn the_deepest_document_fits_the_stack() {
        let depth = DEPTH - 1;
        let text = format!("a: {}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&text).is_ok());
    }
}
