//! A request as a text that a person can read and a fuzzer can cut up.
//!
//! ```text
//! one line, which each target reads in its own way
//! header-name: value
//!
//! body
//! ```

use kiket_runtime::{
    Headers,
    signature::{TIMESTAMP_HEADER, sign},
};

pub(crate) struct Request<'i> {
    pub(crate) line: &'i str,
    /// Names and the bytes of their values.
    pub(crate) headers: Vec<(&'i str, Vec<u8>)>,
    pub(crate) body: &'i [u8],
}

impl<'i> Request<'i> {
    /// Cuts `input` up; `None` where its first line or a header's name is not UTF-8.
    pub(crate) fn read(input: &'i [u8]) -> Option<Self> {
        let (line, mut rest) = cut(input, b'\n');
        let mut headers = Vec::new();
        while !rest.is_empty() {
            let (header, behind) = cut(rest, b'\n');
            rest = behind;
            if header.is_empty() {
                break;
            }
            let (name, value) = cut(header, b':');
            headers.push((str::from_utf8(name).ok()?, value.strip_prefix(b" ").unwrap_or(value).to_vec()));
        }
        Some(Self { line: str::from_utf8(line).ok()?, headers, body: rest })
    }

    /// Puts the signature of `secret` where a header says `@`; a fuzzer could not guess it.
    #[allow(dead_code)] // not every target signs
    pub(crate) fn sign(&mut self, secret: &str) {
        let times = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(TIMESTAMP_HEADER));
        let time = times.and_then(|(_, value)| str::from_utf8(value).ok()?.parse().ok()).unwrap_or_default();
        for (_, value) in &mut self.headers {
            if let Some(at) = value.iter().position(|byte| *byte == b'@') {
                value.splice(at..=at, sign(secret, time, self.body).into_bytes());
            }
        }
    }

    pub(crate) fn headers(&self) -> Headers {
        self.headers.iter().map(|(name, value)| (name, value)).collect()
    }

    /// The values of every header `name`.
    pub(crate) fn all(&self, name: &str) -> Vec<&[u8]> {
        let named = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_slice()).collect()
    }
}

/// What is before the first `byte`, and what is behind it.
fn cut(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    match text.iter().position(|other| *other == byte) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[]),
    }
}
