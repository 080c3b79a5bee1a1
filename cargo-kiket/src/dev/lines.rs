//! Lines of a program, as they arrive and of bounded length.

use std::io::{BufRead as _, BufReader, Read};

/// How long a line may be, in bytes; the rest of a longer one is another line.
const LONGEST: u64 = 256 * 1024;

/// Passes each line to `use_line` until the output ends, or `use_line` returns false.
pub(super) fn each(output: impl Read, mut use_line: impl FnMut(String) -> bool) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while let Ok(1..) = output.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
        let text = String::from_utf8_lossy(&line);
        if !use_line(text.trim_end_matches(['\n', '\r']).to_owned()) {
            return;
        }
        line.clear();
    }
}

/// A text from outside without the characters that change a terminal.
pub(super) fn harmless(text: &str) -> String {
    let shown =
        |char: char| if char.is_control() && char != '\t' { char::REPLACEMENT_CHARACTER } else { char };
    text.chars().map(shown).collect()
}

/// A text without the colours of a terminal.
pub(super) fn without_colours(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_need_not_be_text() {
        let long = "x".repeat(usize::try_from(LONGEST).unwrap() + 3);
        let text = [b"a\r\n\xff\n\n", long.as_bytes(), b"\nlast"].concat();
        let mut found = Vec::new();
        each(&*text, |line| {
            found.push(line.len());
            true
        });
        assert_eq!(found, [1, 3, 0, long.len() - 3, 3, 4]);
        let mut first = Vec::new();
        each(&b"a\nb\n"[..], |line| {
            first.push(line);
            false
        });
        assert_eq!(first, ["a"]);
        assert_eq!(harmless("a\x1b[2J\tb\u{9b}\n"), "a\u{fffd}[2J\tb\u{fffd}\u{fffd}");
        assert_eq!(without_colours("\x1b[1mbold\x1b[0m"), "bold");
    }
}
