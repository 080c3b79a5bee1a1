//! The same JSON as other programs write it, for bodies that were parsed and written again.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
};

use serde::de::IgnoredAny;

/// A JSON text, and how it is written.
#[derive(Debug)]
pub(super) struct Spelling {
    pub(super) name: String,
    pub(super) text: Vec<u8>,
}

/// How much text all spellings of a body may have, in bytes.
const MOST: usize = 32 << 20;

/// The spellings of `body` that differ from it, the most likely first. None where it is no JSON.
pub(super) fn spellings(body: &[u8]) -> Vec<Spelling> {
    let Some(tree) = read(body) else { return Vec::new() };
    let mut seen = HashSet::from([body.to_vec()]);
    let (mut spellings, mut size) = (Vec::new(), 0);
    for (numbers, numbers_name) in [(false, ""), (true, ", numbers as JavaScript writes them")] {
        for (escapes, escapes_name) in ESCAPES {
            for (sorted, sorted_name) in [(false, ""), (true, ", keys sorted")] {
                for (layout, layout_name) in LAYOUTS {
                    let style = Style { layout, escapes, sorted, numbers };
                    let mut text = String::new();
                    style.write(&tree, 0, &mut text);
                    size += text.len();
                    if size > MOST {
                        return spellings;
                    }
                    if seen.insert(text.clone().into_bytes()) {
                        let name = format!("{layout_name}{sorted_name}{escapes_name}{numbers_name}");
                        spellings.push(Spelling { name, text: text.into_bytes() });
                    }
                }
            }
        }
    }
    spellings
}

/// A JSON value. Numbers and names of values are as they were written, texts are decoded.
enum Node<'b> {
    Plain(&'b str),
    Text(String),
    List(Vec<Node<'b>>),
    Object(Vec<(String, Node<'b>)>),
}

fn read(body: &[u8]) -> Option<Node<'_>> {
    let text = std::str::from_utf8(body).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // From here on it is JSON.
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    Reader { rest: text, depth: 0 }.value()
}

struct Reader<'b> {
    rest: &'b str,
    depth: usize,
}

/// How deep a body may be.
const DEEPEST: usize = 128;

impl<'b> Reader<'b> {
    fn value(&mut self) -> Option<Node<'b>> {
        self.depth = Some(self.depth + 1).filter(|depth| *depth <= DEEPEST)?;
        let value = self.value_at_depth();
        self.depth -= 1;
        value
    }

    fn value_at_depth(&mut self) -> Option<Node<'b>> {
        match self.peek()? {
            '{' => {
                let (mut members, mut known) = (Vec::new(), HashMap::new());
                while self.next_of('}')? {
                    let key = self.text()?;
                    self.peek()?;
                    self.take(1);
                    let value = self.value()?;
                    // Of a key that is there twice, parsers keep the last value.
                    let at = *known.entry(key.clone()).or_insert(members.len());
                    match members.get_mut(at) {
                        Some((_, known)) => *known = value,
                        None => members.push((key, value)),
                    }
                }
                Some(Node::Object(members))
            }
            '[' => {
                let mut values = Vec::new();
                while self.next_of(']')? {
                    values.push(self.value()?);
                }
                Some(Node::List(values))
            }
            '"' => self.text().map(Node::Text),
            _ => {
                let end = self.rest.find(|c: char| ",]}".contains(c) || c.is_ascii_whitespace());
                Some(Node::Plain(self.take(end.unwrap_or(self.rest.len()))))
            }
        }
    }

    /// Whether another value stands before `end`; takes the mark before it, or the end.
    fn next_of(&mut self, end: char) -> Option<bool> {
        let mark = self.peek()?;
        if mark == end {
            self.take(1);
            return Some(false);
        }
        if ",[{".contains(mark) {
            // An opening mark stands here only before the first value.
            self.take(1);
            if self.peek()? == end {
                self.take(1);
                return Some(false);
            }
        }
        Some(true)
    }

    fn text(&mut self) -> Option<String> {
        self.peek()?;
        let mut escaped = true; // the first mark opens
        let end = self.rest.bytes().position(|byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        });
        serde_json::from_str(self.take(end? + 1)).ok()
    }

    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, bytes: usize) -> &'b str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }
}

