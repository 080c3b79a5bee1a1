//! Shortens texts from outside, for the log and for responses.

use std::borrow::Cow;

/// The most bytes of a text about a failure, which may quote a whole body.
pub(crate) const LONGEST_TEXT: usize = 4096;
/// The most bytes of the id of a delivery.
pub(crate) const LONGEST_ID: usize = 256;

/// A text that is cut after `most` bytes. Redact it first: half a secret cannot be found.
pub(crate) fn shortened<'t>(text: impl Into<Cow<'t, str>>, most: usize) -> Cow<'t, str> {
    let text = text.into();
    if text.len() <= most {
        return text;
    }
    format!("{}…", cut(&text, most)).into()
}

/// At most so many bytes of a text, to the end of a letter.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let end = (0..=text.len().min(most)).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_letters() {
        assert_eq!(shortened("abcd", 4), "abcd");
        assert_eq!(shortened("abcde", 4), "abcd…");
        assert_eq!(shortened("abcé".repeat(2), 4), "abc…");
        assert_eq!(shortened("é", 0), "…");
    }
}