#[derive(Clone, Copy)]
struct Layout {
    comma: &'static str,
    colon: &'static str,
    indent: Option<usize>,
}

const LAYOUTS: [(Layout, &str); 5] = [
    (Layout { comma: ",", colon: ":", indent: None }, "without white space"),
    (
        Layout { comma: ", ", colon: ": ", indent: None },
        "with a space after each comma and colon, as Python does",
    ),
    (Layout { comma: ",", colon: ": ", indent: Some(2) }, "indented by 2 spaces"),
    (Layout { comma: ",", colon: ": ", indent: Some(4) }, "indented by 4 spaces"),
    (Layout { comma: ",", colon: ": ", indent: None }, "with a space after each colon"),
];

#[derive(Clone, Copy, PartialEq)]
enum Escapes {
    Least,
    Ascii,
    Html,
    AsciiAndSlash,
    DotNet,
}

const ESCAPES: [(Escapes, &str); 5] = [
    (Escapes::Least, ""),
    (Escapes::Ascii, ", letters beyond ASCII escaped"),
    (Escapes::Html, ", `<`, `>` and `&` escaped, as Go does"),
    (Escapes::AsciiAndSlash, ", letters beyond ASCII and slashes escaped, as PHP does"),
    (Escapes::DotNet, ", escaped as .NET does"),
];

struct Style {
    layout: Layout,
    escapes: Escapes,
    sorted: bool,
    numbers: bool,
}

impl Style {
    fn write(&self, node: &Node<'_>, depth: usize, out: &mut String) {
        match node {
            Node::Plain(plain) if self.numbers => out.push_str(&in_javascript(plain)),
            Node::Plain(plain) => out.push_str(plain),
            Node::Text(text) => self.text(text, out),
            Node::List(values) => {
                self.all(values, ('[', ']'), depth, out, |value, out| self.write(value, depth + 1, out));
            }
            Node::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                if self.sorted {
                    members.sort_by(|(one, _), (other, _)| one.cmp(other));
                }
                self.all(&members, ('{', '}'), depth, out, |(key, value), out| {
                    self.text(key, out);
                    out.push_str(self.layout.colon);
                    self.write(value, depth + 1, out);
                });
            }
        }
    }

    fn all<T>(
        &self,
        items: &[T],
        (open, close): (char, char),
        depth: usize,
        out: &mut String,
        mut write: impl FnMut(&T, &mut String),
    ) {
        out.push(open);
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push_str(self.layout.comma);
            }
            self.line(depth + 1, out);
            write(item, out);
        }
        if !items.is_empty() {
            self.line(depth, out);
        }
        out.push(close);
    }

    fn line(&self, depth: usize, out: &mut String) {
        if let Some(indent) = self.layout.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    }

    fn text(&self, text: &str, out: &mut String) {
        out.push('"');
        for letter in text.chars() {
            let short = match letter {
                '"' if self.escapes != Escapes::DotNet => Some("\\\""),
                '\\' => Some("\\\\"),
                '\n' => Some("\\n"),
                '\r' => Some("\\r"),
                '\t' => Some("\\t"),
                '\u{8}' => Some("\\b"),
                '\u{c}' => Some("\\f"),
                '/' if self.escapes == Escapes::AsciiAndSlash => Some("\\/"),
                _ => None,
            };
            let is_escaped = letter < ' '
                || match self.escapes {
                    Escapes::Least => false,
                    Escapes::Ascii | Escapes::AsciiAndSlash => !letter.is_ascii(),
                    Escapes::Html => "<>&\u{2028}\u{2029}".contains(letter),
                    Escapes::DotNet => !letter.is_ascii() || "<>&'+\"`".contains(letter),
                };
            match short {
                Some(short) => out.push_str(short),
                None if is_escaped => {
                    for unit in letter.encode_utf16(&mut [0; 2]) {
                        // A text takes everything that is written to it.
                        let _ = match self.escapes {
                            Escapes::DotNet => write!(out, "\\u{unit:04X}"),
                            _ => write!(out, "\\u{unit:04x}"),
                        };
                    }
                }
                None => out.push(letter),
            }
        }
        out.push('"');
    }
}

/// A number as JavaScript writes it; other text stays.
fn in_javascript(plain: &str) -> String {
    let number =
        plain.parse::<f64>().ok().filter(|_| plain.starts_with(|c: char| c == '-' || c.is_ascii_digit()));
    match number {
        None => plain.to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(number) if number.abs() >= 1e21 => format!("{number:e}").replace('e', "e+"),
        Some(number) if number.abs() < 1e-6 => format!("{number:e}"),
        Some(number) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, name: &str, expected: &str) {
        let spellings = spellings(body.as_bytes());
        let found = spellings.iter().find(|spelling| spelling.name == name);
        let found = found
            .unwrap_or_else(|| panic!("{name}: {:?}", spellings.iter().map(|s| &s.name).collect::<Vec<_>>()));
        assert_eq!(String::from_utf8_lossy(&found.text), expected);
    }

    const BODY: &str = r#"{ "b" : [1.0, 2e3, {}, []], "a":"é/<\"\n", "b": -0.5, "c": [true ,null,[ 12345678901234567890 ]]}"#;

    #[test]
    fn other_programs_write_the_same_json() {
        check(
            BODY,
            "without white space",
            r#"{"b":-0.5,"a":"é/<\"\n","c":[true,null,[12345678901234567890]]}"#,
        );
        check(
            BODY,
            "without white space, keys sorted",
            r#"{"a":"é/<\"\n","b":-0.5,"c":[true,null,[12345678901234567890]]}"#,
        );
        check(
            BODY,
            "with a space after each comma and colon, as Python does, letters beyond ASCII escaped",
            r#"{"b": -0.5, "a": "\u00e9/<\"\n", "c": [true, null, [12345678901234567890]]}"#,
        );
        check(
            BODY,
            "without white space, letters beyond ASCII and slashes escaped, as PHP does",
            r#"{"b":-0.5,"a":"\u00e9\/<\"\n","c":[true,null,[12345678901234567890]]}"#,
        );
        check(
            BODY,
            "without white space, escaped as .NET does",
            r#"{"b":-0.5,"a":"\u00E9/\u003C\u0022\n","c":[true,null,[12345678901234567890]]}"#,
        );
        check(
            BODY,
            "without white space, numbers as JavaScript writes them",
            r#"{"b":-0.5,"a":"é/<\"\n","c":[true,null,[12345678901234567000]]}"#,
        );
        check(
            r#"{"a":[1,{}],"e":{},"l":[]}"#,
            "indented by 2 spaces",
            "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"e\": {},\n  \"l\": []\n}",
        );
        check(
            "{\"a\":\"🌍<\"}",
            "without white space, `<`, `>` and `&` escaped, as Go does",
            "{\"a\":\"🌍\\u003c\"}",
        );
    }

    #[test]
    fn numbers_are_those_of_javascript() {
        for (json, expected) in [
            ("1.0", "1"),
            ("1.10e+0", "1.1"),
            ("-0.0", "0"),
            ("1e21", "1e+21"),
            ("1e-7", "1e-7"),
            ("0.000001", "0.000001"),
            ("100000000000000000000", "100000000000000000000"),
            ("true", "true"),
            ("null", "null"),
        ] {
            assert_eq!(in_javascript(json), expected, "{json}");
        }
    }

    #[test]
    fn what_is_no_json_has_no_spellings() {
        for body in [&b""[..], b"{", b"\xff", b"{\"a\":1}}", b"[1,]", br#"["\ud800"]"#] {
            assert!(spellings(body).is_empty(), "{body:?}");
        }
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(spellings(deep.as_bytes()).is_empty());
    }

    #[test]
    fn a_spelling_reads_as_the_same_json() {
        let plain = r#"{"k":[1,-2.5,"é\u2028\ud83c\udf0d</\\ '+&\u0001",null,{"x":{"y":[]}}],"a":false}"#;
        let value: serde_json::Value = serde_json::from_str(plain).unwrap();
        let spellings = spellings(plain.as_bytes());
        assert!(spellings.len() > 20, "{}", spellings.len());
        for spelling in spellings {
            assert_eq!(
                serde_json::from_slice::<serde_json::Value>(&spelling.text).unwrap(),
                value,
                "{}",
                spelling.name
            );
        }
    }
}
